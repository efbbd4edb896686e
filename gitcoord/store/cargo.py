"""List what a push of new entries carries: the refs that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitcoord.core.companions import companions_of, tombstone
from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.core.messages import parse
from gitcoord.core.refs import beat_refs, result_refs
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.remotes import Update
from gitcoord.store.protocol import Store

__all__ = ["Batch", "batch_between", "beat_updates", "companion_updates"]

MAX_SHARED = 10_000


class Batch(NamedTuple):
    """The entries of one push, newest first, with their oids and events."""

    oids: tuple[Oid, ...]
    events: tuple[Event, ...]


def batch_between(store: Store, expected: Oid | None, new: Oid) -> Batch:
    """Read the entries from the new one back to what was expected."""
    oids: list[Oid] = []
    events: list[Event] = []
    oid: Oid | None = new
    while oid is not None and oid != expected and len(oids) < MAX_SHARED:
        entry = store.read_entry(oid)
        event = parse(entry.message, oid)
        oids.append(oid)
        events.append(event)
        oid = entry.parents[0] if entry.parents else None
        if event["op"] == "rollback":
            oid = event["abandoned"]
    return Batch(tuple(oids), tuple(events))


def companion_updates(
    store: Store, ledger: str, batch: Batch, known: Callable[[str], Oid | None]
) -> list[Update]:
    """Return what has to be on the server together with the entries, and is not known there.

    ``known`` tells where a ref was on the server when it was last heard.
    """
    updates = []
    for event in batch.events:
        companions = companions_of(event, ledger)
        if event["op"] == "rollback":
            # What it brings back, and the upkeep of some clone had dropped on the server.
            companions |= store.list_refs(result_refs(ledger))
        for ref, oid in companions.items():
            if known(ref) != oid:
                updates.append(Update(ref, None, oid))
    return updates


def beat_updates(
    store: Store, ledger: str, batch: Batch, verify: Mapping[str, Oid | None]
) -> list[Update]:
    """Return a tombstone for each beat that the entries count on: a push checks what it moves."""
    mark = tombstone(batch.events[0]["id"])
    found = beat_refs(ledger)
    return [
        Update(ref, beat, store.write_blob(mark))
        for ref, beat in verify.items()
        if ref.startswith(found)
    ]
