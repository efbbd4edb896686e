"""Reach objects and refs without libgit2: the second engine.

Loose objects and refs that are files are read and written here; packs,
other ways to keep refs, and what is rare go through the git program, which
is handed in as ``Program``. It serves what libgit2 cannot open (SHA-256,
reftable, partial clones), and commands that are over in a moment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gitcoord.host.clock import Clock
from gitcoord.store.file_refs import FileRefs, SymbolicRefError, is_logged
from gitcoord.store.loose import LooseObjects, Shared
from gitcoord.store.objects import (
    MAX_BLOB_BYTES,
    MAX_OTHER_BYTES,
    clean_name,
    encode_commit,
    parse_commit,
)
from gitcoord.store.protocol import EntryObject, MissingObjectError, TreeItem
from gitcoord.store.trees import Change, build_tree, encode_tree, parse_tree

__all__ = ["PlumbingStore", "Program"]

BULK_CHANGES = 500
MAX_CACHED_TREES = 2048
MAX_CACHED_ENTRIES = 64
_NO_USER = ("gitcoord", "gitcoord@localhost.invalid")


class Program(Protocol):
    """What the engine needs of the git program and its configuration."""

    def setting(self, section: str, key: str) -> str:
        """Return a value of git's configuration, or nothing."""

    def read_object(self, oid: str, most: Mapping[str, int]) -> tuple[str, bytes] | None:
        """Return an object's kind and bytes, wherever it is; None: nowhere.

        Raises:
            MissingObjectError: It has more bytes than its kind may have.
        """

    def has_object(self, oid: str) -> bool:
        """Say whether an object is in the repository."""

    def keep_pack(self, stream: bytes) -> None:
        """Store a pack, synced."""

    def read_refs(self, pattern: str) -> dict[str, str]:
        """Return the refs that a full name, or a folder of names, matches."""

    def transact(self, ref: str, lines: list[str]) -> None:
        """Run one ref transaction; raises as ``Store.swap`` does."""

    def end(self) -> None:
        """End what still runs."""


class PlumbingStore:
    """One repository, without libgit2. Not for use by two threads at once."""

    def __init__(self, common_dir: Path, program: Program, *, is_durable: bool = True) -> None:
        self.common_dir = common_dir
        self._program = program
        self._algorithm = program.setting("extensions", "objectformat").lower() or "sha1"
        shared = Shared(program.setting("core", "sharedrepository"))
        self._loose = LooseObjects(common_dir, self._algorithm, shared, is_durable=is_durable)
        self._files: FileRefs | None = None
        if program.setting("extensions", "refstorage").lower() in {"", "files"}:
            self._files = FileRefs(common_dir, shared, self._log_line, is_durable=is_durable)
        self._trees: dict[str, dict[str, TreeItem]] = {}
        self._entries: dict[str, EntryObject] = {}
        self._fresh: list[str] = []
        self._committer: tuple[str, str] | None = None

    # reading

    def read_ref(self, ref: str) -> str | None:
        """Return the oid that a ref holds now, or None where it is absent."""
        if self._files is not None:
            return self._files.read(ref)
        return self._program.read_refs(ref).get(ref)

    def list_refs(self, prefix: str) -> dict[str, str]:
        """Return every ref whose name starts with ``prefix``."""
        if self._files is not None:
            return self._files.list(prefix)
        return self._program.read_refs(prefix)

    def _raw(self, oid: str, kind: str) -> bytes:
        """Return the bytes of an object of a kind, loose or packed."""
        found = self._loose.read(oid)
        if found is None:
            found = self._program.read_object(
                oid, {"blob": MAX_BLOB_BYTES, "tree": MAX_OTHER_BYTES, "commit": MAX_OTHER_BYTES}
            )
        if found is None:
            is_partial = self._program.setting(
                "extensions", "partialclone"
            ) or self._program.setting("remote", "promisor")
            what = (
                "partial clone: `git fetch --refetch --no-filter` gets it"
                if is_partial
                else "repository"
            )
            raise MissingObjectError(f"{oid} is not in this {what}")
        if found[0] != kind:
            raise MissingObjectError(f"{oid} is no {kind}")
        return found[1]

    def read_entry(self, oid: str) -> EntryObject:
        """Read a commit."""
        known = self._entries.get(oid)
        if known is None:
            known = parse_commit(oid, self._raw(oid, "commit"))
            if len(self._entries) >= MAX_CACHED_ENTRIES:
                self._entries.clear()
            self._entries[oid] = known
        return known

    def read_blob(self, oid: str) -> bytes:
        """Read a blob."""
        return self._raw(oid, "blob")

    def read_tree(self, oid: str) -> Mapping[str, TreeItem]:
        """Read one level of a tree."""
        known = self._trees.get(oid)
        if known is None:
            try:
                known = parse_tree(self._raw(oid, "tree"), len(oid) // 2)
            except ValueError as error:
                raise MissingObjectError(f"{oid} is no tree that can be read: {error}") from None
            self._remember(oid, known)
        return known

    def _remember(self, oid: str, items: dict[str, TreeItem]) -> None:
        if len(self._trees) >= MAX_CACHED_TREES:
            self._trees.clear()
        self._trees[oid] = items

    def hash_blob(self, content: bytes) -> str:
        """Return the oid that a blob would have; writes nothing."""
        return self._loose.hash("blob", content)

    # writing

    def _write(self, kind: str, content: bytes) -> str:
        oid = self._loose.write(kind, content)
        self._fresh.append(oid)
        return oid

    def write_blob(self, content: bytes) -> str:
        """Write a blob, synced, and return its oid."""
        return self._write("blob", content)

    def write_tree(self, base: str | None, changes: Mapping[str, Change]) -> str:
        """Write ``base`` with paths changed (None: removed); return the tree."""
        self._fresh.clear()
        if len(changes) >= BULK_CHANGES:
            return self._write_packed_tree(base, changes)
        written: dict[bytes, str] = {}

        def write_blob(content: bytes) -> str:
            if content not in written:
                written[content] = self.write_blob(content)
            return written[content]

        tree = build_tree(base, changes, self.read_tree, self._write_items, write_blob)
        return tree or self._write_items({})

    def _write_packed_tree(self, base: str | None, changes: Mapping[str, Change]) -> str:
        from gitcoord.store.packs import PackedObjects

        packed = PackedObjects(self._algorithm)
        tree = build_tree(
            base,
            changes,
            self.read_tree,
            lambda items: packed.add("tree", encode_tree(items)),
            lambda raw: packed.add("blob", raw),
        )
        tree = tree or packed.add("tree", b"")
        self._program.keep_pack(packed.stream())
        return tree

    def _write_items(self, items: Mapping[str, TreeItem]) -> str:
        oid = self._write("tree", encode_tree(items))
        self._remember(oid, dict(items))
        return oid

    def write_entry(
        self, tree: str, parents: tuple[str, ...], message: str, author: tuple[str, str], time: int
    ) -> str:
        """Write a commit, synced, and return its oid; no ref moves."""
        oid = self._write(
            "commit", encode_commit(tree, parents, author, self._identity(), time, message)
        )
        self._loose.sync()
        return oid

    def _identity(self) -> tuple[str, str]:
        """Return the user's name and address as a commit may hold them."""
        if self._committer is None:
            name, email = (
                clean_name(self._program.setting("user", key)) for key in ("name", "email")
            )
            self._committer = (name, email) if name and email else _NO_USER
        return self._committer

    # refs

    def swap(
        self,
        ref: str,
        expected: str | None,
        new: str,
        *,
        verify: Mapping[str, str | None] | None = None,
    ) -> None:
        """Move a ref from ``expected`` (None: must not exist) to ``new``."""
        self._loose.sync()
        if not self._has(new):
            raise MissingObjectError(f"{ref} cannot move to {new}, which is not in this repository")
        wanted = {**(verify or {}), ref: expected}
        if self._files is not None:
            with suppress(SymbolicRefError):
                self._files.swap(ref, wanted, new)
                return
        zero = "0" * len(new)
        lines = [f"verify {name} {oid or zero}" for name, oid in wanted.items() if name != ref]
        self._program.transact(ref, [f"update {ref} {new} {expected or zero}", *lines])

    def delete_ref(self, ref: str, expected: str) -> None:
        """Remove a ref that holds ``expected``."""
        self._program.transact(ref, [f"delete {ref} {expected}"])

    def _log_line(self, ref: str, has_log: bool) -> str | None:
        """Give what follows the oids in a reflog; None where there is none."""
        setting = self._program.setting
        if not has_log and not is_logged(
            ref, setting("core", "logallrefupdates"), setting("core", "bare")
        ):
            return None
        name, email = self._identity()
        return f"{name} <{email}> {Clock().seconds()} +0000"

    def discard(self, oid: str) -> None:
        """Remove a loose object that nothing reaches and nobody else names."""
        with suppress(OSError):
            os.unlink(self._loose.path(oid))

    def _has(self, oid: str) -> bool:
        return os.path.exists(self._loose.path(oid)) or self._program.has_object(oid)

    def is_lost(self) -> bool:
        """Say whether an object of the last entry is gone from the disk."""
        return any(not self._has(oid) for oid in self._fresh)

    def refresh(self) -> None:
        """Forget what is cached of packs and refs."""
        self._trees.clear()
        self._entries.clear()
        self._program.end()

    def close(self) -> None:
        """Give back file handles, and end the git process that reads packs."""
        self._program.end()
