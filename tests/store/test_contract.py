"""The contract that every store keeps, on every kind of repository."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.memory import MemoryStore
from gitcoord.store.plumbing import PlumbingStore
from gitcoord.store.protocol import BlobRef, ContendedError, LockedError, MissingObjectError, Store
from tests.support.formats import lock_of, require_reftable

REF = "refs/heads/gitcoord/ledger"
AUTHOR = ("x", "x@ledger.gitcoord.invalid")


def git(*args: str, cwd: Path) -> str:
    return subprocess.run(
        ["git", *args], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout.strip()


def opened(engine: str, common: Path) -> Store:
    if engine == "plumbing":
        return PlumbingStore(common)
    return LibgitStore(common)


ENGINES = pytest.mark.parametrize("engine", ["libgit2", "plumbing"])
KINDS = ["plain", "bare", "linked", "packed", "shallow", "split-index", "no-email"]


@pytest.fixture(
    params=[
        "memory",
        *(f"{engine}-{kind}" for engine in ("libgit2", "plumbing") for kind in KINDS),
        "plumbing-sha256",
        "plumbing-sha256-bare",
        "plumbing-partial",
        "plumbing-reftable",
        "plumbing-reftable-sha256",
    ]
)
def store(
    request: pytest.FixtureRequest, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    engine, _, kind = request.param.partition("-")
    if engine == "memory":
        yield MemoryStore(tmp_path)
        return
    common = repo / ".git"
    if kind == "bare":
        git("clone", "-q", "--bare", str(repo), str(tmp_path / "bare.git"), cwd=tmp_path)
        common = tmp_path / "bare.git"
    elif kind == "linked":
        git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), cwd=repo)
    elif kind == "packed":
        git("pack-refs", "--all", cwd=repo)
        git("gc", "-q", cwd=repo)
    elif kind == "shallow":
        git("commit", "-q", "--allow-empty", "-m", "second", cwd=repo)
        git(
            "clone", "-q", "--depth", "1", f"file://{repo}", str(tmp_path / "shallow"), cwd=tmp_path
        )
        common = tmp_path / "shallow" / ".git"
    elif kind == "split-index":
        git("update-index", "--split-index", cwd=repo)
    elif kind == "no-email":
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        git("config", "--local", "user.useConfigOnly", "true", cwd=repo)
    elif kind.startswith("sha256"):
        bare = ["--bare"] if kind.endswith("bare") else []
        git("init", "-q", *bare, "--object-format=sha256", str(tmp_path / "long"), cwd=tmp_path)
        common = tmp_path / "long" / ("" if bare else ".git")
    elif kind.startswith("reftable"):
        require_reftable()
        long = ["--object-format=sha256"] if kind.endswith("sha256") else []
        git("init", "-q", "--ref-format=reftable", *long, str(tmp_path / "tables"), cwd=tmp_path)
        common = tmp_path / "tables" / ".git"
    elif kind == "partial":
        git("config", "uploadpack.allowFilter", "true", cwd=repo)
        git(
            "clone",
            "-q",
            "--no-checkout",
            "--filter=blob:none",
            f"file://{repo}",
            str(tmp_path / "partial"),
            cwd=tmp_path,
        )
        common = tmp_path / "partial" / ".git"
    made = opened(engine, common)
    yield made
    made.close()


@pytest.fixture
def disk(engine: str, repo: Path) -> Iterator[Store]:
    made = opened(engine, repo / ".git")
    yield made
    made.close()


def entry(store: Store, text: str, *parents: str) -> str:
    tree = store.write_tree(None, {"a/b.json": text.encode()})
    return store.write_entry(tree, parents, f"{text}\n", AUTHOR, 1_700_000_000)


def test_what_is_written_is_read(store: Store) -> None:
    oid = store.write_blob(b"hello\n")
    assert store.hash_blob(b"hello\n") == oid
    assert store.read_blob(oid) == b"hello\n"
    first = entry(store, "one")
    read = store.read_entry(entry(store, "two", first))
    assert (read.parents, read.message, read.author, read.time) == (
        (first,),
        "two\n",
        "x",
        1_700_000_000,
    )
    assert not store.is_lost()


def test_a_tree_changes_only_on_the_way_to_what_changed(store: Store) -> None:
    base = store.write_tree(None, {"a/x/1": b"1", "a/y/2": b"2", "b": b"3"})
    blob = store.write_blob(b"linked")
    new = store.write_tree(base, {"a/x/1": None, "a/z/4": BlobRef(blob), "b": b"three"})
    top = store.read_tree(new)
    assert set(top) == {"a", "b"}
    below = store.read_tree(top["a"].oid)
    assert set(below) == {"y", "z"}
    assert below["y"] == store.read_tree(store.read_tree(base)["a"].oid)["y"]
    assert store.read_tree(below["z"].oid)["4"].oid == blob
    assert store.write_tree(new, {"gone/before": None, "b": b"three"}) == new
    assert store.write_tree(None, {"b": b"three", "a/y/2": b"2", "a/z/4": b"linked"}) == new


def test_missing_objects_are_said_to_be_missing(store: Store) -> None:
    for read in (store.read_entry, store.read_blob, store.read_tree):
        with pytest.raises(MissingObjectError):
            read(Oid("1" * 40))


def test_a_ref_is_created_once(store: Store) -> None:
    one, two = entry(store, "one"), entry(store, "two")
    assert store.read_ref(REF) is None
    assert not store.has_ref(REF)
    store.swap(REF, None, one)
    with pytest.raises(ContendedError):
        store.swap(REF, None, two)
    assert store.read_ref(REF) == one
    assert store.has_ref(REF)
    assert store.list_refs("refs/heads/gitcoord/") == {REF: one}


def test_a_folder_of_refs_is_not_a_ref(store: Store) -> None:
    store.swap(REF, None, entry(store, "one"))
    assert store.read_ref("refs/heads/gitcoord") is None


def test_a_swap_moves_only_from_what_was_expected(store: Store) -> None:
    one, two, three = entry(store, "one"), entry(store, "two"), entry(store, "three")
    with pytest.raises(ContendedError):
        store.swap(REF, one, two)
    store.swap(REF, None, one)
    store.swap(REF, one, two)
    with pytest.raises(ContendedError):
        store.swap(REF, one, three)
    assert store.read_ref(REF) == two


def test_a_swap_verifies_other_refs_at_the_same_moment(store: Store) -> None:
    one, two = entry(store, "one"), entry(store, "two")
    beat = "refs/gitcoord/ledger/beats/x"
    store.swap(REF, None, one)
    with pytest.raises(ContendedError):
        store.swap(REF, one, two, verify={beat: one})
    store.swap(REF, one, two, verify={beat: None})
    store.swap(beat, None, store.write_blob(b"t b 1\n"))
    with pytest.raises(ContendedError):
        store.swap(REF, two, one, verify={beat: None})
    store.swap(REF, two, one, verify={beat: store.read_ref(beat)})
    assert store.read_ref(REF) == one


def test_a_ref_is_deleted_only_where_it_is_as_expected(store: Store) -> None:
    one, two = entry(store, "one"), entry(store, "two")
    store.swap(REF, None, one)
    with pytest.raises(ContendedError):
        store.delete_ref(REF, two)
    store.delete_ref(REF, one)
    assert store.read_ref(REF) is None
    store.swap(REF, None, two)


@ENGINES
def test_packed_refs_move_too(disk: Store, repo: Path) -> None:
    store = disk
    one, two, three = entry(store, "one"), entry(store, "two"), entry(store, "three")
    store.swap(REF, None, one)
    git("pack-refs", "--all", cwd=repo)
    assert store.read_ref(REF) == one
    store.swap(REF, one, two)
    git("pack-refs", "--all", cwd=repo)
    assert store.list_refs("refs/heads/gitcoord/") == {REF: two}
    with pytest.raises(ContendedError):
        store.swap(REF, None, three)
    store.swap(REF, two, three, verify={"refs/gitcoord/ledger/beats/x": None})
    assert git("rev-parse", REF, cwd=repo) == three


@ENGINES
def test_a_lock_file_in_the_way_is_named(disk: Store, repo: Path) -> None:
    store = disk
    one, two = entry(store, "one"), entry(store, "two")
    store.swap(REF, None, one)
    lock = lock_of(repo / ".git", REF)
    lock.touch()
    for verify in (None, {"refs/gitcoord/ledger/beats/x": None}):
        with pytest.raises(LockedError) as caught:
            store.swap(REF, one, two, verify=verify)
        assert caught.value.path == lock
    assert store.read_ref(REF) == one


@ENGINES
def test_an_object_that_was_pruned_is_noticed_before_it_is_acknowledged(
    disk: Store, repo: Path
) -> None:
    store = disk
    entry(store, "one")
    assert not store.is_lost()
    git("prune", "--expire=now", cwd=repo)
    assert store.is_lost()
    entry(store, "one")
    assert not store.is_lost()


@ENGINES
def test_a_disk_that_cannot_be_written_is_unavailable(disk: Store, repo: Path) -> None:
    objects = repo / ".git" / "objects"
    objects.rename(repo / ".git" / "moved")
    objects.write_text("no folder")
    with pytest.raises(UnavailableError):
        entry(disk, "never seen before")
    objects.unlink()
    (repo / ".git" / "moved").rename(objects)
    entry(disk, "never seen before")
    assert not disk.is_lost()


@ENGINES
def test_what_is_written_is_on_the_disk_with_the_entry_and_not_before(
    disk: Store, engine: str, repo: Path
) -> None:
    blob = disk.write_blob(b"written first")
    assert disk.read_blob(blob) == b"written first"
    other = opened(engine, repo / ".git")
    with pytest.raises(MissingObjectError):
        other.read_blob(blob)
    entry(disk, "one")
    assert other.read_blob(blob) == b"written first"
    other.close()


@ENGINES
def test_many_objects_are_written_some_at_a_time(disk: Store, repo: Path) -> None:
    oids = [disk.write_blob(f"{number}\n".encode()) for number in range(200)]
    large = disk.write_blob(bytes(5 * 1024 * 1024))
    entry(disk, "one")
    listed = git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", cwd=repo).split()
    assert {*oids, large} <= set(listed)
    assert not list((repo / ".git" / "objects").glob("tmp_obj*"))
    git("fsck", "--strict", "--no-dangling", cwd=repo)
