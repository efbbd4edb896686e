"""Walk the chain of entries, back from a tip."""

from __future__ import annotations

from collections.abc import Iterator

from gitcoord.core.events import Event
from gitcoord.core.messages import parse
from gitcoord.features.workspace import Workspace

__all__ = ["entries"]


def entries(work: Workspace, tip: str) -> Iterator[tuple[str, Event, int, str | None]]:
    """Walk a chain back from a tip: oid, event, time in seconds, parent."""
    oid: str | None = tip
    while oid is not None:
        entry = work.store.read_entry(oid)
        parent = None
        if entry.parents:
            parent = entry.parents[0]
        yield oid, parse(entry.message, oid), entry.time, parent
        oid = parent
