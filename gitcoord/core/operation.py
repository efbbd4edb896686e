"""Define what one operation of the ledger is: one row, everything in it.

A row says which keys its event has, which state a task may go to from
which, how the event is decided, checked and applied, and how it reads. The
rows stand in ``core.operations``, by topic; ``core.machine`` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from gitcoord.core.errors import UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context
from gitcoord.core.model import State, Why
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = [
    "COMMON",
    "STATES",
    "WORDS",
    "Apply",
    "Check",
    "Decide",
    "Kind",
    "LineKey",
    "Operation",
    "Transitions",
    "check_interval",
    "copied",
    "elapsed_ms",
    "has_reason",
    "holding",
    "keys",
    "stamp",
    "titled",
    "why_of",
]

STATES: tuple[State, ...] = ("open", "claimed", "review", "done", "failed", "cancelled")


def keys(names: str) -> frozenset[str]:
    """Return a set of keys, written as one text."""
    return frozenset(names.split())


COMMON = keys("op id agent time format")
"""The keys of every event."""

WORDS: Mapping[str, Any] = {"reason": "", "said": None}
"""Why it happened: ``reason`` is what somebody said, ``said`` what gitcoord says itself.

A row that has both takes them from the command; at most one is given.
"""

Transitions = Mapping[State, tuple[State, ...]]
"""From which state to which ones; what is not in it is refused."""
_NOWHERE: Transitions = {}
_NOBODY: Mapping[str, Transitions] = {}
_NOTHING: Mapping[str, Any] = {}
_NO_KEYS: Mapping[str, LineKey] = {}

Decide = Callable[[Snapshot, Command, Context], dict[str, Any]]
Check = Callable[[Snapshot, Event], None]
Apply = Callable[[Snapshot, Event, Changes], None]


Kind = Literal[
    "agent",
    "duration",
    "escalation",
    "flag",
    "holder",
    "number",
    "paths",
    "pools",
    "task",
    "text",
    "word",
]
"""What a key of a batch's line holds; ``holder`` is an agent, or nobody: null or ``-``."""


class LineKey(NamedTuple):
    """A key of a batch's line: what it holds, and which key of the command it is."""

    kind: Kind
    to: str
    is_required: bool = False


class Operation(NamedTuple):
    """One operation: what its event holds, what it does, how it reads."""

    fields: frozenset[str]
    """The keys that its event always has, beside the common ones."""
    decide: Decide
    """Return the event's keys, from the command, the clock and chance."""
    check: Check
    """Refuse what the rules forbid, without any clock."""
    apply: Apply
    """Put the records that change into the changes; never refuse."""
    subject: str
    """The line for people, a template of ``texts.fill``."""
    optional: Mapping[str, Any] = _NOTHING
    """Further keys with their defaults; on disk a default is left out."""
    body: str = ""
    """The key whose text stands in full below the subject."""
    transitions: Transitions = _NOWHERE
    """Where the task that the event is about may go."""
    in_passing: Mapping[str, Transitions] = _NOBODY
    """Where the tasks may go that a key of the event lists; ``*`` is any task."""
    batchable: bool = False
    """Whether it can be part of a batch."""
    command: str = ""
    """The word by which a line of a batch asks for it: the command as typed."""
    line: Mapping[str, LineKey] = _NO_KEYS
    """The keys of such a line; what it leaves out is at its default."""
    is_for_agents: bool = False
    """Whether agents ask for it, and not the orchestrator alone."""
    since: str = ""
    """The version of gitcoord that brought it, where older ones cannot do without."""

    @property
    def keys(self) -> frozenset[str]:
        """Every key that its event has in memory."""
        return COMMON | self.fields | self.optional.keys()


def copied(*keys: str) -> Decide:
    """Return a ``decide`` that takes an event's keys from the command."""

    def decide(_snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
        return {key: command[key] for key in keys}

    return decide


def stamp(context: Context) -> dict[str, Any]:
    """Return the keys that say when a lease or a delay began."""
    return {"boot_id": context.boot_id, "monotonic_ns": context.now_ns}


def elapsed_ms(begun_ns: int | None, context: Context) -> int | None:
    """Return how long ago something began on our clock; None where nobody knows.

    ``begun_ns`` is a reading of the very clock that the context has.
    """
    if begun_ns is None:
        return None
    return max(0, context.now_ns - begun_ns) // 1_000_000


def check_interval(event: Event, key: Literal["wait_ms", "spent_ms"]) -> None:
    """Refuse an interval that is not a whole number of milliseconds."""
    value = event[key]
    if value is not None and (type(value) is not int or value < 0):
        raise UsageError(f"{key} is a number of milliseconds, and not negative")


def why_of(event: Event) -> Why:
    """Return why something happened, as records keep it; an empty text where nobody said."""
    return event["said"] or event["reason"]


def has_reason(event: Event) -> bool:
    """Return whether an event tells why it happened."""
    return event["said"] is not None or event["reason"].strip() != ""


def titled(snapshot: Snapshot, command: Command) -> dict[str, Any]:
    """Return the keys of an event that shows its task's title."""
    task = snapshot.require_task(command["task"])
    return {"task": task["id"], "title": task["spec"]["title"]}


def holding(snapshot: Snapshot, command: Command) -> dict[str, Any]:
    """Return the keys by which a holder's event is fenced."""
    task = snapshot.require_task(command["task"])
    return {"task": task["id"], "token": command["token"], "attempt": task["attempt"]}
