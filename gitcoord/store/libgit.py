"""Reach objects and refs beside libgit2, which reads packs: the first engine.

Loose objects and refs are written as the other engine writes them: libgit2
syncs a reflog too, which nothing that we promise needs, and each object's
folder by itself, which makes the disk's journal commit once for each. What
pygit2 says about contention, where it removes a ref, is translated here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pygit2

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock
from gitcoord.store.file_refs import FileRefs, SymbolicRefError, is_logged
from gitcoord.store.loose import LooseObjects, Shared
from gitcoord.store.objects import MAX_BLOB_BYTES, MAX_OTHER_BYTES, encode_commit, parse_commit
from gitcoord.store.packs import PackedObjects
from gitcoord.store.protocol import (
    ContendedError,
    EntryObject,
    FailedError,
    LockedError,
    MissingObjectError,
    TreeItem,
)
from gitcoord.store.trees import Change, build_tree, encode_tree, parse_tree

__all__ = ["LibgitStore"]

_LOCK_FILE = re.compile(r"'([^']*\.lock)'")
_LOCK_TEXTS = ("failed to lock file", "failed to create locked file")
_CONTENDED_TEXTS = ("old reference value does not match", "failed to rename lockfile")
MAX_CACHED_TREES = 2048
MAX_CACHED_ENTRIES = 64
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
BULK_CHANGES = 500


class LibgitStore:
    """One repository, opened by libgit2. Not for use by two threads at once."""

    def __init__(
        self,
        common_dir: Path,
        *,
        is_durable: bool = True,
        keep_pack: Callable[[bytes], None] | None = None,
    ) -> None:
        """Open a repository; ``keep_pack`` stores a pack's stream, synced."""
        pygit2.settings.enable_fsync_gitdir(is_durable)
        self.common_dir = common_dir
        try:
            self._repo = pygit2.Repository(str(common_dir))
        except pygit2.GitError as error:
            raise UnavailableError(
                f"libgit2 cannot open {common_dir}: {error}",
                hint="check who owns the repository, and what `git status` says there",
            ) from None
        shared = Shared(self._setting("core.sharedrepository"))
        self._loose = LooseObjects(common_dir, "sha1", shared, is_durable=is_durable)
        self._refs = FileRefs(common_dir, shared, self._log_line, is_durable=is_durable)
        self._trees: dict[str, dict[str, TreeItem]] = {}
        self._entries: dict[str, EntryObject] = {}
        self._fresh: list[str] = []
        self._keep_pack = keep_pack

    # reading

    def read_ref(self, ref: str) -> str | None:
        """Return the oid that a ref holds now, or None where it is absent."""
        return self._refs.read(ref)

    def list_refs(self, prefix: str) -> dict[str, str]:
        """Return every ref whose name starts with ``prefix``."""
        return self._refs.list(prefix)

    def _raw(self, oid: str, kind: str) -> bytes:
        """Return the bytes of an object of a kind, loose or packed."""
        found = self._loose.read(oid)
        if found is None:
            try:
                if self._repo.odb.read_header(oid)[1] > (
                    MAX_BLOB_BYTES if kind == "blob" else MAX_OTHER_BYTES
                ):
                    raise MissingObjectError(f"{oid} is too large for a {kind}")
                number, content = self._repo.read(oid)
            except (KeyError, ValueError, pygit2.GitError) as error:
                raise MissingObjectError(f"{oid}: {error}") from None
            found = _KINDS.get(number, "unknown"), content
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
                known = parse_tree(self._raw(oid, "tree"))
            except ValueError as error:
                raise MissingObjectError(f"{oid} is no tree that can be read: {error}") from None
            if len(self._trees) >= MAX_CACHED_TREES:
                self._trees.clear()
            self._trees[oid] = known
        return known

    def hash_blob(self, content: bytes) -> str:
        """Return the oid that a blob would have; writes nothing."""
        return str(pygit2.hash(content))

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
        if self._keep_pack is not None and len(changes) >= BULK_CHANGES:
            return self._write_packed_tree(self._keep_pack, base, changes)
        written: dict[bytes, str] = {}

        def write_blob(content: bytes) -> str:
            if content not in written:
                written[content] = self.write_blob(content)
            return written[content]

        tree = build_tree(base, changes, self.read_tree, self._write_items, write_blob)
        return tree or self._write_items({})

    def _write_packed_tree(
        self, keep_pack: Callable[[bytes], None], base: str | None, changes: Mapping[str, Change]
    ) -> str:
        packed = PackedObjects()
        tree = build_tree(
            base,
            changes,
            self.read_tree,
            lambda items: packed.add("tree", encode_tree(items)),
            lambda raw: packed.add("blob", raw),
        )
        tree = tree or packed.add("tree", b"")
        keep_pack(packed.stream())
        return tree

    def _write_items(self, items: Mapping[str, TreeItem]) -> str:
        oid = self._write("tree", encode_tree(items))
        if len(self._trees) < MAX_CACHED_TREES:
            self._trees[oid] = dict(items)
        return oid

    def write_entry(
        self, tree: str, parents: tuple[str, ...], message: str, author: tuple[str, str], time: int
    ) -> str:
        """Write a commit, synced, and return its oid; no ref moves."""
        oid = self._write(
            "commit", encode_commit(tree, parents, author, self._committer(), time, message)
        )
        self._loose.sync()
        return oid

    def _committer(self) -> tuple[str, str]:
        try:
            own = self._repo.default_signature
        except (KeyError, pygit2.GitError):
            return "gitcoord", "gitcoord@localhost.invalid"
        return own.name, own.email

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
        try:
            self._refs.swap(ref, {**(verify or {}), ref: expected}, new)
        except SymbolicRefError as error:
            raise UnavailableError(
                f"{error} is a symbolic ref, which this engine does not move",
                hint="set GITCOORD_ENGINE=plumbing: that engine can",
            ) from None

    def _log_line(self, ref: str, has_log: bool) -> str | None:
        """Give what follows the oids in a reflog; None where there is none."""
        if not has_log and not is_logged(
            ref, self._setting("core.logallrefupdates"), self._setting("core.bare")
        ):
            return None
        name, email = self._committer()
        return f"{name} <{email}> {Clock().seconds()} +0000"

    def _setting(self, name: str) -> str:
        """Return a value of git's configuration, or nothing."""
        try:
            return str(self._repo.config[name])
        except KeyError:
            return ""

    def delete_ref(self, ref: str, expected: str) -> None:
        """Remove a ref that holds ``expected``."""
        try:
            with self._repo.transaction() as transaction:
                transaction.lock_ref(ref)
                if self.read_ref(ref) != expected:
                    raise ContendedError(ref)
                transaction.remove(ref)
        except (OSError, pygit2.GitError) as error:
            raise self._translated(error, ref) from None

    def _translated(self, error: Exception, ref: str) -> Exception:
        text = str(error)
        if any(known in text for known in _CONTENDED_TEXTS):
            return ContendedError(ref)
        if any(known in text for known in _LOCK_TEXTS):
            found = _LOCK_FILE.search(text)
            path = Path(found[1]) if found else self.common_dir / f"{ref}.lock"
            if path.exists() or os.access(
                path.parent if path.parent.exists() else self.common_dir, os.W_OK
            ):
                return LockedError(path)
            return UnavailableError(
                f"{ref} cannot be written: {text}", hint="check whether .git can be written here"
            )
        return FailedError(f"{ref}: {text}")

    def discard(self, oid: str) -> None:
        """Remove a loose object that nothing reaches and nobody else names."""
        with suppress(OSError):
            os.unlink(self._loose.path(oid))

    def _has(self, oid: str) -> bool:
        return os.path.exists(self._loose.path(oid)) or oid in self._repo

    def is_lost(self) -> bool:
        """Say whether an object of the last entry is gone from the disk."""
        return any(not self._has(oid) for oid in self._fresh)

    def refresh(self) -> None:
        """Forget what is cached of packs and refs."""
        self._trees.clear()
        self._entries.clear()

    def close(self) -> None:
        """Give back file handles."""
        self._repo.free()
