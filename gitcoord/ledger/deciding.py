"""Ask for commands, and decide one after another until one is accepted."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gitcoord.core.errors import GitcoordError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import AgentId, Oid
from gitcoord.core.leases import Context
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.host.clock import Deadline

__all__ = [
    "Decided",
    "Done",
    "Offers",
    "Request",
    "Shared",
    "Turn",
    "are_shared",
    "first_kept",
    "offers_of",
]

Offers = Generator[Command, None, None]
"""Commands that are decided in turn, until one is accepted."""
Request = Command | Callable[[Snapshot, Context], Command | Offers]
_Kept = TypeVar("_Kept")


class Shared(NamedTuple):
    """How an operation is asked of others, and how this process decides theirs.

    ``request`` says what is asked for: data, no path and no program. ``request_of``
    makes another's request out of such data, or None where this process cannot.
    ``prepare`` does what has to be done before anything can have happened, and
    names the files that must be on the disk by then.
    """

    request: Mapping[str, Any]
    request_of: Callable[[Mapping[str, Any], AgentId], Request | None]
    prepare: Callable[[Context], Sequence[Path]] = lambda _context: ()


class Done(NamedTuple):
    """An acknowledged operation: its entry, its event, the state after it."""

    entry: Oid
    event: Event
    snapshot: Snapshot


class Turn(NamedTuple):
    """What one call of ``execute`` was asked to do.

    ``seen`` is the tip from which on others may have published it, if it was asked of them.
    """

    request: Request
    agent: AgentId
    before_swap: Callable[[Event], Sequence[Path] | None] | None
    verify: Mapping[str, Oid | None]
    inputs: Sequence[bytes]
    context: Context
    deadline: Deadline
    seen: Oid | None = None


class Decided(NamedTuple):
    """What was decided: on which tip, onto which parent, on which entry's state, which event."""

    tip: Oid | None
    parent: Oid | None
    onto: Oid | None
    snapshot: Snapshot
    event: Event


def are_shared() -> bool:
    """Return whether turns are shared: unless GITCOORD_TURNS says single."""
    return os.environ.get("GITCOORD_TURNS", "shared") != "single"


def offers_of(request: Request, snapshot: Snapshot, context: Context) -> Offers:
    """Return what a request wants decided on a state: one command, or several in turn."""
    if not callable(request):
        yield request
        return
    offered = request(snapshot, context)
    if isinstance(offered, Generator):
        yield from offered
    else:
        yield offered


def first_kept(offers: Offers, decided_on: Callable[[Command], _Kept]) -> _Kept:
    """Decide one command after another, until one is accepted and nothing is offered instead.

    A refusal is raised where its command was offered, which passes it on or
    offers the next.
    """
    command = next(offers)
    while True:
        try:
            decided = decided_on(command)
        except GitcoordError as refusal:
            command = offers.throw(refusal)
            continue
        try:
            command = next(offers)
        except StopIteration:
            return decided
