"""Walk the chain of entries, back from a tip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.core.messages import parse
from gitcoord.features.workspace import Workspace

__all__ = ["Link", "entries"]


class Link(NamedTuple):
    """One entry of the chain; its time is in seconds since 1970."""

    oid: Oid
    event: Event
    time: int
    parent: Oid | None


def entries(work: Workspace, tip: Oid) -> Iterator[Link]:
    """Walk a chain back from a tip."""
    oid: Oid | None = tip
    while oid is not None:
        entry = work.store.read_entry(oid)
        parent = None
        if entry.parents:
            parent = entry.parents[0]
        yield Link(oid, parse(entry.message, oid), entry.time, parent)
        oid = parent
