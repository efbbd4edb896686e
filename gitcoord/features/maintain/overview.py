"""Answer an orchestrator's questions: what needs you, is stuck, runs, comes next, and when it ends.

Whatever shows the state of a ledger takes these answers from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from gitcoord.core import ids
from gitcoord.core.estimates import Finished, Remaining, estimate
from gitcoord.core.hanging import hung_ms
from gitcoord.core.history import History, history_of
from gitcoord.core.ids import AgentId, PhaseId, TaskId
from gitcoord.core.leases import (
    Context,
    age_ns,
    is_silent,
    remaining_ms,
    running,
    silent_ns,
)
from gitcoord.core.model import Claim, Lease, PhaseRecord, PlanRecord, TaskRecord
from gitcoord.core.operations.reviews import is_verifier
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import listed
from gitcoord.core.times import instant
from gitcoord.features.inspect.chain import entries
from gitcoord.features.inspect.idleness import idle_ms
from gitcoord.features.inspect.waiting import NO_ROOM_KINDS, Waiting, waiting_of
from gitcoord.features.maintain.attention import Attention, item, needs_you
from gitcoord.features.workspace import Workspace

if TYPE_CHECKING:
    from gitcoord.store.index import PlannedTask

__all__ = ["overview"]

MAX_NEXT = 5
MAX_LOOKED = 50
"""Of the ready tasks, how many are asked whether they can be claimed now."""
MAX_ENTRIES = 1000
"""How far back the history is read for an estimate."""
MAX_REMAINING = 5000
RECENT_MS = 60_000
_OVER = frozenset({"done", "landed", "cancelled"})
_STOPPED = frozenset({"failed", "blocked"})
_PASSING = NO_ROOM_KINDS | {"delay"}
"""What keeps a ready task from being claimed for a while."""


def overview(work: Workspace, snapshot: Snapshot, status: dict[str, Any]) -> dict[str, Any]:
    """Return the answers, in the order in which they are asked.

    ``status`` is what ``facts.status`` says of the same snapshot.
    """
    context = work.ledger.context()
    return {
        "needs_you": needs_you(work, snapshot),
        "stuck": [
            *_stuck_claims(work, snapshot, context),
            *_stuck_reviews(work, snapshot),
            *_stuck_waits(status["waiting"]),
        ],
        "running": list(_running(snapshot)),
        "next": list(_next(work, snapshot, context, status)),
        "eta": _eta(work, snapshot, context, status["counts"]),
    }


# stuck


def _stuck_claims(work: Workspace, snapshot: Snapshot, context: Context) -> Iterator[Attention]:
    plan = snapshot.plan()
    if plan is None:
        return
    for task in _live(snapshot):
        claim = task["claim"]
        if claim is None:
            continue
        kind, text = _trouble(work, task, claim, context, plan)
        command = f"gitcoord show {task['id']}"
        if kind == "over":
            command = "gitcoord reap"
        if kind:
            yield item(
                kind,
                f"task {task['id']} by {claim['agent']}: {text}",
                command,
                task=task["id"],
                phase=task["spec"]["phase"],
                agent=claim["agent"],
                since=instant(claim["at"]),
            )


def _trouble(
    work: Workspace, task: TaskRecord, claim: Claim, context: Context, plan: PlanRecord
) -> tuple[str, str]:
    """Return the worst that is wrong with a claim: its kind, and what is seen."""
    lease = cast("Lease", claim)
    left_ms, silent_ms = remaining_ms(lease, context), silent_ns(lease, context) // 1_000_000
    if left_ms <= 0:
        return "over", "its lease is over; the next claim may take it"
    if is_silent(silent_ms, claim["lease_ms"]):
        shown = ids.show_duration(left_ms)
        return "silent", f"no sign of life for {ids.show_duration(silent_ms)}, lease {shown}"
    entry_ms = age_ns(claim["boot_id"], claim["monotonic_ns"], context) // 1_000_000
    limit_ms = hung_ms(plan, task["spec"])
    if idle_ms(work, task, claim, context) > limit_ms:
        return "hung", f"it lives, and did nothing for {ids.show_duration(limit_ms)}"
    if entry_ms > plan["heartbeat_ms"]:
        return "late", f"no progress was reported for {ids.show_duration(entry_ms)}"
    return "", ""


def _stuck_reviews(work: Workspace, snapshot: Snapshot) -> Iterator[Attention]:
    """Find results that wait for a review which no agent can give."""
    agents = snapshot.agents()
    unlanded = [one["id"] for one in snapshot.phases() if one["state"] != "landed"]
    for name in work.index.in_state(unlanded, "review"):
        task = snapshot.require_task(name)
        if task["result"] is None or running(task):
            continue
        author = task["result"]["agent"]
        judged = {review["agent"] for review in task["reviews"]}
        others = [one for one in agents if one["id"] != author and one["id"] not in judged]
        has_verifier = any(review["is_verifier"] for review in task["reviews"])
        missing = task["approvals"] - len(judged)
        if task["spec"]["verify_by"] is not None and not has_verifier and missing == 1:
            others = [one for one in others if is_verifier(one, task)]
        if not others:
            text = f"task {task['id']} waits for a review, and no agent can give it"
            yield item(
                "review",
                text,
                "gitcoord agent add ID",
                task=task["id"],
                phase=task["spec"]["phase"],
            )


def _stuck_waits(waiting: list[dict[str, Any]]) -> Iterator[Attention]:
    """Tell of each holder who waits for its paths, once: what many wait for is cut badly."""
    behind: dict[tuple[AgentId, TaskId | None, str | None], list[TaskId]] = {}
    for one in waiting:
        first = one["for"][0]
        behind.setdefault((first["agent"], first["task"], first["lock"]), []).append(one["task"])
    for (agent, task, lock), names in behind.items():
        what, command = f"its lock {lock}", "gitcoord locks"
        if lock is None:
            what, command = f"task {task}", f"gitcoord show {task}"
        named = listed(", ".join(names[:MAX_NEXT]), len(names) - MAX_NEXT)
        waits = "wait"
        if len(names) == 1:
            waits = "waits"
        text = f"{named} {waits} for paths that {agent} holds for {what}"
        yield item("paths", text, command, task=task, agent=agent)


# running, next


def _live(snapshot: Snapshot) -> list[TaskRecord]:
    return sorted(snapshot.live(), key=lambda task: task["order"])


def _running(snapshot: Snapshot) -> Iterator[Attention]:
    for task in _live(snapshot):
        name, phase = task["id"], task["spec"]["phase"]
        command = f"gitcoord show {name}"
        claim = task["claim"]
        if claim is not None:
            words = task["spec"]["title"]
            if claim["progress"] is not None:
                words = claim["progress"]["message"]
            agent, since = claim["agent"], instant(claim["since"])
            yield item("claim", words, command, task=name, phase=phase, agent=agent, since=since)
        for review in running(task):
            words = f"reviews {task['id']}: {task['spec']['title']}"
            agent, since = review["agent"], instant(review["at"])
            yield item("review", words, command, task=name, phase=phase, agent=agent, since=since)


def _next(
    work: Workspace, snapshot: Snapshot, context: Context, status: dict[str, Any]
) -> Iterator[Attention]:
    """Tell what can be done next; where nothing can, what the first tasks wait for."""
    landable = [one for one in status["phases"] if one["is_landable"]]
    for one in landable:
        phase = one["id"]
        text = f"phase {phase} is whole"
        if one["is_stream"]:
            text = f"stream {phase} has {one['counts'].get('done', 0)} task(s) to land"
        yield item("landing", text, f"gitcoord phase land {phase}", phase=phase)
    started = [one["id"] for one in snapshot.phases() if _is_open(snapshot, one)]
    free, hindered = _ready(work, snapshot, context, started)
    for task in free:
        name, phase = task["id"], task["spec"]["phase"]
        text = f"{name}: {task['spec']['title']}"
        yield item("ready", text, f"gitcoord claim {name}", task=name, phase=phase)
    if free or landable:
        return
    every = [one["id"] for one in snapshot.phases()]
    for name in work.index.first_shown(every, "waiting", MAX_NEXT):
        task = snapshot.require_task(name)
        hindered += [(task, one) for one in waiting_of(snapshot, task, context)[:1]]
    for task, waiting in hindered[:MAX_NEXT]:
        name, phase = task["id"], task["spec"]["phase"]
        command = waiting.command or f"gitcoord show {name}"
        yield item(waiting.kind, waiting.text, command, task=name, phase=phase)


def _ready(
    work: Workspace, snapshot: Snapshot, context: Context, phases: list[PhaseId]
) -> tuple[list[TaskRecord], list[tuple[TaskRecord, Waiting]]]:
    """Return the first tasks that can be claimed, and what others of the ready ones wait for.

    The index knows what the ledger alone decides. Delays, paths that others
    hold and full pools are asked of each task, and of so many at most.
    """
    free: list[TaskRecord] = []
    hindered: list[tuple[TaskRecord, Waiting]] = []
    for name in work.index.first_shown(phases, "ready", MAX_LOOKED):
        task = snapshot.require_task(name)
        found = [one for one in waiting_of(snapshot, task, context) if one.kind in _PASSING]
        if found:
            hindered.append((task, found[0]))
        else:
            free.append(task)
        if len(free) == MAX_NEXT:
            break
    return free, hindered


def _is_open(snapshot: Snapshot, phase: PhaseRecord) -> bool:
    return phase["state"] == "open" and snapshot.is_started(phase)


# when the rest will be done


def _eta(
    work: Workspace, snapshot: Snapshot, context: Context, counts: dict[str, int]
) -> dict[str, Any]:
    """Return between when and when the remaining tasks will probably be done."""
    left = sum(count for state, count in counts.items() if state not in _OVER | _STOPPED)
    if left > MAX_REMAINING:
        return _span(context, None, None, f"unknown: more than {MAX_REMAINING} tasks remain")
    links = list(islice(entries(work, snapshot.oid), MAX_ENTRIES))[::-1]
    history = history_of(link.event for link in links)
    planned = work.index.planned()
    estimates = {task.name: task.estimate_ms for task in planned}
    finished = [
        Finished(one.took_ms, estimates.get(one.task))
        for one in history.attempts
        if one.stands and one.took_ms is not None
    ]
    ended = sum(one.end is not None for one in history.attempts)
    failed = sum(one.end in {"failed", "expired"} for one in history.attempts)
    found = estimate(
        finished,
        _remaining(snapshot, context, planned),
        _agents_at_work(history, context, finished),
        failed / max(1, ended),
        seed=int(snapshot.oid[:12], 16),
    )
    stopped = sum(counts.get(state, 0) for state in _STOPPED)
    basis = found.basis
    if stopped:
        basis += f"; without {stopped} failed or blocked"
    return _span(context, found.low_ms, found.high_ms, basis)


def _span(context: Context, low_ms: int | None, high_ms: int | None, basis: str) -> dict[str, Any]:
    if low_ms is None or high_ms is None:
        return {"from": None, "to": None, "basis": basis}
    ends = [instant(context.time + ms / 1000) for ms in (low_ms, high_ms)]
    return {"from": ends[0], "to": ends[1], "basis": basis}


def _remaining(snapshot: Snapshot, context: Context, planned: list[PlannedTask]) -> list[Remaining]:
    """Return what is left to do, a phase's start waiting for all of those before it."""
    tasks = [task for task in planned if task.state not in _OVER | _STOPPED | {"review"}]
    open_phases = {one["id"]: one for one in snapshot.phases() if one["state"] != "landed"}
    since = {task["id"]: task["claim"]["since"] for task in snapshot.live() if task["claim"]}
    found = []
    for task in tasks:
        if task.phase not in open_phases:
            continue
        afters = open_phases[task.phase]["spec"]["after"]
        gates = tuple(_gate(phase) for phase in afters if phase in open_phases)
        elapsed_ms = None
        if task.name in since:
            elapsed_ms = max(0, context.time - since[task.name]) * 1000
        found.append(Remaining(task.name, (*task.needs, *gates), task.estimate_ms, elapsed_ms))
    for name, phase in open_phases.items():
        members = [task.name for task in tasks if task.phase == name]
        befores = [_gate(other) for other in phase["spec"]["after"] if other in open_phases]
        found.append(Remaining(_gate(name), (*members, *befores), None, is_work=False))
    return found


def _gate(phase: PhaseId) -> str:
    """Return the name of the end of a phase, which is not a task's."""
    return f"end of {phase}"


def _agents_at_work(history: History, context: Context, finished: list[Finished]) -> int:
    """Return how many agents work: those that hold a claim, and those that just did."""
    usual_ms = RECENT_MS
    if finished:
        # By hand: ``statistics`` takes longer to load than all the rest of an estimate.
        took = sorted(one.took_ms for one in finished)
        usual_ms = max(usual_ms, 2 * took[len(took) // 2])
    since = context.time - usual_ms / 1000
    return len({one.agent for one in history.attempts if one.until is None or one.until >= since})
