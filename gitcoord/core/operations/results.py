"""Own the rules of how an attempt ends: with a result, or with a failure."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.boundary import boundary_of, paths_of, recorded
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import Oid
from gitcoord.core.layout import attempt_log_path
from gitcoord.core.leases import Context
from gitcoord.core.model import Claim, PhaseRecord, Result, RetryDelay, State, TaskRecord
from gitcoord.core.operation import (
    WORDS,
    LineKey,
    Operation,
    Transitions,
    check_interval,
    elapsed_ms,
    has_reason,
    holding,
    keys,
    stamp,
    titled,
    why_of,
)
from gitcoord.core.operations.built_on import (
    REDO,
    check_built_on,
    check_redone,
    redo,
    redone_with,
)
from gitcoord.core.operations.changes import author_of, changed, set_back
from gitcoord.core.operations.gates import require_check
from gitcoord.core.operations.preconditions import held, task_of
from gitcoord.core.operations.releases import RELEASE
from gitcoord.core.operations.reviews import approvals_of
from gitcoord.core.sessions import makers_in
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task

__all__ = ["OPERATIONS", "retry_delay_ms"]

FIRST_DELAY_MS = 1_000
MAX_DELAY_MS = 300_000
_COMPLETED: Transitions = {"claimed": ("review", "done")}
_FAILED: Transitions = {"claimed": ("open", "failed")}
_REOPENED: Transitions = {"review": ("open", "failed"), "done": ("open", "failed")}


def retry_delay_ms(failures: int) -> int:
    """Return the delay after the n-th failure: 1 s, 4 s, 16 s ... 5 minutes."""
    return int(min(MAX_DELAY_MS, FIRST_DELAY_MS * 4 ** min(failures, 8)))


# complete


def decide_complete(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Bind a result to its claim, and to the boundary that is in force."""
    fenced = holding(snapshot, command)
    task = snapshot.require_task(command["task"])
    result = {
        "boundary": recorded(boundary_of(snapshot, task, snapshot.agent(command["agent"]))),
        **command["result"],
        "agent": command["agent"],
        "attempt": fenced["attempt"],
        "token": command["token"],
        "at": context.time,
    }
    # A stale token may find no claim at all: `check` says so.
    claim = task["claim"]
    if claim is not None and makers_in(claim["session"]):
        result["makers"] = list(makers_in(claim["session"]))
    spent_ms = elapsed_ms(command.get("begun_ns"), context)
    return {**fenced, **titled(snapshot, command), "result": result, "spent_ms": spent_ms}


def check_complete(snapshot: Snapshot, event: Event) -> None:
    """Refuse a result that is not the holder's, or not what the task asks for."""
    task = held(snapshot, event, _COMPLETED)
    check_interval(event, "spent_ms")
    result = event["result"]
    bound_to = (result["token"], result["agent"], result["attempt"])
    if bound_to != (event["token"], event["agent"], event["attempt"]):
        raise UsageError("a result is its claim's")
    _check_makers(task, result)
    _check_commit(task, result["oid"])
    boundary = boundary_of(snapshot, task, snapshot.agent(event["agent"]))
    if result["boundary"] != recorded(boundary):
        raise RefusedError(
            f"the boundary of task {task['id']} changed meanwhile",
            reason="boundary-moved",
            hint="complete again: the new boundary will be applied",
        )
    check_built_on(snapshot, task, result["built_on"])
    require_check(snapshot, task, result)


def _check_makers(task: TaskRecord, result: Result) -> None:
    """Refuse a result that names other makers than its claim's session does.

    Those that an earlier release wrote name none.
    """
    if "makers" not in result:
        return
    makers = makers_in(cast("Claim", task["claim"])["session"])
    if not makers or result["makers"] != list(makers):
        raise UsageError("who made a result is what its claim's session tells")


def _check_commit(task: TaskRecord, oid: Oid | None) -> None:
    spec = task["spec"]
    if oid is None and spec["result"] != "optional" and paths_of(task) != []:
        raise RefusedError(
            f"task {task['id']} has to hand in a commit",
            reason="empty-result",
            hint="commit the work on the claim's branch, and complete again",
        )
    if oid is not None and paths_of(task) == []:
        raise RefusedError(
            f"task {task['id']} may write nothing, so it hands in no commit",
            reason="boundary",
            hint="`gitcoord complete --no-result` completes it",
        )


def apply_complete(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Keep the result; the task is done, or waits for its reviews."""
    task = snapshot.require_task(event["task"])
    phase = cast("PhaseRecord", snapshot.phase(task["spec"]["phase"]))
    approvals = approvals_of(phase["spec"]["reviews"], task["spec"])
    state: State = "done"
    if approvals:
        state = "review"
    after = changed(
        task,
        state=state,
        claim=None,
        result=event["result"],
        reviews=[],
        approvals=approvals,
        resume=None,
    )
    put_task(changes, after)


# fail


def decide_fail(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Return why an attempt failed, and how long the next one waits."""
    task = snapshot.require_task(command["task"])
    return {
        **holding(snapshot, command),
        **titled(snapshot, command),
        **stamp(context),
        "kind": command.get("kind", "transient"),
        "reason": command["reason"],
        "delay_ms": retry_delay_ms(task["failures"]),
        "log": command.get("log"),
        "spent_ms": elapsed_ms(command.get("begun_ns"), context),
    }


def check_fail(snapshot: Snapshot, event: Event) -> None:
    """Refuse a failure by anyone but the holder, or without a reason."""
    held(snapshot, event, _FAILED)
    check_interval(event, "spent_ms")
    if event["kind"] not in {"transient", "permanent"} or not has_reason(event):
        raise UsageError("a failure is transient or permanent, and has a reason")


def apply_fail(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Count the failure; the task opens after a delay, or fails."""
    is_permanent = event["kind"] == "permanent"
    retry: RetryDelay | None = None
    if not is_permanent:
        retry = {
            "boot_id": event["boot_id"],
            "monotonic_ns": event["monotonic_ns"],
            "delay_ms": event["delay_ms"],
        }
    after = set_back(
        snapshot,
        event,
        changes,
        snapshot.require_task(event["task"]),
        "failed",
        event["agent"],
        {"reason": why_of(event)},
        is_final=is_permanent,
    )
    put_task(changes, changed(after, retry=retry))
    if event["log"]:
        changes[attempt_log_path(event["task"], event["attempt"])] = BlobOid(event["log"])


# reopen


def decide_reopen(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Take a result back, and name what has to be redone with it."""
    task = snapshot.require_task(command["task"])
    return {
        **titled(snapshot, command),
        "kind": command["kind"],
        "reason": command["reason"],
        "log": command.get("log"),
        "redone": redone_with(snapshot, task),
    }


def check_reopen(snapshot: Snapshot, event: Event) -> None:
    """Refuse to reopen without a reason, or to redo other tasks than have to be."""
    task = task_of(snapshot, event, _REOPENED)
    check_redone(snapshot, event, task)
    if not has_reason(event):
        raise UsageError("a reopening needs a reason")


def apply_reopen(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Count a failure of the result's author, and redo what was built on it."""
    redo(snapshot, event, changes)
    task = snapshot.require_task(event["task"])
    agent = author_of(task, event)
    after = set_back(
        snapshot, event, changes, task, event["kind"], agent, {"reason": why_of(event)}
    )
    put_task(changes, changed(after, result=None))
    if event["log"]:
        changes[attempt_log_path(event["task"], task["attempt"])] = BlobOid(event["log"])


OPERATIONS = {
    "complete": Operation(
        fields=keys("task title token attempt result"),
        optional={"spent_ms": None},
        transitions=_COMPLETED,
        decide=decide_complete,
        check=check_complete,
        apply=apply_complete,
        subject="complete {task} by {agent}: {title}",
        batchable=True,
        command="complete",
        line={
            "task": LineKey("task", "task"),
            "result": LineKey("word", "result"),
            "no_result": LineKey("flag", "no_result"),
        },
        is_for_agents=True,
    ),
    "fail": Operation(
        fields=keys("task title token attempt kind delay_ms boot_id monotonic_ns"),
        optional={**WORDS, "log": None, "spent_ms": None},
        transitions=_FAILED,
        decide=decide_fail,
        check=check_fail,
        apply=apply_fail,
        subject="fail {task} by {agent}: {reason}",
        body="reason",
        batchable=True,
        command="fail",
        line={
            "task": LineKey("task", "task"),
            "reason": LineKey("text", "reason", is_required=True),
            "kind": LineKey("word", "kind"),
        },
        is_for_agents=True,
    ),
    "reopen": Operation(
        fields=keys("task title kind"),
        optional={**WORDS, "redone": [], "log": None},
        transitions=_REOPENED,
        in_passing={"redone": REDO},
        decide=decide_reopen,
        check=check_reopen,
        apply=apply_reopen,
        subject="reopen {task} by {agent}: {reason}",
        body="reason",
    ),
    "release": RELEASE,
}
