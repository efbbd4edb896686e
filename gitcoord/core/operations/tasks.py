"""Own what the orchestrator does to a task: retry, cancel, assign, pause."""

from __future__ import annotations

from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context
from gitcoord.core.operation import LineKey, Operation, Transitions, keys, titled
from gitcoord.core.operations.built_on import REDO, check_redone, redo, redone_with
from gitcoord.core.operations.changes import changed, close_escalations
from gitcoord.core.operations.preconditions import require_agent, task_of
from gitcoord.core.snapshot import Changes, Snapshot, put_task
from gitcoord.core.streams import end_stream

__all__ = ["OPERATIONS"]

_RETRIED: Transitions = {"failed": ("open",), "cancelled": ("open",)}
_ASSIGNED: Transitions = {"open": ("open",), "claimed": ("open",)}
_PAUSED: Transitions = {"open": ("open",), "claimed": ("claimed",)}
_CANCELLED: Transitions = {
    "open": ("cancelled",),
    "claimed": ("cancelled",),
    "review": ("cancelled",),
    "done": ("cancelled",),
}


def decide_retry(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Open a task that failed or was cancelled."""
    return {**titled(snapshot, command), "reason": command["reason"]}


def check_retry(snapshot: Snapshot, event: Event) -> None:
    """Refuse to retry what is neither failed nor cancelled."""
    task_of(snapshot, event, _RETRIED)


def apply_retry(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Forget the failures, and settle what was escalated about them."""
    close_escalations(snapshot, event, changes, "retried")
    task = snapshot.require_task(event["task"])
    put_task(changes, changed(task, state="open", failures=0, retry=None, widened=[], resume=None))


def decide_cancel(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Call a task off, and name what has to be redone without it."""
    task = snapshot.require_task(command["task"])
    return {
        **titled(snapshot, command),
        "reason": command["reason"],
        "redone": redone_with(snapshot, task),
    }


def check_cancel(snapshot: Snapshot, event: Event) -> None:
    """Refuse to cancel what is over, or to redo other tasks than have to be."""
    check_redone(snapshot, event, task_of(snapshot, event, _CANCELLED))


def apply_cancel(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """End claim, reviews and result; the holder is fenced."""
    close_escalations(snapshot, event, changes, "cancelled")
    redo(snapshot, event, changes)
    task = snapshot.require_task(event["task"])
    ended: dict[str, Any] = {"claim": None, "reviews": [], "result": None, "resume": None}
    put_task(changes, changed(task, state="cancelled", **ended))
    end_stream(snapshot, changes, task["spec"]["phase"])


def decide_assign(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Reserve a task for one agent, or for nobody in particular."""
    if command["to"] == ids.ORCHESTRATOR:
        raise UsageError("the orchestrator is not an agent; name an agent")
    return {**titled(snapshot, command), "reason": command["reason"], "to": command["to"]}


def check_assign(snapshot: Snapshot, event: Event) -> None:
    """Refuse to assign to an agent that was not added."""
    task_of(snapshot, event, _ASSIGNED)
    if event["to"] is not None:
        require_agent(snapshot, event["to"])


def apply_assign(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Open the task for that agent; a holder is fenced."""
    task = snapshot.require_task(event["task"])
    put_task(changes, changed(task, state="open", claim=None, assigned=event["to"], resume=None))


def decide_pause(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Keep everybody from beginning with a task, or end that."""
    return {**titled(snapshot, command), "reason": command["reason"]}


def check_pause(snapshot: Snapshot, event: Event) -> None:
    """Refuse to pause what is paused."""
    task = task_of(snapshot, event, _PAUSED)
    if "paused" in task:
        raise RefusedError(f"task {task['id']} is paused already", reason="nothing-to-do")


def apply_pause(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Say who paused the task; a holder keeps its claim, and may complete it."""
    task = snapshot.require_task(event["task"])
    pause = {"agent": event["agent"], "reason": event["reason"], "at": event["time"]}
    put_task(changes, changed(task, paused=pause))


def check_unpause(snapshot: Snapshot, event: Event) -> None:
    """Refuse to go on with what is not paused."""
    task = task_of(snapshot, event, _PAUSED)
    if "paused" not in task:
        raise RefusedError(f"task {task['id']} is not paused", reason="nothing-to-do")


def apply_unpause(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Let the task be claimed again as soon as nothing else is in its way."""
    put_task(changes, changed(snapshot.require_task(event["task"]), paused=None))


OPERATIONS = {
    "retry": Operation(
        fields=keys("task title"),
        optional={"reason": ""},
        transitions=_RETRIED,
        decide=decide_retry,
        check=check_retry,
        apply=apply_retry,
        subject="retry {task} by {agent}: {title}",
        body="reason",
        batchable=True,
        command="retry",
        line={
            "task": LineKey("task", "task", is_required=True),
            "reason": LineKey("text", "reason"),
        },
    ),
    "cancel": Operation(
        fields=keys("task title"),
        optional={"reason": "", "redone": []},
        transitions=_CANCELLED,
        in_passing={"redone": REDO},
        decide=decide_cancel,
        check=check_cancel,
        apply=apply_cancel,
        subject="cancel {task} by {agent}: {title}",
        body="reason",
        batchable=True,
        command="cancel",
        line={
            "task": LineKey("task", "task", is_required=True),
            "reason": LineKey("text", "reason"),
        },
    ),
    "assign": Operation(
        fields=keys("task title"),
        optional={"to": None, "reason": ""},
        transitions=_ASSIGNED,
        decide=decide_assign,
        check=check_assign,
        apply=apply_assign,
        subject="assign {task}[ to {to}] by {agent}: {title}",
        body="reason",
        batchable=True,
        command="assign",
        line={
            "task": LineKey("task", "task", is_required=True),
            "to": LineKey("holder", "to", is_required=True),
            "reason": LineKey("text", "reason"),
        },
    ),
    "pause": Operation(
        fields=keys("task title"),
        optional={"reason": ""},
        transitions=_PAUSED,
        decide=decide_pause,
        check=check_pause,
        apply=apply_pause,
        subject="pause {task} by {agent}: {title}",
        body="reason",
    ),
    "unpause": Operation(
        fields=keys("task title"),
        optional={"reason": ""},
        transitions=_PAUSED,
        decide=decide_pause,
        check=check_unpause,
        apply=apply_unpause,
        subject="unpause {task} by {agent}: {title}",
        body="reason",
    ),
}
