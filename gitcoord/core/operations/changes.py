"""Make the changes of records that several operations have in common."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.events import Event
from gitcoord.core.layout import escalation_path, lock_path
from gitcoord.core.model import Claim, Escalation, LockRecord, Setback, State, TaskRecord
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = [
    "changed",
    "close_escalations",
    "end_locks_with_claims",
    "escalate",
    "put_lock",
    "set_back",
    "with_setback",
]

MAX_SETBACKS = 5
MAX_SETBACK_BYTES = 600
MAX_ESCALATION_BYTES = 1024


def changed(task: TaskRecord, **fields: object) -> TaskRecord:
    """Return a task's record with some keys replaced."""
    return cast("TaskRecord", {**task, **fields})


def with_setback(
    task: TaskRecord, event: Event, kind: str, reason: str, agent: str
) -> list[Setback]:
    """Return a task's last setbacks and one more."""
    setback: Setback = {
        "attempt": task["attempt"],
        "agent": agent,
        "kind": kind,
        "reason": codec.cut(reason, MAX_SETBACK_BYTES),
        "at": event["time"],
    }
    return [*task["setbacks"], setback][-MAX_SETBACKS:]


def set_back(
    snapshot: Snapshot,
    event: Event,
    changes: Changes,
    task: TaskRecord,
    *,
    kind: str,
    reason: str,
    agent: str,
    final: bool = False,
    **fields: object,
) -> None:
    """Count a failure: the task opens again, or fails and escalates."""
    plan = snapshot.plan()
    failures = task["failures"] + 1
    is_over = final or (plan is not None and failures >= plan["max_attempts"])
    state: State = "failed" if is_over else "open"
    after = changed(
        task,
        state=state,
        claim=None,
        failures=failures,
        reviews=[],
        setbacks=with_setback(task, event, kind, reason, agent),
    )
    put_task(changes, changed(after, **fields))
    if is_over:
        count = f"{failures} failure{'s' * (failures != 1)}"
        escalate(
            changes,
            event,
            "task-failed",
            task["id"],
            f"task {task['id']} failed after {count}: {reason}",
        )


def escalate(changes: Changes, event: Event, kind: str, task: str | None, text: str) -> None:
    """Open an escalation for the orchestrator, as part of an entry."""
    number = sum(path.startswith("escalations/") for path in changes)
    escalation: Escalation = {
        "id": f"{event['id'][:8]}-{number}" if number else event["id"][:8],
        "kind": kind,
        "task": task,
        "agent": event["agent"],
        "text": codec.cut(text, MAX_ESCALATION_BYTES),
        "state": "open",
        "answer": "",
        "at": event["time"],
    }
    changes[escalation_path(escalation["id"])] = cast("dict[str, Any]", escalation)


def close_escalations(snapshot: Snapshot, event: Event, changes: Changes, answer: str) -> None:
    """Resolve what was open about the event's task: the event settles it."""
    for one in snapshot.escalations():
        is_settled = one["kind"] in {"task-failed", "base-conflict"}
        if one["task"] == event["task"] and one["state"] == "open" and is_settled:
            closed = {**one, "state": "resolved", "answer": answer}
            changes[escalation_path(one["id"])] = closed


def put_lock(changes: Changes, lock: LockRecord) -> None:
    """Change a lock's record; a lock without a path is gone."""
    changes[lock_path(lock["id"])] = None
    if lock["paths"]:
        changes[lock_path(lock["id"])] = cast("dict[str, Any]", lock)


def end_locks_with_claims(snapshot: Snapshot, changes: Changes) -> None:
    """End the locks of every claim that ends: the one place that does.

    However a claim ends, its task's record changes. A reissue keeps agent
    and attempt: its locks go on under the new token.
    """
    for path in [path for path in changes if path.startswith("live/")]:
        before = snapshot.task(path.removeprefix("live/").removesuffix(".json"))
        after = cast("TaskRecord | None", changes[path])
        old = before["claim"] if before else None
        new = after["claim"] if after else None
        if old is None or (new is not None and new["token"] == old["token"]):
            continue
        for lock in snapshot.locks():
            if lock["token"] == old["token"]:
                put_lock(changes, _follow(lock, old, new))


def _follow(lock: LockRecord, old: Claim, new: Claim | None) -> LockRecord:
    """Return a lock as it is after its claim: under the new token, or empty."""
    if new is None or (new["agent"], new["attempt"]) != (old["agent"], old["attempt"]):
        return {**lock, "paths": []}
    return {**lock, "token": new["token"]}
