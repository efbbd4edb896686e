"""Ask whoever has the turn for what an agent does often, and decide the same for others.

What is shared needs nothing but the ledger: a command, or what a claim is
chosen by. A claim whose base has to be merged is left to its owner, and so
is what this process could decide only with modules that it did not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitcoord.core import ids
from gitcoord.core.events import Command
from gitcoord.core.ids import AgentId
from gitcoord.core.leases import Context, LeftError
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.work.tokens import keep_asked_token
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.deciding import Offers, Request, Shared

if TYPE_CHECKING:
    from gitcoord.features.work.choices import Scope

__all__ = ["COMMANDS", "shared_choice", "shared_command"]

COMMANDS = frozenset({"progress", "release", "complete", "fail", "note"})
"""The commands that another process may decide: all that they need is in them."""


def shared_command(work: Workspace, command: Command) -> Shared:
    """Return how a command is asked of others."""
    return Shared(command, partial(_request_of, work))


def shared_choice(
    work: Workspace, agent: AgentId, within: Scope, session: str, asked_ns: int | None
) -> Shared:
    """Return how a claim of any task is asked of others."""
    chosen_by = {
        "op": "claim",
        "pool": within.pool,
        "phases": sorted(within.phases),
        "tasks": sorted(within.tasks),
        "session": session,
        "asked_ns": asked_ns,
    }

    def prepare(context: Context) -> Sequence[Path]:
        work.has_asked_for_a_claim = True
        return keep_asked_token(work, agent, context, session)

    return Shared(chosen_by, partial(_request_of, work), prepare)


def _request_of(work: Workspace, asked: Mapping[str, Any], agent: AgentId) -> Request | None:
    """Make a request of what another agent asked for; None where we cannot."""
    if asked.get("op") in COMMANDS:
        return {**asked, "agent": agent}
    if asked.get("op") != "claim" or not work.may_choose:
        return None
    return partial(_offers, work, asked, agent)


def _offers(
    work: Workspace, asked: Mapping[str, Any], agent: AgentId, snapshot: Snapshot, context: Context
) -> Offers:
    """Offer the tasks that another agent may claim, as it would choose them itself."""
    from gitcoord.features.work.choices import Chooser

    record = snapshot.agent(agent)
    session, asked_ns = asked.get("session"), asked.get("asked_ns")
    if record is None or not isinstance(session, str) or not session:
        raise LeftError
    if not isinstance(asked_ns, int | None):
        raise LeftError
    within = _scope_of(asked)
    chooser = Chooser(work, record, None, within, session, asked_ns, is_for_another=True)
    yield from chooser.offers(snapshot, context)


def _scope_of(asked: Mapping[str, Any]) -> Scope:
    """Read the tasks that are meant.

    Raises:
        LeftError: It is not said in a way that this version understands.

    """
    from gitcoord.features.work.choices import Scope

    pool, phases, tasks = asked.get("pool"), asked.get("phases"), asked.get("tasks")
    if not isinstance(pool, str | None):
        raise LeftError
    for named in (phases, tasks):
        if not isinstance(named, list) or not all(map(ids.is_id, named)):
            raise LeftError
    return Scope(pool, frozenset(phases or ()), frozenset(tasks or ()))
