"""Say why a task is not to be had now."""

from __future__ import annotations

from gitcoord.core.holds import describe, holds_of, obstacles
from gitcoord.core.leases import running
from gitcoord.core.model import TaskRecord
from gitcoord.core.readiness import hindrance
from gitcoord.core.snapshot import Snapshot

__all__ = ["NO_ROOM", "describe_waiting"]

NO_ROOM = "has no room"
"""Stands where others are in the way: their paths, or a pool that is full."""


def _landing_of(snapshot: Snapshot, phase: str) -> str:
    """Return what a phase waits for in which a task is done."""
    at_work = [task["id"] for task in snapshot.live() if task["spec"]["phase"] == phase]
    if at_work:
        return f"phase {phase} waits for {', '.join(at_work[:5])}"
    return f"phase {phase} waits for its landing: `gitcoord phase land {phase}`"


def describe_waiting(snapshot: Snapshot, task: TaskRecord, agent: str = "") -> str:
    """Return in a few words what a task waits for, as ``agent`` sees it."""
    if task["claim"]:
        return f"task {task['id']} is held by {task['claim']['agent']}"
    if task["state"] == "review":
        at_work = [review["agent"] for review in running(task)]
        return f"task {task['id']} waits for review" + (
            f" by {', '.join(at_work)}" if at_work else ": `gitcoord review claim`"
        )
    if task["state"] == "done":
        return _landing_of(snapshot, task["spec"]["phase"])
    found = hindrance(snapshot, task)
    if found is not None:
        if found.hint:
            return f"{found.text}: {found.hint}"
        return found.text
    if any(one["task"] == task["id"] and one["state"] == "open" for one in snapshot.escalations()):
        return f"task {task['id']} waits for the orchestrator: `gitcoord status` says why"
    if task["retry"]:
        return f"task {task['id']} waits after its failure"
    in_use = obstacles(holds_of(snapshot), task["spec"]["paths"] or [], agent, for_claim=True)
    return f"task {task['id']} {NO_ROOM}: {describe(in_use[0]) if in_use else 'its pool is in use'}"
