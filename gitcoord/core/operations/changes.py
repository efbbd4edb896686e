"""Make the changes of records that several operations have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.layout import SETTINGS, escalation_path, lock_path
from gitcoord.core.model import Claim, Escalation, LockRecord, Setback, Settings, State, TaskRecord
from gitcoord.core.snapshot import Changes, Snapshot, put_task
from gitcoord.core.version import later

__all__ = [
    "TASK_FAILED",
    "author_of",
    "changed",
    "close_escalations",
    "end_locks_with_claims",
    "escalate",
    "put_lock",
    "require_version",
    "set_back",
    "with_setback",
]

Value = str | int | Mapping[str, Any] | None
"""What a sentence may be filled with."""

TASK_FAILED = "task-failed"
"""The code of an escalation that a task failed for good; a retry settles it."""
MAX_SETBACKS = 5
_OPTIONAL: dict[str, object] = {"landed": None, "paused": None, "widened": [], "resume": None}
"""The keys of a task's record that are not always there, with their defaults."""
MAX_SETBACK_BYTES = 600
MAX_ESCALATION_BYTES = 1024


def changed(task: TaskRecord, **fields: object) -> TaskRecord:
    """Return a task's record with some keys replaced, and none that is optional at its default."""
    record = {**task, **fields}
    for key, default in _OPTIONAL.items():
        if key in record and record[key] == default:
            del record[key]
    return cast("TaskRecord", record)


def with_setback(
    task: TaskRecord, event: Event, code: str, agent: AgentId, values: Mapping[str, Value]
) -> list[Setback]:
    """Return a task's last setbacks and one more."""
    setback: Setback = {
        "attempt": task["attempt"],
        "agent": agent,
        "code": code,
        "values": _cut(values, MAX_SETBACK_BYTES),
        "at": event["time"],
    }
    return [*task["setbacks"], setback][-MAX_SETBACKS:]


def _cut(values: Mapping[str, Value], limit_bytes: int) -> dict[str, Value]:
    """Return values without the empty ones, and cut the texts among them."""
    kept: dict[str, Value] = {}
    for key, value in values.items():
        if isinstance(value, str):
            kept[key] = codec.cut(value, limit_bytes)
        elif isinstance(value, Mapping) and "code" in value:
            kept[key] = {**value, "values": _cut(value["values"], limit_bytes)}
        elif value is not None:
            kept[key] = value
    return {key: value for key, value in kept.items() if value != ""}


def set_back(
    snapshot: Snapshot,
    event: Event,
    changes: Changes,
    task: TaskRecord,
    code: str,
    agent: AgentId,
    values: Mapping[str, Value],
    *,
    is_final: bool = False,
) -> TaskRecord:
    """Count a failure: the task opens again, or fails and escalates.

    Returns the record that was put, for what else the operation changes.
    """
    plan = snapshot.plan()
    failures = task["failures"] + 1
    is_over = is_final or (plan is not None and failures >= plan["max_attempts"])
    state: State = "open"
    if is_over:
        state = "failed"
    after = changed(
        task,
        state=state,
        claim=None,
        failures=failures,
        reviews=[],
        resume=None,
        setbacks=with_setback(task, event, code, agent, values),
    )
    put_task(changes, after)
    if is_over:
        last = {"code": code, "values": _cut(values, MAX_SETBACK_BYTES)}
        about: dict[str, Value] = {"task": task["id"], "failures": failures, "last": last}
        escalate(changes, event, TASK_FAILED, task["id"], about)
    return after


def author_of(task: TaskRecord, event: Event) -> AgentId:
    """Return the agent whose result a task has, or the one that acts where it has none."""
    if task["result"] is None:
        return event["agent"]
    return task["result"]["agent"]


def escalate(
    changes: Changes, event: Event, code: str, task: TaskId | None, values: Mapping[str, Value]
) -> None:
    """Open an escalation for the orchestrator, as part of an entry."""
    name = event["id"][:8]
    number = sum(path.startswith("escalations/") for path in changes)
    if number:
        name += f"-{number}"
    escalation: Escalation = {
        "id": name,
        "task": task,
        "agent": event["agent"],
        "code": code,
        "values": _cut(values, MAX_ESCALATION_BYTES),
        "state": "open",
        "at": event["time"],
    }
    changes[escalation_path(escalation["id"])] = cast("dict[str, Any]", escalation)


def close_escalations(snapshot: Snapshot, event: Event, changes: Changes, code: str) -> None:
    """Resolve what was open about the event's task: the event settles it."""
    answer = {"code": code, "values": _cut({"reason": event["reason"]}, MAX_ESCALATION_BYTES)}
    for one in snapshot.escalations():
        is_settled = one["code"] in {TASK_FAILED, "base-conflict"}
        if one["task"] == event["task"] and one["state"] == "open" and is_settled:
            closed = {**one, "state": "resolved", "answer": answer}
            changes[escalation_path(one["id"])] = closed


def require_version(snapshot: Snapshot, changes: Changes, since: str) -> None:
    """Raise the least version that reads the ledger."""
    settings = cast("Settings", changes.get(SETTINGS) or snapshot.settings())
    needs = settings.get("needs", "0")
    if later(needs, since) != needs:
        changes[SETTINGS] = {**settings, "needs": since}


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
        before = snapshot.task(TaskId(path.removeprefix("live/").removesuffix(".json")))
        after = cast("TaskRecord | None", changes[path])
        old = before and before["claim"]
        new = after and after["claim"]
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
