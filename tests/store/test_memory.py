"""A store without a disk: told of each call before it acts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.ids import Oid
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.memory import MemoryStore
from gitcoord.store.protocol import ContendedError, MissingObjectError
from tests.support.formats import needs_libgit2

REF = "refs/heads/x"


class StoppedError(Exception):
    """Raised when a writer is stopped before a call."""


def entry(store: MemoryStore, text: bytes = b"x") -> str:
    return store.write_entry(store.write_tree(None, {"a": text}), (), "m\n", ("x", "x@x"), 1)


def test_every_step_of_a_writer_is_announced_before_it_is_made(tmp_path: Path) -> None:
    seen: list[tuple[str, str | None]] = []
    store = MemoryStore(tmp_path)
    store.on_call = lambda name: seen.append((name, store.refs.get(REF)))
    one = entry(store)
    store.swap(REF, None, one)
    store.read_ref(REF)
    store.delete_ref(REF, one)
    assert seen == [
        ("write_tree", None),
        ("write_blob", None),
        ("write_entry", None),
        ("swap", None),
        ("swapped", one),
        ("read_ref", one),
        ("delete_ref", one),
    ]


def test_a_writer_that_is_stopped_before_the_swap_has_changed_nothing(tmp_path: Path) -> None:
    def stop(name: str) -> None:
        if name == "swap":
            raise StoppedError

    store = MemoryStore(tmp_path)
    one = entry(store)
    store.on_call = stop
    with pytest.raises(StoppedError):
        store.swap(REF, None, one)
    assert store.refs == {}


def test_another_that_acts_first_is_seen_by_the_swap(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    one, two = entry(store), entry(store, b"y")

    def be_first(_name: str) -> None:
        store.refs[REF] = Oid(two)

    store.on_call = be_first
    with pytest.raises(ContendedError):
        store.swap(REF, None, one)
    assert store.refs == {REF: two}


@needs_libgit2
def test_trees_and_blobs_have_the_oids_of_a_real_store(tmp_path: Path, repo: Path) -> None:
    memory, disk = MemoryStore(tmp_path), LibgitStore(repo / ".git")
    changes = {"a/b.json": b"{}", "a.json": b"1", "c/d/e": b"\0"}
    assert memory.write_tree(None, changes) == disk.write_tree(None, changes)
    assert memory.hash_blob(b"x") == disk.hash_blob(b"x") == memory.write_blob(b"x")


def test_what_was_discarded_is_missing(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    oid = store.write_blob(b"x")
    store.discard(oid)
    store.discard(oid)
    with pytest.raises(MissingObjectError):
        store.read_blob(oid)
    with pytest.raises(MissingObjectError):
        store.swap(REF, None, oid)
