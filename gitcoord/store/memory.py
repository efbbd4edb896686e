"""Keep objects and refs in memory, for tests and simulations.

It passes the conformance suite of the real engines. ``on_call`` is called
before every operation with its name, so that a test can stop a writer
between any two of them, or let another one act first.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from gitcoord.core.ids import Oid
from gitcoord.store.protocol import ContendedError, EntryObject, MissingObjectError, TreeItem
from gitcoord.store.trees import Change, build_tree, encode_tree, parse_tree

__all__ = ["MemoryStore"]


class MemoryStore:
    """A store without a disk."""

    def __init__(self, common_dir: Path, on_call: Callable[[str], None] | None = None) -> None:
        self.common_dir = common_dir
        self.on_call = on_call or (lambda _name: None)
        self.refs: dict[str, Oid] = {}
        self.objects: dict[Oid, tuple[str, bytes]] = {}
        self.entries: dict[Oid, EntryObject] = {}
        self._lock = threading.RLock()

    def _write(self, kind: str, content: bytes) -> Oid:
        oid = Oid(
            hashlib.sha1(
                f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False
            ).hexdigest()
        )
        self.objects[oid] = (kind, content)
        return oid

    def _read(self, kind: str, oid: Oid) -> bytes:
        actual_kind, content = self.objects.get(oid, ("", b""))
        if actual_kind != kind:
            raise MissingObjectError(f"{kind} {oid}")
        return content

    def read_ref(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds now, or None where it is absent."""
        self.on_call("read_ref")
        return self.refs.get(ref)

    def has_ref(self, ref: str) -> bool:
        """Return whether a ref is there."""
        self.on_call("has_ref")
        return ref in self.refs

    def list_refs(self, prefix: str) -> dict[str, Oid]:
        """Return every ref whose name starts with ``prefix``."""
        with self._lock:
            return {ref: oid for ref, oid in sorted(self.refs.items()) if ref.startswith(prefix)}

    def broken_refs(self, _prefix: str) -> tuple[str, ...]:
        """Return no ref: none can be broken here."""
        return ()

    def repair_ref(self, ref: str, new: Oid) -> None:
        """Leave every ref as it is: none is broken here."""

    def read_entry(self, oid: Oid) -> EntryObject:
        """Read a commit."""
        if oid not in self.entries:
            raise MissingObjectError(f"commit {oid}")
        return self.entries[oid]

    def cut_entries(self) -> frozenset[Oid]:
        """Return nothing: no history is cut."""
        return frozenset()

    def read_blob(self, oid: Oid) -> bytes:
        """Read a blob."""
        return self._read("blob", oid)

    def read_tree(self, oid: Oid) -> Mapping[str, TreeItem]:
        """Read one level of a tree."""
        return parse_tree(self._read("tree", oid))

    def hash_blob(self, content: bytes) -> Oid:
        """Return the oid that a blob would have."""
        return Oid(
            hashlib.sha1(
                f"blob {len(content)}\0".encode() + content, usedforsecurity=False
            ).hexdigest()
        )

    def write_blob(self, content: bytes) -> Oid:
        """Write a blob."""
        self.on_call("write_blob")
        return self._write("blob", content)

    def write_tree(
        self, base: Oid | None, changes: Mapping[str, Change], *, is_further: bool = False
    ) -> Oid:
        """Write ``base`` with paths changed."""
        self.on_call("write_tree")

        def write_items(items: Mapping[str, TreeItem]) -> Oid:
            return self._write("tree", encode_tree(items))

        tree = build_tree(base, changes, self.read_tree, write_items, self.write_blob)
        return tree or self._write("tree", b"")

    def committer(self) -> tuple[str, str]:
        """Return a user of no name."""
        return "user", "user@localhost.invalid"

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
        """Write a commit."""
        self.on_call("write_entry")
        raw = f"tree {tree}\nparents {parents}\nauthor {author} {time}\n\n{message}".encode()
        oid = self._write("commit", raw)
        self.entries[oid] = EntryObject(oid, tree, parents, message, *author, time)
        return oid

    def sync(self) -> None:
        """Do nothing: there is no disk."""

    def swap(
        self,
        ref: str,
        expected: Oid | None,
        new: Oid,
        *,
        verify: Mapping[str, Oid | None] | None = None,
    ) -> None:
        """Move a ref from ``expected`` to ``new``."""
        self.on_call("swap")
        with self._lock:
            wanted = {**(verify or {}), ref: expected}
            if any(self.refs.get(name) != oid for name, oid in wanted.items()):
                raise ContendedError(ref)
            if new not in self.objects:
                raise MissingObjectError(new)
            self.refs[ref] = new
        self.on_call("swapped")

    def delete_ref(self, ref: str, expected: Oid) -> None:
        """Remove a ref that holds ``expected``."""
        self.on_call("delete_ref")
        with self._lock:
            if self.refs.get(ref) != expected:
                raise ContendedError(ref)
            del self.refs[ref]

    def discard(self, oid: Oid) -> None:
        """Forget a blob that nothing reaches."""
        with self._lock:
            self.objects.pop(oid, None)

    def is_lost(self) -> bool:
        """Return False: nothing is ever lost from memory."""
        return False

    def refresh(self) -> None:
        """Do nothing: nothing is cached."""

    def close(self) -> None:
        """Do nothing: nothing is open."""
