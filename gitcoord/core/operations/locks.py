"""Own the rules of locks: take, give back, lapse, and end with a claim.

A lock that is taken while its agent holds a claim belongs to that claim,
by its token, and ends with it in the same entry. A timed lock that is over
still counts until an entry ends it: whoever it hinders does so, with the
evidence, in passing.
"""

from __future__ import annotations

from typing import Any

from gitcoord.core import ids, paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import ClaimLostError, NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.holds import holds_of, obstacles, refuse
from gitcoord.core.ids import AgentId
from gitcoord.core.layout import lock_path
from gitcoord.core.leases import Context
from gitcoord.core.model import LockRecord, TaskRecord
from gitcoord.core.operation import LineKey, Operation, copied, keys, stamp
from gitcoord.core.operations.changes import put_lock
from gitcoord.core.operations.expiry import (
    EXPIRE,
    check_expired,
    check_lapsed,
    end_expired,
    over_claims,
    over_locks,
)
from gitcoord.core.operations.preconditions import fence, require_agent, require_patterns
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = ["OPERATIONS", "end_locks_of"]

MAX_REASON_BYTES = 1024
MAX_LOCKS = 64
MAX_FOR_MS = 366 * 24 * 3600 * 1000


# lock


def decide_lock(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Gather what a lock needs: its stamp, and what it ends in passing."""
    wanted, agent = command["paths"], command["agent"]

    def hinders(lock: LockRecord) -> bool:
        is_beside = command["shared"] and lock["shared"]
        if lock["agent"] == agent or is_beside:
            return False
        return paths.overlaps(wanted, lock["paths"]) is not None

    by_token = {lock["token"] for lock in snapshot.locks() if hinders(lock)}

    def stands(task: TaskRecord) -> bool:
        claim = task["claim"]
        if claim is None or claim["agent"] == agent:
            return False
        if claim["token"] in by_token:
            return True
        return paths.overlaps(wanted, paths_of(task) or []) is not None

    return {
        **{key: command[key] for key in ("task", "token", "paths", "shared", "reason", "for_ms")},
        **stamp(context),
        "expired": over_claims(snapshot, context, stands),
        "lapsed": over_locks(snapshot, context, hinders),
    }


def check_lock(snapshot: Snapshot, event: Event) -> None:
    """Refuse a lock that the rules forbid."""
    require_agent(snapshot, event["agent"])
    if event["task"] or event["token"]:
        fence(snapshot, event)
    check_expired(snapshot, event, own=event["task"])
    check_lapsed(snapshot, event)
    _check_size(event)
    own = [lock for lock in snapshot.locks() if lock["agent"] == event["agent"]]
    if len(own) >= MAX_LOCKS or any(lock["id"] == _id(event) for lock in snapshot.locks()):
        raise RefusedError(
            f"{event['agent']} has {len(own)} locks, and at most {MAX_LOCKS} fit",
            reason="too-many-locks",
            hint="`gitcoord unlock PATH` gives one back",
        )
    gone = {one["task"] for one in event["expired"]}
    holds = holds_of(snapshot, without=gone, lapsed={one["lock"] for one in event["lapsed"]})
    wanted = event["paths"] or []
    found = obstacles(holds, wanted, event["agent"], for_claim=False, is_shared=event["shared"])
    if found:
        refuse(found, found[0].wanted)


def _check_size(event: Event) -> None:
    for_ms = event["for_ms"]
    if for_ms is not None and not 0 < for_ms <= MAX_FOR_MS:
        raise UsageError("a lock is taken for between 1 ms and 1 year")
    if len(event["reason"].encode()) > MAX_REASON_BYTES:
        raise UsageError(f"the reason of a lock has at most {MAX_REASON_BYTES} bytes")
    require_patterns(event["paths"] or [], "one lock")


def _id(event: Event) -> str:
    return event["id"][:12]


def apply_lock(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Take a lock; the same paths in an earlier one of the agent go over to it."""
    end_expired(snapshot, event, changes)
    _give_back(snapshot, event["agent"], event["paths"] or [], changes)
    record: LockRecord = {
        "id": _id(event),
        "agent": event["agent"],
        "paths": event["paths"] or [],
        "shared": event["shared"],
        "reason": event["reason"],
        "task": event["task"] or None,
        "token": event["token"] or None,
        "boot_id": event["boot_id"],
        "monotonic_ns": event["monotonic_ns"],
        "for_ms": event["for_ms"],
        "at": event["time"],
    }
    put_lock(changes, record)


# unlock


def check_unlock(snapshot: Snapshot, event: Event) -> None:
    """Refuse to give back what is not held, or is another's."""
    holder = event["name"]
    if event["agent"] not in {holder, ids.ORCHESTRATOR}:
        raise RefusedError(
            f"the locks of {holder} are not {event['agent']}'s to give back",
            reason="role",
            hint="ask its holder, or the orchestrator",
        )
    wanted = event["paths"] or []
    locks = [lock for lock in snapshot.locks() if lock["agent"] == holder]
    locked: set[str] = set()
    for lock in locks:
        locked |= set(lock["paths"])
    missing = [pattern for pattern in wanted if pattern not in locked]
    if missing or not wanted:
        raise NotFoundError(
            f"{holder} has no lock on {next(iter(missing), 'anything')}",
            hint="`gitcoord locks` lists what is locked, path by path",
        )
    touched = [lock for lock in locks if set(lock["paths"]) & set(wanted)]
    stale = [lock for lock in touched if lock["token"] and lock["token"] not in event["tokens"]]
    if stale and event["agent"] == holder:
        raise ClaimLostError(
            f"the lock on {stale[0]['paths'][0]} belongs to a claim on task {stale[0]['task']} "
            "that is not this session's",
            hint="it ends with that claim",
            task=stale[0]["task"],
        )


def apply_unlock(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Give paths back; a lock without a path is gone."""
    _give_back(snapshot, AgentId(event["name"]), event["paths"] or [], changes)


def _give_back(snapshot: Snapshot, agent: AgentId, wanted: list[str], changes: Changes) -> None:
    for lock in snapshot.locks():
        left = [pattern for pattern in lock["paths"] if pattern not in wanted]
        if lock["agent"] == agent and len(left) < len(lock["paths"]):
            put_lock(changes, {**lock, "paths": left})


def end_locks_of(snapshot: Snapshot, agent: AgentId, changes: Changes) -> None:
    """End every lock of an agent that is taken away."""
    for lock in snapshot.locks():
        if lock["agent"] == agent:
            changes[lock_path(lock["id"])] = None


OPERATIONS = {
    "lock": Operation(
        fields=keys("paths boot_id monotonic_ns"),
        optional={
            "task": "",
            "token": "",
            "shared": False,
            "reason": "",
            "for_ms": None,
            "expired": [],
            "lapsed": [],
        },
        in_passing={"expired": EXPIRE},
        decide=decide_lock,
        check=check_lock,
        apply=apply_lock,
        subject=(
            "lock {paths} by {agent}[, {shared}][, for {for_ms}]"
            "[, with its claim on {task}][: {reason}]"
        ),
        body="reason",
        batchable=True,
        command="lock",
        line={
            "path": LineKey("paths", "paths", is_required=True),
            "for": LineKey("duration", "for_ms"),
            "shared": LineKey("flag", "shared"),
            "reason": LineKey("text", "reason"),
            "task": LineKey("task", "task"),
        },
        is_for_agents=True,
    ),
    "unlock": Operation(
        fields=keys("name paths"),
        optional={"tokens": [], "reason": ""},
        decide=copied("name", "paths", "tokens", "reason"),
        check=check_unlock,
        apply=apply_unlock,
        subject="unlock {paths} of {name} by {agent}",
        body="reason",
        batchable=True,
        command="unlock",
        line={"path": LineKey("paths", "paths", is_required=True)},
        is_for_agents=True,
    ),
}
