"""Walk the history of a ledger, back from a tip, as far as this clone has it."""

from __future__ import annotations

from collections.abc import Iterator

from gitcoord.core.errors import NotFoundError
from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.core.messages import parse
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace
from gitcoord.store.protocol import EntryObject, MissingObjectError

__all__ = [
    "Link",
    "before",
    "begins_with",
    "checkpoint_entry",
    "entries",
    "last_checkpoint",
    "whole_by",
]


class Link(NamedTuple):
    """One entry of the chain; its time is in seconds since 1970.

    ``parent`` is the entry before it, as ``before`` tells.
    """

    oid: Oid
    event: Event
    time: int
    parent: Oid | None


def entries(work: Workspace, tip: Oid) -> Iterator[Link]:
    """Walk a chain back from a tip."""
    oid: Oid | None = tip
    while oid is not None:
        entry = work.store.read_entry(oid)
        parent = before(work, entry)
        yield Link(oid, parse(entry.message, oid), entry.time, parent)
        oid = parent


def before(work: Workspace, entry: EntryObject) -> Oid | None:
    """Return the entry that the history goes on with, back from one of them.

    Before a rollback that was appended that is the one that it went back to: what lies
    between was abandoned.
    """
    if "\nGitcoord-Op: rollback\n" in entry.message:
        event = parse(entry.message, entry.oid)
        if event["forward"]:
            return _if_here(work, event["onto"])
    if not entry.parents:
        return None
    return entry.parents[0]


def _if_here(work: Workspace, oid: Oid) -> Oid | None:
    """Return an entry, unless this clone was made without it."""
    try:
        work.store.read_entry(oid)
    except MissingObjectError:
        if work.store.cut_entries():
            return None
        raise
    return oid


def checkpoint_entry(work: Workspace, tip: Oid, name: str) -> Oid:
    """Return the entry that made a checkpoint.

    Raises:
        NotFoundError: No entry that is here did.

    """
    for oid, event, _, _ in entries(work, tip):
        if name in _checkpoints_of(event):
            return oid
    raise NotFoundError(
        f"no entry of this ledger's history made checkpoint {name}",
        hint="`gitcoord verify` looks for damage",
    )


def last_checkpoint(work: Workspace, snapshot: Snapshot) -> Oid:
    """Return the entry that made the newest checkpoint.

    Raises:
        NotFoundError: There is none, or its entry is not here.

    """
    if not snapshot.checkpoints():
        raise NotFoundError(
            "this ledger has no checkpoint", hint="`gitcoord checkpoint NAME` makes one"
        )
    for oid, event, _, _ in entries(work, snapshot.oid):
        if _checkpoints_of(event):
            return oid
    raise NotFoundError(
        "no entry that is here made a checkpoint", hint="`gitcoord verify` takes what is here"
    )


def _checkpoints_of(event: Event) -> list[str]:
    """Return the names of the checkpoints that an entry makes."""
    steps = event.get("events", [event])
    return [one["name"] for one in steps if one["op"] == "checkpoint"]


def begins_with(work: Workspace, tip: Oid) -> Oid | None:
    """Return the entry that a chain begins with in this clone; None: it is whole here."""
    from gitcoord.git.merges import is_ancestor

    for oid in sorted(work.store.cut_entries()):
        is_entry = "\nGitcoord-Event: " in work.store.read_entry(oid).message
        if is_entry and is_ancestor(work.git, oid, tip):
            return oid
    return None


def whole_by(work: Workspace) -> str:
    """Return the git command that fetches the entries which a clone was made without."""
    ref = work.ledger.ref
    if work.remote is None:
        return f"git fetch --unshallow REMOTE {ref}"
    return f"git fetch --unshallow {work.remote.remote.name} {work.remote.tracking.there(ref)}"
