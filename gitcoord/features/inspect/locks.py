"""Show locks, the paths that claims hold, and who waits for whom."""

from __future__ import annotations

from typing import Any

from gitcoord.core.boundary import paths_of
from gitcoord.core.git_reading import locks_command
from gitcoord.core.holds import Hold, holds_of, obstacles
from gitcoord.core.ids import NO_AGENT, AgentId
from gitcoord.core.leases import Context, lock_left_ms, remaining_ms
from gitcoord.core.model import Claim, LockRecord, TaskRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.times import instant
from gitcoord.features.names import named_actor
from gitcoord.features.workspace import Workspace

__all__ = ["listing", "lock_facts", "waits"]

MAX_WAITING = 200


def lock_facts(lock: LockRecord, context: Context) -> dict[str, Any]:
    """Return what people and scripts want to know of a lock."""
    left_ms = lock_left_ms(lock, context)
    return {
        **{key: lock[key] for key in ("id", "agent", "paths", "shared", "reason", "task")},
        "since": instant(lock["at"]),
        "expires_at": None if left_ms is None else instant(context.time + left_ms / 1000),
        "left_ms": left_ms,
        "is_over": left_ms is not None and left_ms <= 0,
    }


def listing(work: Workspace, *, agent: AgentId | None = None) -> dict[str, Any]:
    """List locks, the paths that claims hold, and who waits for whom."""
    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    if agent is not None:
        agent = named_actor(snapshot, agent)
    held = sorted(snapshot.claims(), key=lambda one: one[0]["order"])
    locks = sorted(snapshot.locks(), key=lambda one: (one["at"], one["id"]))
    waiting = waits(work, snapshot)
    if agent is not None:
        held = [(task, claim) for task, claim in held if claim["agent"] == agent]
        locks = [lock for lock in locks if lock["agent"] == agent]
        waiting = [one for one in waiting if agent in _holders(one)]
    found = {
        "tip": snapshot.oid,
        "git": locks_command(work.ledger.ref),
        "locks": [lock_facts(lock, context) for lock in locks],
        "claims": [_claim_facts(task, claim, context) for task, claim in held],
        "waiting": waiting,
    }
    work.ledger.remember()
    return found


def _holders(waiting: dict[str, Any]) -> set[AgentId]:
    """Return whose paths a task waits for."""
    return {by["agent"] for by in waiting["for"]}


def _claim_facts(task: TaskRecord, claim: Claim, context: Context) -> dict[str, Any]:
    return {
        "task": task["id"],
        "agent": claim["agent"],
        "paths": paths_of(task),
        "lease_left_ms": remaining_ms(claim, context),
    }


def waits(work: Workspace, snapshot: Snapshot) -> list[dict[str, Any]]:
    """List ready tasks that wait for paths, with who holds which of them.

    Asks the index which tasks lie near what is held, so that the cost is
    that of what is held and not that of the plan.
    """
    holds = holds_of(snapshot)
    work.index.update(work.store, snapshot.oid)
    names = work.index.ready_near(
        (pattern for hold in holds for pattern in hold.patterns), MAX_WAITING
    )
    tasks = sorted(filter(None, map(snapshot.task, names)), key=lambda one: one["order"])
    waiting = []
    for task in tasks:
        blockers = _blockers(holds, task)
        if blockers and _is_open(snapshot, task):
            waiting.append({"task": task["id"], "title": task["spec"]["title"], "for": blockers})
    return waiting


def _is_open(snapshot: Snapshot, task: TaskRecord) -> bool:
    phase = snapshot.phase(task["spec"]["phase"])
    return (
        task["state"] == "open"
        and phase is not None
        and phase["state"] == "open"
        and snapshot.is_started(phase)
    )


def _blockers(holds: list[Hold], task: TaskRecord) -> list[dict[str, Any]]:
    found = obstacles(holds, paths_of(task) or [], task["assigned"] or NO_AGENT, for_claim=True)
    return [
        {
            "agent": one.hold.agent,
            "task": one.hold.task,
            "lock": one.hold.lock["id"] if one.hold.lock else None,
            "paths": [one.wanted, one.held],
        }
        for one in found
    ]
