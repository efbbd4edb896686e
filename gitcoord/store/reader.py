"""Serve a snapshot the files of one entry's tree, read when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.ids import NO_OID, Oid
from gitcoord.core.layout import SETTINGS
from gitcoord.core.model import MAX_PLAN_BYTES, MAX_RECORD_BYTES
from gitcoord.core.records import problem_of, shape_at
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.version import require_readable
from gitcoord.store.protocol import MissingObjectError, Store, TreeItem

__all__ = ["RecordCache", "TreeReader", "open_snapshot"]

MAX_KNOWN = 256
"""How many records of one tree are found again by their path alone: one decision asks for few."""


class RecordCache:
    """Remember parsed records by their path's shape and their blob, up to a number."""

    __slots__ = ("_max_records", "_records", "readable")

    def __init__(self, max_records: int = 4096) -> None:
        self.readable: set[Oid] = set()
        """The ledger's settings that were found to be whole, and not of a newer gitcoord."""
        self._max_records = max_records
        self._records: dict[tuple[object, Oid], Any] = {}

    def get(self, path: str, oid: Oid) -> Any | None:
        """Return a record that was read before, and found to fit where it is read now."""
        return self._records.get((shape_at(path), oid))

    def put(self, path: str, oid: Oid, record: object) -> None:
        """Keep a record; the oldest half goes when the cache is full."""
        if len(self._records) >= self._max_records:
            for old in list(self._records)[: self._max_records // 2]:
                del self._records[old]
        self._records[shape_at(path), oid] = record


class TreeReader:
    """Read records of one tree; folders are read once, records cached."""

    __slots__ = ("_cache", "_folders", "_known", "_oid", "_store")

    def __init__(self, store: Store, tree: Oid | None, oid: Oid, cache: RecordCache) -> None:
        self._store = store
        self._oid = oid
        self._cache = cache
        self._folders: dict[str, Mapping[str, TreeItem] | None] = {}
        self._known: dict[str, Any] = {}
        if tree is None:
            self._folders[""] = {}
        else:
            self._folders[""] = self._tree(tree)

    def _tree(self, oid: Oid) -> Mapping[str, TreeItem]:
        try:
            return self._store.read_tree(oid)
        except MissingObjectError as error:
            raise CorruptError(
                f"a tree of the ledger is missing: {error}", entry=self._oid
            ) from None

    def _folder(self, folder: str) -> Mapping[str, TreeItem] | None:
        if folder not in self._folders:
            item = self._item(folder)
            self._folders[folder] = None
            if item is not None and item.is_tree:
                self._folders[folder] = self._tree(item.oid)
        return self._folders[folder]

    def _item(self, path: str) -> TreeItem | None:
        """Return what a path leads to, a folder or a file."""
        folder, _, name = path.rpartition("/")
        return (self._folder(folder) or {}).get(name)

    def record(self, path: str) -> Any | None:
        """Return the parsed record at a path, or None where there is none."""
        known = self._known.get(path)
        if known is None:
            known = self._read(path)
            if len(self._known) < MAX_KNOWN:
                self._known[path] = known
        return known

    def _read(self, path: str) -> Any | None:
        item = self._item(path)
        if item is None or item.is_tree:
            return None
        record = self._cache.get(path, item.oid)
        if record is None:
            what = f"{path} of entry {self._oid[:12]}"
            record = codec.load(self.blob(item.oid), _max_bytes(path), what)
            problem = problem_of(path, record)
            if problem:
                raise CorruptError(
                    f"{what} is not a record: {problem}",
                    entry=self._oid,
                    hint="`gitcoord verify` names the first illegal entry",
                )
            self._cache.put(path, item.oid, record)
        return record

    def require_settings(self) -> None:
        """Check the ledger's own settings, once for each content that they have.

        Raises:
            CorruptError: They are damaged.
            RefusedError: The ledger needs a newer gitcoord.

        """
        item = self._item(SETTINGS)
        if item is not None and item.oid in self._cache.readable:
            return
        settings = self.record(SETTINGS)
        require_readable(settings, self._oid)
        problem = problem_of("settings", settings)
        if problem:
            raise CorruptError(
                f"settings.json of entry {self._oid[:12]} is damaged: {problem}", entry=self._oid
            )
        if item is not None:
            self._cache.readable.add(item.oid)

    def file(self, path: str) -> bytes | None:
        """Return the bytes at a path, or None where there is nothing."""
        item = self._item(path)
        if item is None or item.is_tree:
            return None
        return self.blob(item.oid)

    def names(self, folder: str) -> list[str]:
        """List the names in a folder, sorted; empty where there is none."""
        return sorted(self._folder(folder) or ())

    def blob(self, oid: Oid) -> bytes:
        """Return a blob that an event names."""
        try:
            return self._store.read_blob(oid)
        except MissingObjectError as error:
            raise CorruptError(
                f"a blob of the ledger is missing: {error}", entry=self._oid
            ) from None


def _max_bytes(path: str) -> int:
    """Return how large the record at a path may be."""
    folder = path.rpartition("/")[0]
    if folder in {"inputs", "landings"}:
        return MAX_PLAN_BYTES * 2
    return MAX_RECORD_BYTES * 4


def open_snapshot(store: Store, oid: Oid | None, cache: RecordCache) -> Snapshot:
    """Open the state as of an entry; None is the state before ``init``.

    Raises:
        CorruptError: Objects are missing.
        RefusedError: The ledger needs a newer gitcoord.

    """
    if oid is None:
        return Snapshot(TreeReader(store, None, NO_OID, cache))
    try:
        entry = store.read_entry(oid)
    except MissingObjectError as error:
        raise CorruptError(f"entry {oid[:12]} is missing: {error}", entry=oid) from None
    reader = TreeReader(store, entry.tree, oid, cache)
    reader.require_settings()
    return Snapshot(reader, oid)
