"""Gather what a report shows: the ledger's history and where its tasks stand."""

from __future__ import annotations

from typing import Any

from gitcoord.core.history import Attempt, History, Run, history_of
from gitcoord.core.ids import Oid
from gitcoord.core.readiness import state_of
from gitcoord.core.report_page import page
from gitcoord.core.report_text import markdown, mermaid
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.chain import entries
from gitcoord.features.inspect.simulations import critical_path, learned, plan_document
from gitcoord.features.inspect.statistics import statistics
from gitcoord.features.maintain.overview import overview
from gitcoord.features.workspace import Workspace

__all__ = ["FORMATS", "report_facts"]

FORMATS = {"html": page, "md": markdown, "mermaid": mermaid}
"""How the facts are written, by the name of the format."""
_KNOWN = ("tip", "until", "git", "conditions", "counts", "times", "usage")
_GROUPS = ("agents", "pools", "phases", "assistants")


def report_facts(work: Workspace) -> dict[str, Any]:
    """Return everything that a report shows, as it is embedded in it.

    Raises:
        NotFoundError: The ledger has no plan yet.

    """
    document = plan_document(work)
    status = facts.status(work)
    snapshot = work.ledger.snapshot(Oid(status["tip"]))
    links = list(entries(work, snapshot.oid))[::-1]
    history = history_of(link.event for link in links)
    first = [one.since for one in history.attempts][:1] or [links[0].time]
    known = statistics(work)
    return {
        "ledger": work.ledger.name,
        "plan": document["plan"]["name"],
        **{key: known[key] for key in _KNOWN},
        "groups": {key: known[key] for key in _GROUPS},
        "now": overview(work, snapshot, status),
        "begun": first[0],
        "ended": links[-1].time,
        "phases": [
            {"id": one["id"], "state": one["state"], "after": one["spec"]["after"]}
            for one in snapshot.phases()
        ],
        "tasks": _tasks(work, snapshot, history),
        "chain": critical_path(document, learned(work).task_ms)["tasks"],
        "attempts": [_picked(one, _OF_AN_ATTEMPT) for one in history.attempts],
        "reviews": [_picked(one, _OF_A_REVIEW) for one in history.reviews],
        "runs": [_run(one) for one in history.runs],
        "landings": [_picked(one, _OF_A_LANDING) for one in history.landings],
        "rollbacks": [at for _, at, op, _ in history.operations if op == "rollback"],
        "progress": _progress(history),
    }


_OF_AN_ATTEMPT = (
    "task",
    "agent",
    "attempt",
    "since",
    "until",
    "end",
    "undone",
    "wait_ms",
    "limit_ms",
    "took_ms",
)
_OF_A_REVIEW = ("task", "agent", "since", "until", "verdict")
_OF_A_LANDING = ("phase", "since", "until", "end", "count")


def _picked(one: object, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return some of what is known of an attempt, a review or a landing."""
    return {key: getattr(one, key) for key in keys}


def _run(one: Run) -> dict[str, Any]:
    keys = ("kind", "of", "gate", "agent", "at", "verdict", "millis")
    return {key: getattr(one, key) for key in keys}


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
                "pool": task["spec"]["pool"],
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
