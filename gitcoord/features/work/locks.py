"""Lock paths by hand, and give them back."""

from __future__ import annotations

import os
from collections.abc import Iterable

from gitcoord.core import ids
from gitcoord.core.errors import UsageError
from gitcoord.core.events import Command
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.core.leases import Context
from gitcoord.core.model import LockRecord
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import text_of
from gitcoord.features.names import named_agent
from gitcoord.features.work.tokens import current_claim
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["lock", "record_of", "tidy", "unlock"]


def lock(
    work: Workspace,
    agent: AgentId,
    patterns: Iterable[str],
    *,
    shared: bool = False,
    for_ms: int | None = None,
    reason: str = "",
    task: TaskId | None = None,
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
    agent: AgentId,
    patterns: Iterable[str],
    *,
    everything: bool = False,
    of: AgentId | None = None,
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
    if of is not None:
        of = named_agent(work.ledger.snapshot(), of)["id"]
    holder = of or agent
    ids.parse_id(holder, "agent id")
    tokens: set[Token] = set()
    if holder == agent:
        tokens = {Token(kept["token"]) for kept in work.tokens(holder).all()}
    if os.environ.get("GITCOORD_CLAIM"):
        tokens.add(Token(os.environ["GITCOORD_CLAIM"]))

    def ask(snapshot: Snapshot, _context: Context) -> Command:
        own: list[str] = []
        for lock in snapshot.locks():
            if lock["agent"] == holder:
                own += lock["paths"]
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
