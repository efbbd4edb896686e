"""Do what both engines do alike with a repository on the disk.

Loose objects, trees, entries and refs that are files are read and written
here, in one way. An engine says how it reads what is packed, where it finds
git's configuration, and how the refs are kept where they are not files.
"""

from __future__ import annotations

import os
from _weakref import proxy  # the module around it costs a claim time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid, is_oid
from gitcoord.host.clock import Clock
from gitcoord.store.file_refs import FileRefs, SymbolicRefError, is_logged, is_unlogged
from gitcoord.store.loose import LooseObjects, Shared
from gitcoord.store.objects import encode_commit, parse_commit
from gitcoord.store.protocol import EntryObject, MissingObjectError, TreeItem
from gitcoord.store.trees import Change, build_tree, encode_tree, parse_tree

if TYPE_CHECKING:
    from gitcoord.store.own_packs import OwnPacks

__all__ = ["NO_USER", "DiskStore", "Refs", "Wanted"]

BULK_CHANGES = 500
MAX_CACHED_TREES = 2048
MAX_CACHED_ENTRIES = 64
MIN_PACKED = 18
"""How many objects are worth a pack: those of a turn of three entries or more (decision 33)."""
MAX_PACK_CHANGES = 64

NO_USER = ("gitcoord", "gitcoord@localhost.invalid")

Wanted = Mapping[str, Oid | None]
"""The oid that each ref has to hold; None: it has to be absent."""


class Refs(Protocol):
    """The refs of a repository, however it keeps them."""

    def read(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds, through symbolic ones; None: absent."""

    def has(self, ref: str) -> bool:
        """Return whether a ref is there with its object, by the quickest way to tell."""

    def list(self, prefix: str) -> dict[str, Oid]:
        """Return every ref whose name starts with a prefix, sorted."""

    def swap(self, ref: str, wanted: Wanted, new: Oid) -> None:
        """Move a ref if every wanted one, itself among them, is as expected.

        Raises as ``Store.swap`` does, and SymbolicRefError.
        """

    def broken(self, prefix: str) -> tuple[str, ...]:
        """Return the refs of a prefix that hold no oid, where they can be broken."""

    def repair(self, ref: str, new: Oid) -> None:
        """Set a broken ref to an oid; one that is not broken is left alone."""


class DiskStore(ABC):
    """One repository. Not for use by two threads at once."""

    def __init__(
        self, common_dir: Path, algorithm: str, *, refs: Refs | None = None, is_durable: bool
    ) -> None:
        """Open it; without ``refs`` they are files."""
        self.common_dir = common_dir
        self._algorithm = algorithm
        shared = Shared(self._setting("core", "sharedrepository"))
        self._loose = LooseObjects(common_dir, algorithm, shared, is_durable=is_durable)
        self._shared = shared
        self._is_durable = is_durable
        self._packs: OwnPacks | None = None
        self._pack_folder = f"{common_dir}/objects/pack"
        self._packs_changed_ns = 0
        self._pack_changes = 0
        self._refs: Refs = refs or FileRefs(
            common_dir,
            shared,
            # No circle: a forgotten store ends its gits at once.
            partial(DiskStore._log_line, proxy(self)),
            is_durable=is_durable,
        )
        self._trees: dict[Oid, Mapping[str, TreeItem]] = {}
        self._entries: dict[Oid, EntryObject] = {}
        self._fresh: list[Oid] = []
        self._shallow: frozenset[str] | None = None

    # what an engine brings

    @abstractmethod
    def _setting(self, section: str, key: str) -> str:
        """Return a value of git's configuration, or nothing."""

    @abstractmethod
    def _identity(self) -> tuple[str, str]:
        """Return the user's name and address as a commit may hold them."""

    @abstractmethod
    def _read_packed(self, oid: Oid, kind: str) -> tuple[str, bytes]:
        """Return the kind and the bytes of an object that is not loose.

        Raises:
            MissingObjectError: It is not there, or larger than its kind may be.

        """

    @abstractmethod
    def _is_packed(self, oid: Oid) -> bool:
        """Return whether an object that is not loose is in the repository."""

    @abstractmethod
    def _reopen(self) -> None:
        """Forget which packs there were."""

    @abstractmethod
    def _keep_pack(self, stream: bytes) -> None:
        """Store a pack, synced."""

    # reading

    def read_ref(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds now, or None where it is absent."""
        return self._refs.read(ref)

    def has_ref(self, ref: str) -> bool:
        """Return whether a ref is there with its object, by the quickest way to tell."""
        return self._refs.has(ref)

    def list_refs(self, prefix: str) -> dict[str, Oid]:
        """Return every ref whose name starts with ``prefix``."""
        return self._refs.list(prefix)

    def broken_refs(self, prefix: str) -> tuple[str, ...]:
        """Return every ref whose name starts with ``prefix`` and that holds no oid."""
        return self._refs.broken(prefix)

    def _raw(self, oid: Oid, kind: str) -> bytes:
        """Return the bytes of an object of a kind, loose or packed."""
        found = self._loose.read(oid)
        if found is None:
            self._forget_old_packs()
            found = self._read_packed(oid, kind)
        actual_kind, content = found
        if actual_kind != kind:
            raise MissingObjectError(f"{oid} is not a {kind}")
        return content

    def _forget_old_packs(self) -> None:
        """Open the packs anew after they have changed often.

        Whoever reads packs keeps each that it ever saw, one that was merged into
        another long ago too, and looks into it for each object that it does not find.
        """
        with suppress(FileNotFoundError):
            changed_ns = os.stat(self._pack_folder).st_mtime_ns
            if changed_ns != self._packs_changed_ns:
                self._packs_changed_ns = changed_ns
                self._pack_changes += 1
        if self._pack_changes > MAX_PACK_CHANGES:
            self._pack_changes = 0
            self._reopen()

    def read_entry(self, oid: Oid) -> EntryObject:
        """Read a commit."""
        known = self._entries.get(oid)
        if known is None:
            known = parse_commit(oid, self._raw(oid, "commit"))
            if known.parents and oid in self._shallow_lines():
                known = self._cut(known)
            if len(self._entries) >= MAX_CACHED_ENTRIES:
                self._entries.clear()
            self._entries[oid] = known
        return known

    def _cut(self, entry: EntryObject) -> EntryObject:
        """Return an entry without parents that are not here.

        Anybody can write a line of ``shallow``: it counts where a parent is really missing.
        """
        if all(map(self._has, entry.parents)):
            return entry
        return entry._replace(parents=(), is_cut=True)

    def _shallow_lines(self) -> frozenset[str]:
        if self._shallow is None:
            self._shallow = frozenset()
            with suppress(OSError):
                text = (self.common_dir / "shallow").read_text("ascii", "replace")
                self._shallow = frozenset(text.split())
        return self._shallow

    def cut_entries(self) -> frozenset[Oid]:
        """Return the commits that the histories of a shallow clone begin with."""
        found = set()
        for line in filter(is_oid, self._shallow_lines()):
            with suppress(MissingObjectError):
                if self.read_entry(Oid(line)).is_cut:
                    found.add(Oid(line))
        return frozenset(found)

    def read_blob(self, oid: Oid) -> bytes:
        """Read a blob."""
        return self._raw(oid, "blob")

    def read_tree(self, oid: Oid) -> Mapping[str, TreeItem]:
        """Read one level of a tree."""
        known = self._trees.get(oid)
        if known is None:
            try:
                known = parse_tree(self._raw(oid, "tree"), len(oid) // 2)
            except ValueError as error:
                raise MissingObjectError(f"{oid} is not a tree that can be read: {error}") from None
            self._remember(oid, known)
        return known

    def _remember(self, oid: Oid, items: Mapping[str, TreeItem]) -> None:
        if len(self._trees) >= MAX_CACHED_TREES:
            self._trees.clear()
        self._trees[oid] = items

    def hash_blob(self, content: bytes) -> Oid:
        """Return the oid that a blob would have; writes nothing."""
        return self._loose.hash("blob", content)

    # writing

    def _write(self, kind: str, content: bytes) -> Oid:
        oid = self._loose.write(kind, content)
        self._fresh.append(oid)
        return oid

    def write_blob(self, content: bytes) -> Oid:
        """Write a blob, synced, and return its oid."""
        return self._write("blob", content)

    def write_tree(
        self, base: Oid | None, changes: Mapping[str, Change], *, is_further: bool = False
    ) -> Oid:
        """Write ``base`` with paths changed (None: removed); return the tree."""
        if not is_further:
            self._fresh.clear()
        if len(changes) >= BULK_CHANGES:
            return self._write_packed_tree(base, changes)
        written: dict[bytes, Oid] = {}

        def write_blob(content: bytes) -> Oid:
            if content not in written:
                written[content] = self.write_blob(content)
            return written[content]

        tree = build_tree(base, changes, self.read_tree, self._write_items, write_blob)
        return tree or self._write_items({})

    def _write_packed_tree(self, base: Oid | None, changes: Mapping[str, Change]) -> Oid:
        from gitcoord.store.packs import PackedObjects

        packed = PackedObjects(self._algorithm)

        def add_tree(items: Mapping[str, TreeItem]) -> Oid:
            return packed.add("tree", encode_tree(items))

        def add_blob(content: bytes) -> Oid:
            return packed.add("blob", content)

        tree = build_tree(base, changes, self.read_tree, add_tree, add_blob)
        tree = tree or packed.add("tree", b"")
        self._keep_pack(packed.stream())
        return tree

    def _write_items(self, items: Mapping[str, TreeItem]) -> Oid:
        oid = self._write("tree", encode_tree(items))
        self._remember(oid, dict(items))
        return oid

    def committer(self) -> tuple[str, str]:
        """Return the name and the address that commits of this user carry."""
        return self._identity()

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
        """Write a commit, and return its oid; no ref moves."""
        user = committer or self._identity()
        content = encode_commit(tree, parents, author, user, time, message)
        oid = self._write("commit", content)
        if is_synced:
            self.sync()
        return oid

    def sync(self) -> None:
        """Put every object that was written on the disk, where other programs find it.

        Many are one pack, if there are not too many packs already.
        """
        waiting = self._loose.waiting
        if len(waiting) >= MIN_PACKED and self._own_packs().write(waiting):
            self._loose.forget_waiting()
        self._loose.sync()

    def _own_packs(self) -> OwnPacks:
        """Return what writes our packs: a claim alone writes none, and does without it."""
        if self._packs is None:
            from gitcoord.store.own_packs import OwnPacks

            self._packs = OwnPacks(
                self.common_dir, self._algorithm, self._shared, is_durable=self._is_durable
            )
        return self._packs

    # refs

    def swap(
        self, ref: str, expected: Oid | None, new: Oid, *, verify: Wanted | None = None
    ) -> None:
        """Move a ref from ``expected`` (None: must not exist) to ``new``."""
        self.sync()
        if new not in self._packed() and not self._is_there(new):
            raise MissingObjectError(f"{ref} cannot move to {new}, which is not in this repository")
        wanted = {**(verify or {}), ref: expected}
        try:
            self._refs.swap(ref, wanted, new)
        except SymbolicRefError as error:
            self._swap_symbolic(ref, wanted, new, str(error))
        self._release_pack()

    def repair_ref(self, ref: str, new: Oid) -> None:
        """Set a broken ref to an oid; one that is not broken is left alone."""
        self.sync()
        self._refs.repair(ref, new)

    def _swap_symbolic(self, ref: str, wanted: Wanted, new: Oid, symbolic: str) -> None:
        """Move a ref where it, or one that is verified, is symbolic."""
        raise UnavailableError(
            f"{symbolic} is a symbolic ref, which this engine does not move",
            hint="set GITCOORD_ENGINE=plumbing: that engine can",
        )

    def _log_line(self, ref: str, has_log: bool) -> str | None:
        """Return what follows the oids in a reflog; None where there is none."""
        if is_unlogged(ref):
            return None
        if not has_log:
            asked = self._setting("core", "logallrefupdates")
            if not is_logged(ref, asked, self._setting("core", "bare")):
                return None
        name, email = self._identity()
        return f"{name} <{email}> {Clock().seconds()} +0000"

    # the disk

    def discard(self, oid: Oid) -> None:
        """Remove a loose object that nothing reaches and nobody else names."""
        with suppress(OSError):
            os.unlink(self._loose.path(oid))

    def _has(self, oid: Oid) -> bool:
        return os.path.exists(self._loose.path(oid)) or self._is_packed(oid)

    def _is_there(self, oid: Oid) -> bool:
        """Return whether an object is here, or was lent by another repository meanwhile.

        libgit2 looks for such a one (``objects/info/alternates``) when it opens ours.
        """
        if self._has(oid):
            return True
        self._reopen()
        return self._has(oid)

    def is_lost(self) -> bool:
        """Return whether an object of what was written last is gone from the disk."""
        packed = self._packed()
        return any(oid not in packed and not self._has(oid) for oid in self._fresh)

    def _packed(self) -> frozenset[Oid]:
        """Return what stands in the newest pack of ours."""
        if self._packs is None:
            return frozenset()
        return self._packs.standing()

    def _release_pack(self) -> None:
        """Keep our newest pack no longer, since a ref reaches it, or we end."""
        if self._packs is not None:
            self._packs.release()

    def close(self) -> None:
        """Keep no pack any longer; an engine closes its handles too."""
        self._release_pack()

    def refresh(self) -> None:
        """Forget what is cached of packs and refs."""
        self._trees.clear()
        self._entries.clear()
        self._shallow = None
