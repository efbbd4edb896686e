"""Own the life of a task: run the rows of ``core.operations``, and nothing else.

``decide`` turns what is asked into an event, with the clock and chance
that the context brings; ``check`` is its time-free half; ``apply`` says
which records change and never refuses. The replay law: for every entry,
``check`` passes on the parent's tree and ``apply`` gives the entry's tree,
byte for byte.

A ``batch`` is the one operation that is made of others, so it stands here:
its operations are decided in turn, each on the state that those before it
leave, and published in one entry, all of them or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, cast

from gitcoord.core import ids
from gitcoord.core.codec import dump_line, printable
from gitcoord.core.errors import GitcoordError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import AgentId, Token
from gitcoord.core.layout import SETTINGS
from gitcoord.core.leases import Context
from gitcoord.core.model import FORMAT
from gitcoord.core.operation import WORDS, Operation, copied, keys
from gitcoord.core.operations.changes import end_locks_with_claims, require_version
from gitcoord.core.snapshot import Changes, Snapshot
from gitcoord.core.version import newer_format

__all__ = [
    "MAX_BATCH",
    "Step",
    "apply",
    "as_one",
    "check",
    "decide",
    "fold",
    "operation",
    "operations",
]

TOPICS = {
    "claims": "claim reissue progress expire",
    "results": "complete fail reopen release",
    "gates": "gate check",
    "reviews": "review review-release approve reject",
    "locks": "lock unlock",
    "widenings": "widen",
    "usages": "usage",
    "notes": "note note-drop checkpoint",
    "tasks": "retry cancel assign pause unpause",
    "escalations": "escalate resolve",
    "landings": "land-begin land-done land-abort",
    "streams": "phase-close phase-open",
    "agents": "agent-add agent-remove",
    "plans": "init plan task-add task-edit",
    "rollbacks": "rollback rollback-done rollback-abort",
}
"""The files of ``core.operations``, each with the operations whose rows it has."""
_TOPIC_OF = {op: topic for topic, ops in TOPICS.items() for op in ops.split()}
MAX_BATCH = 1000
MAX_SAID_BYTES = 32 * 1024

Step = Callable[[Snapshot, Context], Command]
"""Make the command of one line of a batch on the state that it meets."""


def operation(op: str) -> Operation:
    """Return the row of an operation.

    Only its topic is loaded: a command that claims need not load the rules of
    landings, and its start is most of what it costs.

    Raises:
        RefusedError: There is none; a newer gitcoord may have one (reason
            ``newer-format``).

    """
    if op == "batch":
        return _BATCH
    topic = _TOPIC_OF.get(op)
    if topic is not None:
        return _rows(topic)[op]
    raise newer_format(f"operation {printable(op[:80])!r} is not known")


def operations() -> dict[str, Operation]:
    """Return the rows of every operation, by name."""
    rows = {"batch": _BATCH}
    for topic in TOPICS:
        rows |= _rows(topic)
    return rows


@cache
def _rows(topic: str) -> dict[str, Operation]:
    rows: dict[str, Operation] = import_module(f"gitcoord.core.operations.{topic}").OPERATIONS
    return rows


def decide(snapshot: Snapshot, command: Command, context: Context) -> Event:
    """Refuse a command, or say what happens.

    Raises:
        GitcoordError: A rule forbids it; nothing changed.

    """
    row = operation(command["op"])
    event: dict[str, Any] = {
        "op": command["op"],
        "id": context.id,
        "agent": command.get("agent", ids.ORCHESTRATOR),
        "time": context.time,
        "format": FORMAT,
    }
    event |= row.optional
    if "said" in row.optional:
        command = {**WORDS, **command}
        event["said"] = command["said"]
    event |= row.decide(snapshot, command, context)
    decided = cast("Event", event)
    check(snapshot, decided)
    return decided


def check(snapshot: Snapshot, event: Event) -> None:
    """Accept an event, or say which rule forbids it.

    Looks at no clock: it runs when an event is decided, when a history is
    verified, and at a server that accepts a push, with the same answer.
    Whether a lease was really over is the one thing that it cannot know.

    Raises:
        GitcoordError: The event is not legal on this snapshot.

    """
    row = operation(event["op"])
    if event.keys() != row.keys or event["format"] != FORMAT:
        raise UsageError(f"the keys of a {event['op']} event do not fit")
    if not ids.is_id(event["agent"]):
        raise UsageError(f"{event['agent']!r} is not a valid agent id")
    if (snapshot.record(SETTINGS) is None) != (event["op"] == "init"):
        raise RefusedError("a ledger begins with init, once", reason="exists")
    if event.get("said") is not None:
        _check_said(event)
    row.check(snapshot, event)


def _check_said(event: Event) -> None:
    """Refuse a reason of gitcoord's own beside somebody's, or one that is too long."""
    said = event["said"]
    if event["reason"] or not isinstance(said, dict) or said.keys() != {"code", "values"}:
        raise UsageError("a reason is a text, or a code and its values")
    if len(dump_line(said)) > MAX_SAID_BYTES:
        raise UsageError(f"a reason by a code has at most {MAX_SAID_BYTES} bytes")


def apply(snapshot: Snapshot, event: Event) -> Changes:
    """Return the records that an event changes, by path."""
    changes: Changes = {}
    row = operation(event["op"])
    row.apply(snapshot, event, changes)
    end_locks_with_claims(snapshot, changes)
    if row.since:
        require_version(snapshot, changes, row.since)
    return changes


def fold(snapshot: Snapshot, steps: Sequence[Step], context: Context) -> list[Event]:
    """Decide each step on the state that the steps before it leave.

    Raises:
        GitcoordError: The first refusal; its fact ``line`` says which step.

    """
    events: list[Event] = []
    changes: Changes = {}
    here = snapshot
    for number, step in enumerate(steps, 1):
        own = context._replace(
            id=_derived(context.id, number), token=_derived(context.token, number)
        )
        try:
            event = decide(here, step(here, own), own)
        except GitcoordError as error:
            error.message = f"line {number}: {error.message}"
            error.facts["line"] = number
            raise
        events.append(event)
        changes |= apply(here, event)
        here = snapshot.overlaid(changes)
    return events


def as_one(agent: AgentId, steps: Sequence[Step]) -> Callable[[Snapshot, Context], Command]:
    """Return what makes one entry of several steps, whose refusal names no line of a batch."""

    def request(snapshot: Snapshot, context: Context) -> Command:
        try:
            events = fold(snapshot, steps, context)
        except GitcoordError as error:
            # The fold counts operations, of which nobody asked for more than one.
            error.message = error.message.partition(": ")[2]
            raise
        return {"op": "batch", "agent": agent, "events": events}

    return request


def _derived(value: str, number: int) -> Token:
    """Return random values of a step's own, drawn from the context's."""
    return Token(sha256(f"{value}:{number}".encode()).hexdigest()[:32])


def _check_batch(snapshot: Snapshot, event: Event) -> None:
    """Refuse a batch of which any operation is not legal after those before it."""
    events = event["events"]
    if not 0 < len(events) <= MAX_BATCH:
        raise UsageError(f"a batch has between 1 and {MAX_BATCH} operations")
    if len({one["id"][:8] for one in events} | {event["id"][:8]}) != len(events) + 1:
        raise UsageError("every operation of a batch has an id of its own")
    changes: Changes = {}
    here = snapshot
    for one in events:
        if not operation(one["op"]).batchable or one["time"] != event["time"]:
            raise UsageError(f"{one['op']} cannot be part of a batch")
        check(here, one)
        changes |= apply(here, one)
        here = snapshot.overlaid(changes)


def _apply_batch(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    for one in event["events"]:
        changes |= apply(snapshot.overlaid(changes), one)


_BATCH = Operation(
    fields=keys("events"),
    decide=copied("events"),
    check=_check_batch,
    apply=_apply_batch,
    subject="batch by {agent}: {events/op}",
    body="events",
)
