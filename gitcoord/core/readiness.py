"""Derive what an open task waits for: the one place that does.

What time and others decide (a delay after a failure, paths, capacity) is
asked elsewhere. What the ledger alone decides is asked here: by the rule
that refuses a claim, and by whoever shows a state or a reason.
"""

from __future__ import annotations

from typing import NamedTuple

from gitcoord.core.model import PhaseRecord, TaskRecord
from gitcoord.core.snapshot import Snapshot

__all__ = ["Hindrance", "hindrance"]

MAX_NAMED = 5


class Hindrance(NamedTuple):
    """What keeps an open task from being ready."""

    kind: str
    """``phase``, ``blocked`` or ``need``."""
    names: tuple[str, ...]
    """The phases or tasks that it waits for."""
    text: str
    hint: str = ""


def hindrance(
    snapshot: Snapshot, task: TaskRecord, *, are_needs_done: bool = False
) -> Hindrance | None:
    """Return what an open task waits for, None where nothing is in its way.

    ``are_needs_done`` says that the index knows them to be.
    """
    missing: list[TaskRecord] = []
    if not are_needs_done:
        missing = _missing_needs(snapshot, task)
    broken = tuple(need["id"] for need in missing if need["state"] in {"failed", "cancelled"})
    if broken:
        text = f"task {task['id']} is blocked: it needs {', '.join(broken)}, which will not be done"
        return Hindrance("blocked", broken, text, f"`gitcoord retry {broken[0]}` opens it again")
    phase = snapshot.phase(task["spec"]["phase"])
    if phase is not None and not snapshot.is_started(phase):
        return _unstarted(snapshot, phase)
    if missing:
        names = tuple(need["id"] for need in missing)
        return Hindrance(
            "need", names, f"task {task['id']} waits for {', '.join(names[:MAX_NAMED])}"
        )
    return None


def _missing_needs(snapshot: Snapshot, task: TaskRecord) -> list[TaskRecord]:
    needs = [snapshot.require_task(need) for need in task["spec"]["needs"]]
    return [need for need in needs if need["state"] != "done"]


def _unstarted(snapshot: Snapshot, phase: PhaseRecord) -> Hindrance:
    befores = [(name, snapshot.phase(name)) for name in phase["spec"]["after"]]
    names = tuple(name for name, one in befores if one is None or one["state"] != "landed")
    waiting = ", ".join(f"phase {name}" for name in names)
    text = f"phase {phase['id']} has not started: {waiting} has to land first"
    return Hindrance("phase", names, text, f"`gitcoord phase land {names[0]}`")
