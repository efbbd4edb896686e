"""Find who is blocked by a failure, and who would be."""

from __future__ import annotations

from typing import Any

from gitcoord.core.ids import TaskId
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import counted
from gitcoord.features.workspace import Workspace

__all__ = ["behind", "blocked", "told"]

MAX_NAMED = 20
MAX_COUNTED = 1000


def behind(work: Workspace, snapshot: Snapshot, task: TaskId) -> dict[str, Any]:
    """Count what needs a task, directly and through others; name the first."""
    work.index.update(work.store, snapshot.oid)
    direct, names, count = work.index.behind(task, MAX_NAMED)
    return {"task": task, "direct": direct, "count": count, "tasks": names}


def blocked(work: Workspace, snapshot: Snapshot) -> list[dict[str, Any]]:
    """List what failed or was cancelled and keeps others from starting."""
    work.index.update(work.store, snapshot.oid)
    return [
        {"state": state, **behind(work, snapshot, task)}
        for task, state in work.index.blocking(MAX_NAMED)
    ]


def told(facts: dict[str, Any], *, is_failed: bool) -> str:
    """Put a cascade in one line."""
    more = ""
    if facts["count"] > len(facts["tasks"]):
        more = f" and {facts['count'] - len(facts['tasks'])} more"
    named = ", ".join(facts["tasks"]) + more
    tasks = "1000 tasks or more"
    if facts["count"] < MAX_COUNTED:
        tasks = counted(facts["count"], "tasks")
    if is_failed:
        return f"{tasks} blocked by it: {named}; gitcoord retry {facts['task']} opens it again"
    return f"by {tasks}, which would be blocked if it failed: {named}"
