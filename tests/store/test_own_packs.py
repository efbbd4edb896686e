"""Many objects at once are one pack: read at once, kept until a ref reaches it, never too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.ids import Oid
from gitcoord.git.maintenance import merge_packs
from gitcoord.git.pack_folder import KEEP, MARK, pack_folder
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.store import disk_store
from gitcoord.store.disk_store import MIN_PACKED, DiskStore
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.own_packs import MAX_PACKS
from gitcoord.store.plumbing import PlumbingStore
from tests.support.formats import is_for_libgit2
from tests.support.world import git

REF = "refs/heads/gitcoord/x"
ENGINES = [LibgitStore, PlumbingStore] if is_for_libgit2 else [PlumbingStore]


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, repo: Path) -> Iterator[DiskStore]:
    made: DiskStore = request.param(discover(repo).common_dir)
    yield made
    made.close()


def turn(store: DiskStore, number: int, parent: Oid | None = None) -> Oid:
    """Write as many objects as make a pack, synced; return the entry above them."""
    changes = {f"{at % 7}/{at}": f"{number} {at}\n".encode() * 9 for at in range(MIN_PACKED)}
    tree = store.write_tree(None, changes)
    parents = (parent,) if parent else ()
    return store.write_entry(tree, parents, f"turn {number}\n", ("x", "x@x"), 1_700_000_000)


def published(store: DiskStore, number: int) -> Oid:
    tip = store.read_ref(REF)
    entry = turn(store, number, tip)
    store.swap(REF, tip, entry)
    return entry


def own(repo: Path, end: str) -> list[Path]:
    return sorted((repo / ".git/objects/pack").glob(f"{MARK}*{end}"))


def is_whole(repo: Path, number: int, entry: Oid) -> bool:
    return git("cat-file", "-p", f"{entry}:3/3", cwd=repo) == "\n".join([f"{number} 3"] * 9)


def test_it_is_read_at_once_by_git_and_by_each_engine(store: DiskStore, repo: Path) -> None:
    readers: list[DiskStore] = [engine(repo / ".git") for engine in ENGINES]
    first = published(store, 0)
    for reader in readers:
        reader.read_entry(first)
    entry = published(store, 1)
    assert len(own(repo, ".pack")) == len(own(repo, ".idx")) == 2
    assert not list((repo / ".git/objects" / entry[:2]).glob(entry[2:])), "it is loose as well"
    for reader in (store, *readers):
        tree = reader.read_tree(reader.read_entry(entry).tree)
        (blob,) = (item.oid for item in [reader.read_tree(tree["3"].oid)["3"]])
        assert reader.read_blob(blob) == b"1 3\n" * 9
    for reader in readers:
        reader.close()
    git("fsck", "--strict", "--no-dangling", cwd=repo)
    for index in own(repo, ".idx"):
        git("verify-pack", str(index), cwd=repo)


@pytest.mark.parametrize("words", [["repack", "-a", "-d", "-q"], ["gc", "-q", "--prune=now"]])
def test_a_repack_that_sees_no_ref_to_it_leaves_it(
    store: DiskStore, repo: Path, words: list[str]
) -> None:
    entry = turn(store, 0)
    assert len(own(repo, KEEP)) == 1
    git(*words, cwd=repo)
    assert not store.is_lost()
    store.swap(REF, None, entry)
    assert own(repo, KEEP) == []
    git(*words, cwd=repo)
    assert own(repo, ".pack") == [], "git may pack it anew as soon as a ref reaches it"
    assert not store.is_lost()
    assert is_whole(repo, 0, entry)


def test_what_was_taken_away_is_noticed_and_written_again(store: DiskStore, repo: Path) -> None:
    entry = turn(store, 0)
    for path in own(repo, ""):
        path.unlink()
    assert store.is_lost()
    assert turn(store, 0) == entry
    assert not store.is_lost()
    store.swap(REF, None, entry)
    assert is_whole(repo, 0, entry)


def test_there_is_never_one_too_many(store: DiskStore, repo: Path) -> None:
    for number in range(MAX_PACKS + 3):
        assert is_whole(repo, number, published(store, number))
    assert len(own(repo, ".pack")) == MAX_PACKS
    assert merge_packs(Git(repo)) >= MAX_PACKS - 10
    published(store, MAX_PACKS + 3)
    assert len(own(repo, ".pack")) < MAX_PACKS
    git("fsck", "--strict", "--no-dangling", cwd=repo)


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_who_reads_for_long_keeps_few_packs_open(
    store: DiskStore, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_store, "MAX_PACK_CHANGES", 8)
    engine: Any = type(store)
    reader: DiskStore = engine(repo / ".git")
    before, most = open_files(), 0
    for number in range(48):
        entry = published(store, number)
        if number % 16 == 15:
            merge_packs(Git(repo))
        tree = reader.read_tree(reader.read_entry(entry).tree)
        assert len(reader.read_tree(tree["3"].oid)) == MIN_PACKED // 7 + 1
        most = max(most, open_files())
    assert most - before < 24
    reader.close()


@pytest.mark.parametrize("shared", ["umask", "group", "all", "0640"])
def test_files_are_shared_as_git_shares_them(repo: Path, shared: str) -> None:
    git("config", "core.sharedRepository", shared, cwd=repo)
    git("repack", "-q", cwd=repo)
    (theirs,) = pack_folder(repo / ".git").glob("pack-*.pack")
    store = PlumbingStore(repo / ".git")
    turn(store, 0)
    (ours,) = own(repo, ".pack")
    for end in (".pack", ".idx"):
        expected = theirs.with_suffix(end).stat().st_mode
        assert oct(ours.with_suffix(end).stat().st_mode) == oct(expected)
    store.close()


def test_where_no_pack_can_be_written_objects_are_loose(store: DiskStore, repo: Path) -> None:
    (repo / ".git/objects/pack").rmdir()
    (repo / ".git/objects/pack").write_text("not a folder\n")
    entry = published(store, 0)
    assert is_whole(repo, 0, entry)
    assert store.read_entry(entry).oid == entry
    assert (repo / ".git/objects/pack").read_text() == "not a folder\n"


def test_a_folder_for_packs_is_made(store: DiskStore, repo: Path) -> None:
    (repo / ".git/objects/pack").rmdir()
    assert is_whole(repo, 0, published(store, 0))
    assert len(own(repo, ".pack")) == 1
