"""The files of an entry, read when asked for; what is missing is named."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.ids import Oid
from gitcoord.core.layout import agent_path, task_path
from gitcoord.core.snapshot import Snapshot
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.memory import MemoryStore
from gitcoord.store.protocol import MissingObjectError, TreeItem
from gitcoord.store.reader import RecordCache, TreeReader, open_snapshot
from tests.support.builders import PureLedger, tasks
from tests.support.formats import needs_libgit2


@needs_libgit2
def test_a_tree_that_git_would_not_write_is_missing(repo: Path) -> None:
    store = LibgitStore(repo / ".git")
    content = b"tree 10\x00100644 a\0x"
    oid = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    path = repo / ".git" / "objects" / oid[:2] / oid[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(content))
    with pytest.raises(MissingObjectError):
        store.read_tree(oid)
    with pytest.raises(CorruptError):
        Snapshot(TreeReader(store, oid, "", RecordCache())).settings()


PATH = task_path("b")


class Counting(MemoryStore):
    """A store that notes what is read."""

    def __init__(self, common_dir: Path) -> None:
        super().__init__(common_dir)
        self.read: list[Oid] = []

    def read_tree(self, oid: Oid) -> Mapping[str, TreeItem]:
        self.read.append(oid)
        return super().read_tree(oid)

    def read_blob(self, oid: Oid) -> bytes:
        self.read.append(oid)
        return super().read_blob(oid)


def filled(tmp_path: Path) -> tuple[Counting, Oid]:
    """Write the entry of a ledger with one task."""
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("b"))
    store = Counting(tmp_path)
    tree = store.write_tree(None, dict(pure.files))
    store.read.clear()
    return store, store.write_entry(tree, (), "x", ("x", "x"), 1)


def test_each_folder_and_each_record_is_read_once(tmp_path: Path) -> None:
    store, entry = filled(tmp_path)
    cache = RecordCache()
    for _ in range(2):
        snapshot = open_snapshot(store, entry, cache)
        reader = TreeReader(store, store.read_entry(entry).tree, entry, cache)
        for _ in range(2):
            assert (reader.record(PATH) or {})["id"] == "b"
            assert reader.names(PATH.rpartition("/")[0]) == ["b.json"]
    assert snapshot.settings()["ledger"] == "ledger"
    blobs = [oid for oid in store.read if store.objects[oid][0] == "blob"]
    assert len(blobs) == len(set(blobs)) == 2


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    store, entry = filled(tmp_path)
    reader = TreeReader(store, store.read_entry(entry).tree, entry, RecordCache())
    for path in (
        PATH.replace("b.json", "c.json"),
        PATH.rpartition("/")[0],
        "no/where.json",
        "settings.json/x",
    ):
        assert reader.record(path) is None
        assert reader.file(path) is None
    assert reader.names("no/where") == []
    assert codec.load(reader.file(PATH) or b"", 1 << 20, PATH) == reader.record(PATH)


def test_a_missing_object_names_the_entry(tmp_path: Path) -> None:
    store, entry = filled(tmp_path)
    for oid, (kind, _) in list(store.objects.items()):
        if kind == "blob":
            del store.objects[oid]
    reader = TreeReader(store, store.read_entry(entry).tree, entry, RecordCache())
    with pytest.raises(CorruptError, match="a blob of the ledger is missing") as caught:
        reader.record(PATH)
    assert caught.value.facts["entry"] == entry
    with pytest.raises(CorruptError, match=f"entry {'1' * 12} is missing"):
        open_snapshot(store, "1" * 40, RecordCache())


def test_one_blob_in_two_places_has_to_fit_in_both(tmp_path: Path) -> None:
    pure = PureLedger()
    pure.init()
    pure.agent("x")
    store, agent = MemoryStore(tmp_path), agent_path("x")
    tree = store.write_tree(None, {**pure.files, PATH: pure.files[agent]})
    reader = TreeReader(store, tree, "1" * 40, RecordCache())
    assert (reader.record(agent) or {})["id"] == "x"
    with pytest.raises(CorruptError, match="is not a record"):
        reader.record(PATH)


def test_before_the_first_entry_there_is_nothing(tmp_path: Path) -> None:
    snapshot = open_snapshot(MemoryStore(tmp_path), None, RecordCache())
    assert snapshot.record("settings.json") is None


def test_a_full_cache_forgets_the_oldest_half() -> None:
    cache = RecordCache(max_records=4)
    for number in range(5):
        cache.put("notes", str(number), {"n": number})
    assert [cache.get("notes", str(number)) is not None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
