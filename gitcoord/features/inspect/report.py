"""Gather what a report shows: the ledger's history and where its tasks stand."""

from __future__ import annotations

from typing import Any

from gitcoord.core.history import Attempt, History, history_of
from gitcoord.core.readiness import state_of
from gitcoord.core.report_page import page
from gitcoord.core.report_text import markdown, mermaid
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect.chain import entries
from gitcoord.features.inspect.simulations import DEFAULT_TASK_MS, critical_path, plan_document
from gitcoord.features.inspect.statistics import statistics
from gitcoord.features.workspace import Workspace

__all__ = ["FORMATS", "report_facts"]

FORMATS = {"html": page, "md": markdown, "mermaid": mermaid}
"""How the facts are written, by the name of the format."""
_MARKS = frozenset({"land-done", "land-abort", "rollback"})


def report_facts(work: Workspace) -> dict[str, Any]:
    """Return everything that a report shows, as it is embedded in it.

    Raises:
        NotFoundError: The ledger has no plan yet.

    """
    snapshot = work.ledger.snapshot()
    document = plan_document(work)
    links = list(entries(work, snapshot.oid))[::-1]
    history = history_of(link.event for link in links)
    first = [one.since for one in history.attempts][:1] or [links[0].time]
    known = statistics(work)
    return {
        "ledger": work.ledger.name,
        "plan": document["plan"]["name"],
        **{key: known[key] for key in ("tip", "until", "conditions", "counts", "times", "agents")},
        "begun": first[0],
        "ended": links[-1].time,
        "phases": [
            {"id": one["id"], "state": one["state"], "after": one["spec"]["after"]}
            for one in snapshot.phases()
        ],
        "tasks": _tasks(work, snapshot, history),
        "chain": critical_path(document, DEFAULT_TASK_MS)["tasks"],
        "attempts": [_attempt(one) for one in history.attempts],
        "reviews": [
            {key: getattr(one, key) for key in ("task", "agent", "since", "until", "verdict")}
            for one in history.reviews
        ],
        "marks": [
            {"at": at, "op": op, "phase": phase}
            for _, at, op, phase in history.operations
            if op in _MARKS
        ],
        "progress": _progress(history),
    }


def _attempt(one: Attempt) -> dict[str, Any]:
    keys = ("task", "agent", "attempt", "since", "until", "end", "undone")
    return {**{key: getattr(one, key) for key in keys}, "took_ms": one.took_ms}


def _tasks(work: Workspace, snapshot: Snapshot, history: History) -> list[dict[str, Any]]:
    work.index.update(work.store, snapshot.oid)
    attempts: dict[str, list[Attempt]] = {}
    for one in history.attempts:
        attempts.setdefault(one.task, []).append(one)
    found = []
    for name, derived in work.index.listed():
        task = snapshot.require_task(name)
        own = attempts.get(name, [])
        holder = task["claim"] or task["result"]
        agent = None
        if holder is not None:
            agent = holder["agent"]
        found.append(
            {
                "id": name,
                "title": task["spec"]["title"],
                "phase": task["spec"]["phase"],
                "needs": task["spec"]["needs"],
                "state": state_of(snapshot, task, derived),
                "agent": agent,
                "attempts": len(own),
                "took_ms": next((one.took_ms for one in own if one.stands), None),
            }
        )
    return found


def _progress(history: History) -> list[list[int]]:
    """Return how many results stood after each that was handed in, or taken back."""
    steps = [(one.until or 0, 1) for one in history.attempts if one.end == "completed"]
    steps += [(one.at, -1) for one in history.setbacks if one.of and one.of.end == "completed"]
    count, found = 0, []
    for at, step in sorted(steps):
        count += step
        found.append([at, max(0, count)])
    return found
