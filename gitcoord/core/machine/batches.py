"""Fold several operations into one entry, all of them or none.

Each operation is decided on the state that the ones before it leave, so
that a batch may claim what an earlier line of it made ready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitcoord.core.errors import GitcoordError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.hashing import sha256
from gitcoord.core.leases import Context
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = ["BATCHED", "MAX_BATCH", "Step", "apply_batch", "check_batch", "fold"]

MAX_BATCH = 1000
BATCHED = frozenset(
    {
        "agent-add",
        "agent-remove",
        "claim",
        "progress",
        "complete",
        "fail",
        "release",
        "expire",
        "retry",
        "cancel",
        "assign",
        "escalate",
        "resolve",
        "note",
        "note-drop",
        "checkpoint",
        "lock",
        "unlock",
    }
)

Step = Callable[[Snapshot, Context], Command]


def fold(snapshot: Snapshot, steps: Sequence[Step], context: Context) -> list[Event]:
    """Decide each step on the state that the steps before it leave.

    Raises:
        GitcoordError: The first refusal; its fact ``line`` says which step.

    """
    from gitcoord.core.machine.apply import apply
    from gitcoord.core.machine.decide import decide

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


def _derived(value: str, number: int) -> str:
    """Give each step random values of its own, from the context's."""
    return sha256(f"{value}:{number}".encode()).hexdigest()[:32]


def check_batch(snapshot: Snapshot, event: Event) -> None:
    """Refuse a batch of which any step is not legal after those before it."""
    from gitcoord.core.machine.apply import apply
    from gitcoord.core.machine.check import check

    events = event["events"]
    if not 0 < len(events) <= MAX_BATCH:
        raise UsageError(f"a batch has between 1 and {MAX_BATCH} operations")
    if len({one["id"][:8] for one in events} | {event["id"][:8]}) != len(events) + 1:
        raise UsageError("every operation of a batch has an id of its own")
    changes: Changes = {}
    here = snapshot
    for one in events:
        if one["op"] not in BATCHED or one["time"] != event["time"]:
            raise UsageError(f"{one['op']} cannot be part of a batch")
        check(here, one)
        changes |= apply(here, one)
        here = snapshot.overlaid(changes)


def apply_batch(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Apply every operation in its order."""
    from gitcoord.core.machine.apply import apply

    for one in event["events"]:
        changes |= apply(snapshot.overlaid(changes), one)
