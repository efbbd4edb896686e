"""Define the narrow interface to git objects and refs.

Every engine implements ``Store`` and passes one conformance suite. The
rest of gitcoord knows only this. Three things may go wrong on purpose:
an object or ref is not there, another writer was faster, or the place
cannot be written at all; everything else is a bug.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple

__all__ = [
    "BlobRef",
    "ContendedError",
    "EntryObject",
    "FailedError",
    "LockedError",
    "MissingObjectError",
    "Store",
    "TreeItem",
]


class MissingObjectError(Exception):
    """Raised when an object is not in the repository, or is of another kind."""


class ContendedError(Exception):
    """Raised when a ref did not hold the expected value; nothing moved."""


class LockedError(Exception):
    """Raised when a ref's ``.lock`` file is in the way; nothing moved.

    ``path`` is the lock file, which ``store.stale_locks`` may look at.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


class FailedError(Exception):
    """Raised when writing a ref failed; whether it moved has to be read."""


class BlobRef(NamedTuple):
    """A blob that exists already, in place of its bytes."""

    oid: Oid


class TreeItem(NamedTuple):
    """One name in a tree."""

    oid: Oid
    is_tree: bool


class EntryObject(NamedTuple):
    """A commit as it was read; ``time`` is the committer's, in seconds.

    Where ``is_cut`` its parents are not in this clone, which was made without them.
    """

    oid: Oid
    tree: Oid
    parents: tuple[Oid, ...]
    message: str
    author: str
    author_email: str
    time: int
    is_cut: bool = False


class Store(Protocol):
    """Read and write objects, and move refs by compare-and-swap."""

    common_dir: Path
    """The common git directory; for the in-memory store a private folder."""

    def read_ref(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds now, or None where it is absent."""

    def has_ref(self, ref: str) -> bool:
        """Return whether a ref is there with its object, by the quickest way to tell.

        Refs in tables whose object is gone are passed over, for which ``read_ref``
        starts another git.
        """

    def list_refs(self, prefix: str) -> dict[str, Oid]:
        """Return every ref whose name starts with ``prefix`` (ends in ``/``)."""

    def read_entry(self, oid: Oid) -> EntryObject:
        """Read a commit. Raises MissingObjectError."""

    def cut_entries(self) -> frozenset[Oid]:
        """Return the commits that the histories of a shallow clone begin with."""

    def read_blob(self, oid: Oid) -> bytes:
        """Read a blob. Raises MissingObjectError."""

    def read_tree(self, oid: Oid) -> Mapping[str, TreeItem]:
        """Read one level of a tree. Raises MissingObjectError."""

    def hash_blob(self, content: bytes) -> Oid:
        """Return the oid that a blob would have; writes nothing."""

    def write_blob(self, content: bytes) -> Oid:
        """Write a blob and return its oid.

        It can be read at once; it is on the disk, synced, when an entry
        is written or a ref moves.
        """

    def write_tree(
        self,
        base: Oid | None,
        changes: Mapping[str, bytes | BlobRef | None],
        *,
        is_further: bool = False,
    ) -> Oid:
        """Write ``base`` with paths changed (None: removed); return the tree.

        Only the trees on the way to a changed path are written. An empty
        folder vanishes. Bytes are written as blobs, each content once.
        ``is_further``: it is published with what was written before it.
        """

    def committer(self) -> tuple[str, str]:
        """Return the name and the address that commits of this user carry.

        They are the user's git identity, or a fallback.
        """

    def write_entry(
        self,
        tree: Oid,
        parents: tuple[Oid, ...],
        message: str,
        author: tuple[str, str],
        time: int,
        *,
        committer: tuple[str, str] | None = None,
        is_synced: bool = True,
    ) -> Oid:
        """Write a commit, and return its oid; no ref moves.

        Without a ``committer`` it is this user. Unless ``is_synced``, it may be
        there for this process alone until a later one is written and synced.
        """

    def sync(self) -> None:
        """Put every object that was written on the disk, where other programs find it."""

    def swap(
        self,
        ref: str,
        expected: Oid | None,
        new: Oid,
        *,
        verify: Mapping[str, Oid | None] | None = None,
    ) -> None:
        """Move a ref from ``expected`` (None: must not exist) to ``new``.

        Every ref in ``verify`` must hold the given oid (None: be absent) at
        that moment. If it raises ContendedError or LockedError nothing
        moved; after any other error the outcome is not known.
        """

    def broken_refs(self, prefix: str) -> tuple[str, ...]:
        """Return every ref whose name starts with ``prefix`` and that holds no oid.

        A crash or a full disk can leave such a file; ``list_refs`` passes it
        over, and to read it raises CorruptError.
        """

    def repair_ref(self, ref: str, new: Oid) -> None:
        """Set a broken ref to an oid; one that is not broken is left alone.

        Raises as ``swap`` does; if it fails, the ref is broken as before.
        """

    def delete_ref(self, ref: str, expected: Oid) -> None:
        """Remove a ref that holds ``expected``. Raises as ``swap`` does."""

    def discard(self, oid: Oid) -> None:
        """Remove a loose object that nothing reaches and nobody else names.

        A beat that was replaced is one. It may stay, where it is packed.
        """

    def is_lost(self) -> bool:
        """Return whether an object of what was written last is gone from the disk.

        That is, since the last ``write_tree`` that was not a further one: a prune
        that runs beside a writer can take objects which no ref reaches yet.
        """

    def refresh(self) -> None:
        """Forget what is cached of packs and refs."""

    def close(self) -> None:
        """Give back file handles."""
