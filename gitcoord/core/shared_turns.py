"""Compose a turn that writers share: pure rules about what is decided on what.

While one write is under way, the requests of all that wait are decided on
top of each other by whoever has the turn next, and published by one move of
the ref. One request stays one entry with its own id, author and time. Who
decides for others looks at the state and at nothing else; what needs more
is left to its owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event, evidence_of
from gitcoord.core.ids import AgentId, Token
from gitcoord.core.leases import LeftError
from gitcoord.core.machine import apply
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = [
    "MAX_OTHERS",
    "VERSION",
    "Asked",
    "Outcome",
    "chosen",
    "compose",
    "is_alone",
    "parse_asked",
]

VERSION = 1
MAX_OTHERS = 31
"""How many requests of others a turn has at most, beside its writer's own."""
MAX_NAME_BYTES = 1024
_NOT_IN_NAMES = frozenset("<>\n\0")
REFUSALS = (ClaimLostError, ConflictError, NotFoundError, RefusedError, UsageError)
"""What is refused by a rule, and so for whoever asks."""
ENDING = frozenset({"complete"})
"""Operations after which a base may need more than what the index knows of."""


class Asked(NamedTuple):
    """A request that waits to be decided by whoever has the turn.

    ``now_ns`` is when it was asked by the asker's clock, ``machine`` the name of
    that clock. ``request`` says what is asked for: a command, or what a claim
    is chosen by. ``timeout_s`` is how long its owner waits for a server.
    """

    id: str
    agent: AgentId
    token: Token
    machine: str
    now_ns: int
    committer: tuple[str, str]
    request: Mapping[str, Any]
    timeout_s: float = 0.0


class Outcome(NamedTuple):
    """What became of a request: an entry, a refusal, or neither: it is left to its owner."""

    asked: Asked
    event: Event | None = None
    changes: Changes | None = None
    refusal: GitcoordError | None = None


def parse_asked(facts: Mapping[str, Any]) -> Asked | None:
    """Read a request's file; None where it is not one that this version understands."""
    known = [facts.get(key) for key in ("id", "agent", "token", "machine")]
    if facts.get("version") != VERSION or not all(isinstance(text, str) for text in known):
        return None
    name, agent, token, machine = (str(text) for text in known)
    now_ns, committer, request = facts.get("now_ns"), facts.get("committer"), facts.get("request")
    if not (ids.is_id(name) and ids.is_id(agent) and ids.is_id(token)):
        return None
    if type(now_ns) is not int or not isinstance(request, dict):
        return None
    if not isinstance(request.get("op"), str):
        return None
    timeout_s = facts.get("timeout_s", 0.0)
    if not isinstance(timeout_s, int | float):
        return None
    if not isinstance(committer, list) or len(committer) != 2 or not all(map(_is_name, committer)):
        return None
    who = (committer[0], committer[1])
    return Asked(name, AgentId(agent), Token(token), machine, now_ns, who, request, timeout_s)


def _is_name(value: object) -> bool:
    """Return whether a commit may hold a value as a name or an address."""
    is_text = isinstance(value, str) and 0 < len(value) <= MAX_NAME_BYTES
    return is_text and _NOT_IN_NAMES.isdisjoint(str(value))


def chosen(waiting: Sequence[Asked], machine: str, patience_s: float | None = None) -> list[Asked]:
    """Choose the requests of a turn: of our clock, those first that wait the longest.

    Whoever waits for a server no longer than ``patience_s`` takes nothing with it whose
    owner would wait longer: it would be given up with ours.
    What ends a task goes after what begins one, so that a base is chosen
    among the results that were there before the turn.
    """
    ours = sorted(
        (
            asked
            for asked in waiting
            if asked.machine == machine and (patience_s is None or asked.timeout_s <= patience_s)
        ),
        key=lambda asked: (asked.now_ns, asked.id),
    )
    return sorted(ours[:MAX_OTHERS], key=lambda asked: asked.request.get("op") in ENDING)


def is_alone(event: Event) -> bool:
    """Return whether an entry has to be published alone.

    One that ends a lease is, so that a beat that moved fails nobody else;
    one that goes back is, since its parent is not the tip.
    """
    return bool(evidence_of(event)) or "onto" in event


def compose(
    state: Snapshot,
    first: Event,
    changes: Changes,
    waiting: Iterable[Asked],
    decided: Callable[[Snapshot, Asked], Event],
) -> list[Outcome]:
    """Decide one request after another, each on what those before it leave.

    ``first`` is the event of the turn's own entry on ``state``, ``changes`` what
    it changes. A refusal holds only if everything before it is published.
    """
    outcomes: list[Outcome] = []
    sofar = dict(changes)
    has_ended = first["op"] in ENDING
    for asked in waiting:
        if has_ended and asked.request.get("op") == "claim":
            continue
        outcome = _outcome(state.overlaid(sofar), asked, decided)
        if outcome.event is not None and outcome.changes is not None:
            sofar |= outcome.changes
            has_ended = has_ended or outcome.event["op"] in ENDING
        outcomes.append(outcome)
    return outcomes


def _outcome(state: Snapshot, asked: Asked, decided: Callable[[Snapshot, Asked], Event]) -> Outcome:
    try:
        event = decided(state, asked)
        if is_alone(event):
            return Outcome(asked)
        return Outcome(asked, event, apply(state, event))
    except REFUSALS as refusal:
        return Outcome(asked, refusal=refusal)
    except (GitcoordError, LeftError, LookupError, AttributeError, TypeError, ValueError):
        # That nothing is ready is said by its owner, after a full scan; what
        # cannot be read now says nothing; and a file may hold anything.
        return Outcome(asked)
