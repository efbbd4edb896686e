"""What both engines do alike with a repository on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.store import disk_store
from gitcoord.store.disk_store import BULK_CHANGES, DiskStore
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.plumbing import PlumbingStore
from gitcoord.store.protocol import MissingObjectError
from tests.support.world import git

REF = "refs/heads/gitcoord/x"


@pytest.fixture(params=[LibgitStore, PlumbingStore], ids=["libgit2", "plumbing"])
def store(request: pytest.FixtureRequest, repo: Path) -> Iterator[DiskStore]:
    git("config", "user.name", "Local", cwd=repo)
    git("config", "user.email", "local@example.invalid", cwd=repo)
    made: DiskStore = request.param(repo / ".git")
    yield made
    made.close()


def entry(store: DiskStore, tree: str) -> str:
    return store.write_entry(tree, (), "m\n", ("x", "x@x"), 1_700_000_000)


def packs(repo: Path) -> list[Path]:
    return list((repo / ".git" / "objects" / "pack").glob("*.pack"))


def test_a_ref_does_not_move_to_what_is_not_there(store: DiskStore) -> None:
    with pytest.raises(MissingObjectError, match="not in this repository"):
        store.swap(REF, None, "1" * 40)
    assert store.read_ref(REF) is None


@pytest.mark.parametrize(("count", "is_packed"), [(BULK_CHANGES - 1, False), (BULK_CHANGES, True)])
def test_many_changes_are_one_pack_and_the_same_tree(
    store: DiskStore, repo: Path, count: int, is_packed: bool
) -> None:
    base = store.write_tree(None, {"kept": b"x", "0/0": b"old"})
    changes = {f"{number % 7}/{number}": f"{number}".encode() for number in range(count)}
    tree = store.write_tree(base, changes)
    assert len(packs(repo)) == is_packed
    store.swap(REF, None, entry(store, tree))
    listed = git("ls-tree", "-r", "--name-only", REF, cwd=repo).splitlines()
    assert sorted(listed) == sorted(["kept", *changes])
    assert git("cat-file", "-p", f"{REF}:0/0", cwd=repo) == "0"
    git("fsck", "--strict", "--no-dangling", cwd=repo)


def test_removing_everything_leaves_the_empty_tree(store: DiskStore, repo: Path) -> None:
    empty = git("hash-object", "-t", "tree", "/dev/null", cwd=repo)
    names = [f"{number}" for number in range(BULK_CHANGES)]
    tree = store.write_tree(None, dict.fromkeys(names, b"x"))
    assert store.write_tree(tree, dict.fromkeys(names)) == empty
    assert store.write_tree(None, {}) == empty


def test_caches_are_bounded_and_forget_nothing_that_can_be_read(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_store, "MAX_CACHED_TREES", 3)
    monkeypatch.setattr(disk_store, "MAX_CACHED_ENTRIES", 3)
    trees = [store.write_tree(None, {"a": bytes([number])}) for number in range(9)]
    entries = [entry(store, tree) for tree in trees]
    for tree, one in zip(trees, entries, strict=True):
        assert store.read_entry(one).tree == tree
        assert list(store.read_tree(tree)) == ["a"]
    assert len(store._trees) <= 3
    assert len(store._entries) <= 3


def test_a_moved_branch_has_a_reflog_that_git_reads_and_refs_of_ours_have_none(
    store: DiskStore, repo: Path
) -> None:
    one = entry(store, store.write_tree(None, {"a": b"1"}))
    two = entry(store, store.write_tree(None, {"a": b"2"}))
    for ref in (REF, "refs/gitcoord/x/beats/y"):
        store.swap(ref, None, one)
        store.swap(ref, one, two)
    assert git("rev-parse", f"{REF}@{{1}}", cwd=repo) == one
    assert git("log", "-g", "-1", "--format=%gn <%ge>", REF, cwd=repo) == (
        "Local <local@example.invalid>"
    )
    assert not (repo / ".git" / "logs" / "refs" / "gitcoord").exists()


def test_what_is_discarded_is_gone_where_it_lies_loose(store: DiskStore, repo: Path) -> None:
    oid = store.write_blob(b"beat")
    store.swap("refs/gitcoord/x/beats/y", None, oid)
    store.discard(oid)
    store.discard(oid)
    assert not (repo / ".git" / "objects" / oid[:2] / oid[2:]).exists()
