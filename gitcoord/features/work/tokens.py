"""Keep the tokens of leases on this machine, and find the current one.

A claim and a review are held alike: by a token that was kept here before
its entry could be. Whether it is current only the ledger tells.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from gitcoord.core import ids
from gitcoord.core.errors import ConflictError, NotFoundError, RefusedError
from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.core.leases import Context, judge, leases_of, remaining_ms
from gitcoord.core.model import Claim, Lease
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.sessions import is_of_assistant
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.names import named_task
from gitcoord.features.workspace import Workspace

__all__ = [
    "CLAIMS",
    "REVIEWS",
    "Current",
    "begun_ns",
    "current_claim",
    "current_lease",
    "forget_stale_tokens",
    "holds_any",
    "keep_asked_token",
    "keep_token",
    "refuse_living_session",
]

CLAIMS, REVIEWS = "claims", "reviews"
_NOUNS = {
    CLAIMS: ("claim on", "`gitcoord claim` takes one"),
    REVIEWS: ("review of", "`gitcoord review claim` takes one"),
}


class Current(NamedTuple):
    """A lease that an agent holds, as far as this machine knows."""

    task: TaskId
    token: Token
    kind: str


def keep_token(work: Workspace, agent: AgentId, event: Event, kind: str = CLAIMS) -> list[Path]:
    """Keep a lease's token on this machine, before the lease can be.

    Returns the files that have to be on the disk by then.
    """
    tokens = work.tokens(agent, kind)
    facts = {
        "task": event["task"],
        "agent": agent,
        "session": event["session"],
        "entry_id": event["id"],
        "boot_id": event["boot_id"],
        "begun_ns": event["monotonic_ns"],
    }
    older = tokens.read(Token(event.get("old", "")))
    if older:
        # A reissue goes on with the attempt that the older token began.
        facts |= {key: older.get(key) for key in ("boot_id", "begun_ns")}
    if is_of_assistant(event["session"]):
        from gitcoord.features.sessions import note_session

        note_session(work.place.common_dir, event["session"])
    return tokens.write(event["token"], facts)


def keep_asked_token(work: Workspace, agent: AgentId, context: Context, session: str) -> list[Path]:
    """Keep the token of a claim that others are asked for, before they can decide it.

    Its task is not known yet: the file has it when the claim is acknowledged.
    """
    event = {
        "task": "",
        "session": session,
        "id": context.id,
        "token": context.token,
        "boot_id": context.boot_id,
        "monotonic_ns": context.now_ns,
    }
    return keep_token(work, agent, cast("Event", event))


def begun_ns(work: Workspace, agent: AgentId, token: Token, kind: str = CLAIMS) -> int | None:
    """Return when a lease began, by this machine's clock; None where it did not begin here.

    Readings of two clocks are never subtracted: a lease that another machine
    took, or an earlier boot of this one, has an age that nobody knows.
    """
    kept = work.tokens(agent, kind).read(token)
    known = kept.get("begun_ns")
    if kept.get("boot_id") != work.clock.machine_id() or type(known) is not int:
        return None
    return known


def forget_stale_tokens(
    work: Workspace,
    agent: AgentId,
    snapshot: Snapshot,
    kind: str = CLAIMS,
    *,
    besides: Claim | None = None,
) -> None:
    """Forget the tokens that are not current, save those of operations under way.

    Another process of this agent may have claimed since the snapshot was read: what
    is not current in it is looked for in the newest one too. The token of ``besides``,
    a claim that the snapshot has, is current.
    """
    tokens = work.tokens(agent, kind)
    known = tokens.names()
    ended = known & work.ended_tokens
    for token in ended:
        tokens.remove(token)
    work.ended_tokens -= ended
    current = set()
    if besides is not None:
        current.add(besides["token"])
    stale = {}
    for token in known - ended - current:
        kept = tokens.read(token)
        if not _is_current(snapshot, token, kept) and not _is_under_way(work, agent, kept):
            stale[token] = kept
    if stale:
        # Read after it was seen that none is under way: what was published is in it.
        snapshot = _newest(work, snapshot)
    for token, kept in stale.items():
        if not _is_current(snapshot, token, kept):
            tokens.remove(token)


def _newest(work: Workspace, snapshot: Snapshot) -> Snapshot:
    """Return the newest state that is known here; the same one where it is that."""
    tip = work.ledger.known_tip()
    if tip == snapshot.oid:
        return snapshot
    return work.ledger.snapshot(tip)


def _is_under_way(work: Workspace, agent: AgentId, kept: Mapping[str, Any]) -> bool:
    """Return whether a token's entry may be published yet: by its agent, or by others."""
    files, entry_id = work.ledger.files, str(kept.get("entry_id"))
    if not ids.is_id(entry_id):
        return False
    if files.asked.is_dir() and work.ledger.asked.is_asked(agent, entry_id):
        return True
    # Looked at last: what is taken back from others becomes pending.
    return (files.pending / agent / f"{entry_id}.json").exists()


def current_claim(
    work: Workspace, snapshot: Snapshot, agent: AgentId, task: TaskId | None
) -> tuple[TaskId, Token]:
    """Find the task and the token of a command of a claim's holder.

    Raises:
        NotFoundError: This agent holds nothing here, or not that task.
        RefusedError: It holds several tasks, and none was named.

    """
    found = current_lease(work, snapshot, agent, task)
    return found.task, found.token


def current_lease(
    work: Workspace,
    snapshot: Snapshot,
    agent: AgentId,
    task: TaskId | None,
    kinds: Collection[str] = (CLAIMS,),
) -> Current:
    """Find the lease that a holder's command is about.

    The token comes from ``GITCOORD_CLAIM`` or the agent's token files. A
    token that is stale is returned as it is: the ledger fences it. What is
    held under exactly this name goes before what a prefix names, and needs
    no task of that name any more.

    Raises:
        NotFoundError: This agent holds nothing of these kinds here, or
            there is no such agent or task.
        RefusedError: It holds several, and none was named.

    """
    try:
        return _exact_lease(work, snapshot, agent, task, kinds)
    except NotFoundError:
        require_agent(snapshot, agent)
        if task is None:
            raise
        meant = named_task(work, snapshot, task)["id"]
        if meant == task:
            raise
    return _exact_lease(work, snapshot, agent, meant, kinds)


def _exact_lease(
    work: Workspace, snapshot: Snapshot, agent: AgentId, task: TaskId | None, kinds: Collection[str]
) -> Current:
    live = _live(snapshot)
    kept = [
        Current(TaskId(one["task"]), Token(one["token"]), kind)
        for kind in kinds
        for one in work.tokens(agent, kind).all()
    ]
    named = _named(live, kept, task, kinds)
    if named is not None:
        return named
    own = [one for one in kept if task is None or one.task == task]
    current = [one for one in own if live.get(one.token) == one.task]
    if len(current) > 1:
        raise RefusedError(
            f"{agent} holds {', '.join(one.task for one in current)}: name the task",
            reason="several-claims",
            hint="add the task's id to the command",
        )
    if current or own:
        return (current or own)[-1]
    noun, hint = _NOUNS[next(iter(kinds))]
    what = "a task"
    if task:
        what = f"task {task}"
    raise NotFoundError(f"{agent} has no {noun} {what} here", hint=hint, agent=agent)


def _named(
    live: dict[Token, TaskId], kept: list[Current], task: TaskId | None, kinds: Collection[str]
) -> Current | None:
    """Return the lease that ``GITCOORD_CLAIM`` names, if it is set for these."""
    token = Token(os.environ.get("GITCOORD_CLAIM", ""))
    if not token:
        return None
    known = next((one for one in kept if one.token == token), None)
    if known is None and CLAIMS not in kinds:
        return None
    found = live.get(token) or (known.task if known else task)
    if found is None or (task is not None and task != found):
        raise NotFoundError(
            "GITCOORD_CLAIM names no claim of this task", hint="unset it, or name the task"
        )
    return Current(found, token, known.kind if known else CLAIMS)


def holds_any(work: Workspace, agent: AgentId, snapshot: Snapshot) -> bool:
    """Return whether a claim stands whose token is kept here; one of elsewhere is not seen.

    What we ended ourselves is over for good: a rollback brings no claim back.
    """
    tokens = work.tokens(agent)
    kept = tokens.names() - work.ended_tokens
    return any(_is_current(snapshot, token, tokens.read(token)) for token in kept)


def _is_current(snapshot: Snapshot, token: Token, kept: Mapping[str, Any]) -> bool:
    """Return whether a token is that of a lease; the record of its task tells."""
    task = kept.get("task")
    if not ids.is_id(task):
        # It was asked of others: they chose its task.
        return token in _live(snapshot)
    record = snapshot.task(TaskId(str(task)))
    return record is not None and any(lease["token"] == token for lease in leases_of(record))


def _live(snapshot: Snapshot) -> dict[Token, TaskId]:
    return {lease["token"]: task["id"] for task in snapshot.live() for lease in leases_of(task)}


def refuse_living_session(work: Workspace, task: TaskId, held: Lease, session: str) -> None:
    """Refuse to take a lease from a session of the same agent that lives.

    Raises:
        ConflictError: It lives, as far as can be told, and its lease runs.

    """
    from gitcoord.features.sessions import SessionFiles

    context = work.ledger.context()
    if held["session"] == session or judge(task, held, context) is not None:
        return
    if SessionFiles(work.place.common_dir).is_over(held["session"]) is not True:
        left = remaining_ms(held, context)
        raise ConflictError(
            f"another session of {held['agent']} holds task {task}; its lease runs for another "
            f"{ids.show_duration(left)}",
            hint="use one agent id per session, or wait until that session or its lease is over",
            holder=held["agent"],
            task=task,
            lease_ms=left,
        )
