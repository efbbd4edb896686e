"""Hold the rules of what a result is built on, and of what goes with it.

A base contains the results of the phase that its task needs or overlaps.
When one of them is done no more, what was built on it is redone.
"""

from __future__ import annotations

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Event, Redone
from gitcoord.core.ids import Oid, TaskId
from gitcoord.core.model import TaskRecord
from gitcoord.core.operation import Transitions
from gitcoord.core.operations.changes import author_of, changed, with_setback
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = ["REDO", "check_built_on", "check_redone", "redo", "redone_with"]

REDO: Transitions = {"review": ("open",), "done": ("open",)}


def _has_delivered(task: TaskRecord, oid: Oid) -> bool:
    """Return whether a task is done, with this very commit as its result."""
    result = task["result"]
    return task["state"] == "done" and result is not None and result["oid"] == oid


def check_built_on(snapshot: Snapshot, task: TaskRecord, built_on: dict[TaskId, Oid]) -> None:
    """Refuse a base that lacks a need's result, or holds one that is stale.

    Raises:
        RefusedError: Reason ``base-moved``; ``moved`` names the tasks.

    """
    phase = task["spec"]["phase"]
    for other, oid in built_on.items():
        record = snapshot.task(other)
        if record is None or not _has_delivered(record, oid):
            raise RefusedError(
                f"the result of task {other} changed meanwhile",
                reason="base-moved",
                hint="merge its new result, and complete again",
                task=task["id"],
                moved=[other],
            )
        if record["spec"]["phase"] != phase:
            raise UsageError(f"task {other} belongs to another phase")
    for need in task["spec"]["needs"]:
        _check_need(task, snapshot.require_task(need), built_on)


def _check_need(task: TaskRecord, need: TaskRecord, built_on: dict[TaskId, Oid]) -> None:
    if need["state"] != "done":
        raise RefusedError(
            f"task {need['id']}, which {task['id']} needs, is {need['state']} again",
            reason="base-moved",
            hint=f"wait until {need['id']} is done, merge its result, and complete again",
            task=task["id"],
            moved=[need["id"]],
        )
    result = need["result"]
    is_elsewhere = need["spec"]["phase"] != task["spec"]["phase"] or "landed" in need
    # What landed is in every base, by way of the target.
    if is_elsewhere or result is None or not result["oid"]:
        return
    if built_on.get(need["id"]) != result["oid"]:
        raise RefusedError(
            f"the work does not contain the result of task {need['id']}, which it needs",
            reason="base-moved",
            hint=f"merge {result['oid'][:12]}, and complete again",
            task=task["id"],
            moved=[need["id"]],
        )


def redone_with(snapshot: Snapshot, task: TaskRecord) -> list[Redone]:
    """Return what must be redone when a task leaves done, transitively.

    Reads every task: leaving done is rare, and missing one would let work
    land that was built on something else.
    """
    if task["state"] != "done":
        return []
    others = [
        other
        for other in snapshot.tasks()
        if other["result"] and other["state"] in {"review", "done"}
    ]
    found: dict[str, TaskRecord] = {}
    queue = [task["id"]]
    while queue:
        gone = queue.pop()
        for other in others:
            result = other["result"]
            if other["id"] not in found and result and gone in result["built_on"]:
                found[other["id"]] = other
                queue.append(other["id"])
    in_order = sorted(found.values(), key=lambda other: other["order"])
    return [{"task": other["id"], "was": other["state"]} for other in in_order]


def check_redone(snapshot: Snapshot, event: Event, task: TaskRecord) -> None:
    """Refuse an event that would redo more, or less, than has to be.

    Raises:
        RefusedError: Reason ``base-moved``.

    """
    if redone_with(snapshot, task) != event["redone"]:
        raise RefusedError(
            "the tasks that have to be redone have changed since", reason="base-moved"
        )


def redo(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Open the tasks that were built on a result which counts no more."""
    why = {"task": event["task"], "by": event["op"]}
    for redone in event["redone"]:
        task = snapshot.require_task(redone["task"])
        agent = author_of(task, event)
        setbacks = with_setback(task, event, "base-redone", agent, why)
        reopened = changed(
            task, state="open", claim=None, result=None, reviews=[], setbacks=setbacks
        )
        put_task(changes, reopened)
