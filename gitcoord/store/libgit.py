"""Reach objects and refs through libgit2: the first engine.

Everything that pygit2 says about contention is translated here, and only
here: an ``OSError`` or ``GitError`` about a lock file, and a ``GitError``
about an old value. The texts are pinned by tests. Objects, refs and their
folders are synced before a call returns (``enable_fsync_gitdir``), unless
durability is ``process``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from gitcoord.core.errors import UnavailableError
from gitcoord.store.objects import MAX_BLOB_BYTES, MAX_OTHER_BYTES, parse_commit, read_loose
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

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        self, common_dir: Path, *, is_durable: bool = True, keep_pack: Callable[[bytes], None] | None = None
    ) -> None:
        """Open a repository; ``keep_pack`` stores a pack's stream, synced."""
        pygit2.settings.enable_fsync_gitdir(is_durable)
        self.common_dir = common_dir
        self._is_durable = is_durable
        try:
            self._repo = pygit2.Repository(str(common_dir))
        except pygit2.GitError as error:
            raise UnavailableError(
                f"libgit2 cannot open {common_dir}: {error}",
                hint="check who owns the repository, and what `git status` says there",
            ) from None
        self._objects = common_dir / "objects"
        self._loose = str(self._objects)
        self._trees: dict[str, dict[str, TreeItem]] = {}
        self._entries: dict[str, EntryObject] = {}
        self._fresh: list[str] = []
        self._keep_pack = keep_pack

    # reading

    def read_ref(self, ref: str) -> str | None:
        """Return the oid that a ref holds now, or None where it is absent."""
        try:
            return str(self._repo.references[ref].target)
        except KeyError:
            return None

    def list_refs(self, prefix: str) -> dict[str, str]:
        """Return every ref whose name starts with ``prefix``."""
        found: dict[str, str] = {}
        for name in self._names(prefix):
            oid = self.read_ref(name)
            if oid is not None:
                found[name] = oid
        return found

    def _names(self, prefix: str) -> Iterator[str]:
        """Read the names from the disk: libgit2 iterates over every ref."""
        names: set[str] = set()
        top = self.common_dir / prefix
        for folder, _, files in os.walk(top):
            names |= {
                (Path(folder) / file).relative_to(self.common_dir).as_posix()
                for file in files
                if not file.endswith(".lock")
            }
        try:
            packed = (self.common_dir / "packed-refs").read_text("utf-8", "surrogateescape")
        except FileNotFoundError:
            packed = ""
        for line in packed.splitlines():
            name = line.partition(" ")[2]
            if name.startswith(prefix) and not line.startswith("#"):
                names.add(name)
        yield from sorted(names)

    def _raw(self, oid: str, kind: str) -> bytes:
        """Return the bytes of an object of a kind, loose or packed."""
        found = read_loose(self._loose, oid)
        if found is None:
            try:
                if self._repo.odb.read_header(oid)[1] > (MAX_BLOB_BYTES if kind == "blob" else MAX_OTHER_BYTES):
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

    def _writing(self, write: Callable[[], object]) -> str:
        """Write an object; a full or read-only disk is ``unavailable``."""
        for attempt in range(3):
            try:
                oid = str(write())
            except (OSError, pygit2.GitError) as error:
                # gc may remove an empty fan-out folder between our mkdir and
                # our rename: a second try makes the folder again.
                if attempt < 2 and "rename" in str(error):
                    continue
                raise UnavailableError(
                    f"an object could not be written: {error}",
                    hint="check the space on the disk, and whether .git can be written here; "
                    "in a sandbox without access to .git, run gitcoord outside of it",
                ) from None
            self._fresh.append(oid)
            return oid
        raise AssertionError

    def write_blob(self, content: bytes) -> str:
        """Write a blob, synced, and return its oid."""
        return self._writing(lambda: self._repo.create_blob(content))

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
        tree = build_tree(base, changes, self.read_tree, lambda items: packed.add("tree", encode_tree(items)),
                          lambda raw: packed.add("blob", raw))  # fmt: skip
        tree = tree or packed.add("tree", b"")
        keep_pack(packed.stream())
        return tree

    def _write_items(self, items: Mapping[str, TreeItem]) -> str:
        content = encode_tree(items)
        oid = self._writing(lambda: self._repo.write(pygit2.enums.ObjectType.TREE, content))
        if len(self._trees) < MAX_CACHED_TREES:
            self._trees[oid] = dict(items)
        return oid

    def write_entry(self, tree: str, parents: tuple[str, ...], message: str, author: tuple[str, str], time: int) -> str:
        """Write a commit, synced, and return its oid; no ref moves."""
        signature = pygit2.Signature(author[0], author[1], time, 0, "utf-8")
        name, email = self._committer()
        committer = pygit2.Signature(name, email, time, 0, "utf-8")
        return self._writing(
            lambda: self._repo.create_commit(None, signature, committer, message, tree, list(parents))
        )

    def _committer(self) -> tuple[str, str]:
        try:
            own = self._repo.default_signature
        except (KeyError, pygit2.GitError):
            return "gitcoord", "gitcoord@localhost.invalid"
        return own.name, own.email

    # refs

    def swap(self, ref: str, expected: str | None, new: str, *, verify: Mapping[str, str | None] | None = None) -> None:
        """Move a ref from ``expected`` (None: must not exist) to ``new``."""
        if expected is None or verify:
            self._swap_locked(ref, expected, new, verify or {})
            return
        try:
            reference = self._repo.references[ref]
            if str(reference.target) != expected:
                raise ContendedError(ref)
            reference.set_target(new)
        except KeyError:
            raise ContendedError(ref) from None
        except (OSError, pygit2.GitError) as error:
            raise self._translated(error, ref) from None

    def _swap_locked(self, ref: str, expected: str | None, new: str, verify: Mapping[str, str | None]) -> None:
        """Swap under the locks of every ref that must not have moved.

        A transaction alone is no compare-and-swap: what counts is the value
        that is read *after* the lock is held.
        """
        wanted = {**verify, ref: expected}
        try:
            with self._repo.transaction() as transaction:
                for name in sorted(wanted):
                    transaction.lock_ref(name)
                if any(self.read_ref(name) != oid for name, oid in wanted.items()):
                    raise ContendedError(ref)
                transaction.set_target(ref, pygit2.Oid(hex=new), None, None)
            if expected is None and self._is_durable:
                self._sync_folders(ref)
        except (OSError, pygit2.GitError) as error:
            raise self._translated(error, ref) from None

    def _sync_folders(self, ref: str) -> None:
        """Sync the folders of a new ref: libgit2 syncs only the innermost."""
        folder = (self.common_dir / ref).parent
        while folder != self.common_dir:
            try:
                handle = os.open(folder, os.O_RDONLY)
            except OSError:
                return
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            folder = folder.parent

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
            if path.exists() or os.access(path.parent if path.parent.exists() else self.common_dir, os.W_OK):
                return LockedError(path)
            return UnavailableError(f"{ref} cannot be written: {text}", hint="check whether .git can be written here")
        return FailedError(f"{ref}: {text}")

    def discard(self, oid: str) -> None:
        """Remove a loose object that nothing reaches and nobody else names."""
        with suppress(OSError):
            (self._objects / oid[:2] / oid[2:]).unlink()

    def is_lost(self) -> bool:
        """Say whether an object of the last entry is gone from the disk."""
        objects = self.common_dir / "objects"
        return any(not (objects / oid[:2] / oid[2:]).exists() and oid not in self._repo for oid in self._fresh)

    def refresh(self) -> None:
        """Forget what is cached of packs and refs."""
        self._trees.clear()
        self._entries.clear()

    def close(self) -> None:
        """Give back file handles."""
        self._repo.free()
