"""Lock paths by hand, give them back, and show who waits for whom."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import UsageError
from gitcoord.core.events import Command
from gitcoord.core.holds import Hold, holds_of, obstacles
from gitcoord.core.leases import Context, lock_left_ms, remaining_ms
from gitcoord.core.model import LockRecord, TaskRecord
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.work.results import text_of
from gitcoord.features.work.tokens import current_claim
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["listing", "lock", "lock_facts", "record_of", "tidy", "unlock", "waits"]

MAX_WAITING = 200


def lock(
    work: Workspace,
    agent: str,
    patterns: Iterable[str],
    *,
    shared: bool = False,
    for_ms: int | None = None,
    reason: str = "",
    task: str | None = None,
) -> Done:
    """Reserve paths for an agent; with its claim, if it holds one.

    Raises:
        ConflictError: Another's claim or lock holds some of the paths.
        ClaimLostError: This session's claim was taken over or reissued.
        UsageError: No such path can be locked.

    """
    snapshot = work.ledger.snapshot()
    require_agent(snapshot, agent)
    holds_claim = any(held["claim"] and held["claim"]["agent"] == agent for held in snapshot.live())
    found, token = "", ""
    if holds_claim or task or os.environ.get("GITCOORD_CLAIM"):
        found, token = current_claim(work, snapshot, agent, task)
    command = {
        "op": "lock",
        "agent": agent,
        "task": found,
        "token": token,
        "paths": tidy(work, patterns),
        "shared": shared,
        "for_ms": for_ms,
        "reason": text_of(reason, "reason") if reason else "",
    }
    return work.ledger.execute(command, agent=agent)


def unlock(
    work: Workspace,
    agent: str,
    patterns: Iterable[str],
    *,
    everything: bool = False,
    of: str | None = None,
) -> Done:
    """Give locked paths back, or all that the agent has locked.

    The orchestrator can give back those ``of`` another agent.

    Raises:
        NotFoundError: The agent has no lock on one of the paths.
        ClaimLostError: A lock belongs to a claim of another session.

    """
    wanted = tidy(work, patterns)
    if bool(wanted) == everything:
        raise UsageError(
            "name paths, or --all, and not both", hint="`gitcoord locks` lists what is locked"
        )
    holder = of or agent
    ids.parse_id(holder, "agent id")
    tokens = (
        {str(kept["token"]) for kept in work.tokens(holder).all()} if holder == agent else set()
    )
    tokens |= {os.environ["GITCOORD_CLAIM"]} if os.environ.get("GITCOORD_CLAIM") else set()

    def ask(snapshot: Snapshot, _context: Context) -> Command:
        own = [
            pattern
            for one in snapshot.locks()
            if one["agent"] == holder
            for pattern in one["paths"]
        ]
        return {
            "op": "unlock",
            "agent": agent,
            "name": holder,
            "paths": list(dict.fromkeys(own)) if everything else wanted,
            "tokens": sorted(tokens),
            "reason": "",
        }

    return work.ledger.execute(ask, agent=agent)


def tidy(work: Workspace, patterns: Iterable[str]) -> list[str]:
    """Write paths as patterns: a folder that is there ends in a slash."""
    found = []
    for pattern in patterns:
        clean = pattern.removeprefix("./")
        top = work.place.worktree
        is_folder = top is not None and clean and not clean.endswith("/") and (top / clean).is_dir()
        found.append(clean + "/" if is_folder else clean)
    return list(dict.fromkeys(found))


def record_of(done: Done) -> LockRecord:
    """Return the lock that an entry made."""
    return next(
        one for one in done.snapshot.locks() if one["id"] == done.event["id"][: len(one["id"])]
    )


def lock_facts(lock: LockRecord, context: Context) -> dict[str, Any]:
    """Give what people and scripts want to know of a lock."""
    from gitcoord.features.inspect.facts import instant

    left_ms = lock_left_ms(lock, context)
    return {
        **{key: lock[key] for key in ("id", "agent", "paths", "shared", "reason", "task")},
        "since": instant(lock["at"]),
        "expires_at": None if left_ms is None else instant(context.time + left_ms / 1000),
        "left_ms": left_ms,
        "is_over": left_ms is not None and left_ms <= 0,
    }


def listing(work: Workspace, *, agent: str | None = None) -> dict[str, Any]:
    """List locks, the paths that claims hold, and who waits for whom."""
    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    held = [task for task in sorted(snapshot.live(), key=lambda one: one["order"]) if task["claim"]]
    locks = sorted(snapshot.locks(), key=lambda one: (one["at"], one["id"]))
    claims = [
        {
            "task": task["id"],
            "agent": task["claim"]["agent"],
            "paths": task["spec"]["paths"],
            "lease_left_ms": remaining_ms(task["claim"], context),
        }
        for task in held
        if task["claim"]
    ]
    found = {
        "tip": snapshot.oid,
        "locks": [lock_facts(one, context) for one in locks if agent in {None, one["agent"]}],
        "claims": [one for one in claims if agent in {None, one["agent"]}],
        "waiting": [
            one
            for one in waits(work, snapshot)
            if agent is None or any(agent == by["agent"] for by in one["for"])
        ],
    }
    work.ledger.remember()
    return found


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
    waiting = [(task, _blockers(holds, task)) for task in tasks if _is_open(snapshot, task)]
    return [
        {"task": task["id"], "title": task["spec"]["title"], "for": blockers}
        for task, blockers in waiting
        if blockers
    ]


def _is_open(snapshot: Snapshot, task: TaskRecord) -> bool:
    phase = snapshot.phase(task["spec"]["phase"])
    return (
        task["state"] == "open"
        and phase is not None
        and phase["state"] == "open"
        and snapshot.is_started(phase)
    )


def _blockers(holds: list[Hold], task: TaskRecord) -> list[dict[str, Any]]:
    found = obstacles(holds, task["spec"]["paths"] or [], task["assigned"] or "", for_claim=True)
    return [
        {
            "agent": one.hold.agent,
            "task": one.hold.task,
            "lock": one.hold.lock["id"] if one.hold.lock else None,
            "paths": [one.wanted, one.held],
        }
        for one in found
    ]
