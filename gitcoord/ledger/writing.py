"""Write the entries of a turn: blobs, trees and commits, and no ref."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitcoord.core import codec
from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.core.messages import author_of, render
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import BlobOid, Changes
from gitcoord.store.protocol import BlobRef, Store

__all__ = ["Step", "encoded", "writing"]


class Step(NamedTuple):
    """One entry to be written.

    ``committer`` is who asked for it, if another did; ``inputs`` are the blobs
    that its event names.
    """

    event: Event
    changes: Changes
    committer: tuple[str, str] | None = None
    inputs: Sequence[bytes] = ()


def encoded(changes: Changes) -> dict[str, bytes | BlobRef | None]:
    """Turn changed records into what a store writes."""
    contents: dict[str, bytes | BlobRef | None] = {}
    dumped: dict[int, bytes] = {}
    for path, change in changes.items():
        if change is None:
            contents[path] = None
        elif isinstance(change, BlobOid):
            contents[path] = BlobRef(Oid(change))
        else:
            # One record often stands at two paths: a task, and its copy in ``live/``.
            if id(change) not in dumped:
                dumped[id(change)] = codec.dump(change)
            contents[path] = dumped[id(change)]
    return contents


def writing(
    store: Store, ledger: str, parent: Oid | None, onto: Oid | None, steps: Sequence[Step]
) -> Callable[[], list[Oid]]:
    """Return what writes entries on top of each other, and again if a prune took them.

    ``onto`` is the entry whose state the first one changes. It returns their oids. All are
    synced with the last one.
    """
    base: Oid | None = None
    if onto:
        base = store.read_entry(onto).tree
    prepared = [(step, encoded(step.changes), render(step.event)) for step in steps]

    def write() -> list[Oid]:
        tree, above = base, parent
        entries: list[Oid] = []
        for step, contents, message in prepared:
            tree = store.write_tree(tree, contents, is_further=bool(entries))
            for content in step.inputs:
                store.write_blob(content)
            parents: tuple[Oid, ...] = ()
            if above is not None:
                parents = (above,)
            above = store.write_entry(
                tree,
                parents,
                message,
                author_of(step.event["agent"], ledger),
                step.event["time"],
                committer=step.committer,
                is_synced=len(entries) == len(prepared) - 1,
            )
            entries.append(above)
        return entries

    return write
