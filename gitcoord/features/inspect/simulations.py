"""Estimate before anything is spent how long a plan would take, with how many agents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from statistics import median, quantiles, stdev
from typing import Any

from gitcoord.core import graph, stats
from gitcoord.core.history import History, history_of
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.model import PlanDocument, TaskRecord
from gitcoord.core.plan_graph import path_warnings
from gitcoord.core.simulation import Assumptions, simulate
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect.chain import entries
from gitcoord.features.workspace import Workspace, plan_of

__all__ = ["DEFAULT_TASK_MS", "critical_path", "learned", "plan_document", "simulation"]

DEFAULT_TASK_MS = 600_000
MIN_LEARNED = 3
MAX_ENTRIES = 20_000
MAX_CHAIN = 50


def plan_document(work: Workspace) -> PlanDocument:
    """Return the whole plan of a ledger, as if nothing of it was done.

    What was cancelled, and what needs it, is not going to be done.

    Raises:
        NotFoundError: There is none yet.

    """
    snapshot = work.ledger.snapshot()
    tasks = sorted(snapshot.tasks(), key=lambda one: one["order"])
    gone = _given_up(tasks)
    return {
        "plan": plan_of(snapshot),
        "phases": [one["spec"] for one in snapshot.phases()],
        "tasks": [one["spec"] for one in tasks if one["id"] not in gone],
    }


def _given_up(tasks: Sequence[TaskRecord]) -> set[TaskId]:
    """Return the tasks that were cancelled, and all that need them."""
    dependents = graph.dependents_of({one["id"]: one["spec"]["needs"] for one in tasks})
    gone: set[TaskId] = set()
    for one in tasks:
        if one["state"] == "cancelled" and one["id"] not in gone:
            direct, further = graph.impact(dependents, one["id"])
            gone |= {one["id"], *direct, *further}
    return gone


def learned(work: Workspace) -> Assumptions:
    """Return what a ledger's own history says of its work; defaults where it says nothing."""
    snapshot = work.ledger.snapshot()
    links = list(islice(entries(work, snapshot.oid), MAX_ENTRIES))[::-1]
    history = history_of(link.event for link in links)
    took = [(one.task, one.took_ms) for one in history.attempts if one.stands and one.took_ms]
    if len(took) < MIN_LEARNED:
        return Assumptions(DEFAULT_TASK_MS)
    ended = sum(one.end is not None for one in history.attempts)
    failed = sum(one.end in {"failed", "expired"} for one in history.attempts)
    return Assumptions(
        round(median(ms for _, ms in took)),
        round(stdev(_logarithms(snapshot, took)), 3),
        round(failed / ended, 3),
        _overhead_ms(history),
        cost_micros=_cost_micros(history),
    )


def _cost_micros(history: History) -> int | None:
    """Return what an attempt costs as a rule; None where fewer than three told it."""
    costs = []
    for one in history.attempts:
        told = [usage["cost_micros"] for usage in one.usages if "cost_micros" in usage]
        if told:
            costs.append(sum(told))
    if len(costs) < MIN_LEARNED:
        return None
    return round(sum(costs) / len(costs))


def _logarithms(snapshot: Snapshot, took: Sequence[tuple[TaskId, int]]) -> list[float]:
    """Return how much longer each task took than it should have, as a logarithm."""
    ratios = []
    for task, ms in took:
        record = snapshot.task(task)
        if record is not None and record["spec"]["estimate_ms"]:
            ratios.append(math.log(ms / record["spec"]["estimate_ms"]))
    if len(ratios) >= MIN_LEARNED:
        return ratios
    return [math.log(ms) for _, ms in took]


def _overhead_ms(history: History) -> int:
    """Return what a claim costs where a task was ready: the lower quarter of the waits."""
    waits = [one.wait_ms for one in history.attempts if one.wait_ms is not None]
    if len(waits) < MIN_LEARNED:
        return 0
    return round(quantiles(waits, n=4)[0])


def simulation(
    document: PlanDocument, counts: Sequence[int], assumed: Assumptions
) -> dict[str, Any]:
    """Work through a plan with each number of agents, and say how many are worth it."""
    runs = [_run(document, agents, assumed) for agents in counts]
    worth = [one for one in runs if one["is_worth_it"]]
    # Of those that are as quick, the one with the fewest agents.
    best = max(worth, key=lambda one: (one["efficiency"], -one["agents"]), default=None)
    where = {one["id"]: f"task {one['id']}" for one in document["tasks"]}
    phases = {one["id"]: one for one in document["phases"]}
    return {
        "tasks": len(document["tasks"]),
        "phases": len(phases),
        "assumed": assumed._asdict(),
        "critical_path": critical_path(document, assumed.task_ms),
        "conflicts": path_warnings(document["tasks"], phases, where),
        "runs": runs,
        "worth": best and best["agents"],
    }


def _run(document: PlanDocument, agents: int, assumed: Assumptions) -> dict[str, Any]:
    done = simulate(document, agents, assumed)
    history = history_of(done.events)
    found = {one["name"]: one for one in stats.conditions(history)}
    cost_micros = assumed.cost_micros
    if cost_micros is not None:
        cost_micros *= len(history.attempts)
    return {
        "agents": agents,
        "makespan_ms": done.makespan_ms,
        "efficiency": found["efficiency"]["value"],
        "overhead": found["overhead"]["value"],
        "attempts": len(history.attempts),
        "cost_micros": cost_micros,
        "left": done.left,
        "is_worth_it": all(found[name]["is_met"] for name in ("efficiency", "overhead")),
    }


def critical_path(document: PlanDocument, task_ms: int) -> dict[str, Any]:
    """Return the longest chain of tasks, phases in their order."""
    needs: dict[str, list[str]] = {one["id"]: [*one["needs"]] for one in document["tasks"]}
    afters = {one["id"]: [_end(before) for before in one["after"]] for one in document["phases"]}
    for phase, befores in afters.items():
        needs[_end(phase)] = list(befores)
    for one in document["tasks"]:
        needs[_end(one["phase"])].append(one["id"])
        needs[one["id"]] += afters[one["phase"]]
    own: dict[str, int] = {one["id"]: one["estimate_ms"] or task_ms for one in document["tasks"]}
    level = graph.levels(needs)
    ends: dict[str, int] = {}
    before: dict[str, str] = {}
    for name in sorted(needs, key=lambda name: level[name]):
        last = max(needs[name], key=lambda need: ends[need], default=None)
        ends[name] = own.get(name, 0)
        if last is not None:
            ends[name] += ends[last]
            before[name] = last
    last = max(ends, key=lambda name: ends[name], default=None)
    chain = []
    while last is not None:
        if last in own:
            chain.append(last)
        last = before.get(last)
    return {"ms": max(ends.values(), default=0), "tasks": chain[::-1][:MAX_CHAIN]}


def _end(phase: PhaseId) -> str:
    """Return the name of the end of a phase, which no task can have."""
    return f"end of {phase}"
