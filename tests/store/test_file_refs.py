"""Refs that are files: what is broken is told, passed over in lists, and mended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitcoord.core.errors import CorruptError, UnavailableError
from gitcoord.store.file_refs import FileRefs, SymbolicRefError, is_logged, is_unlogged
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.loose import Shared
from gitcoord.store.plumbing import PlumbingStore
from gitcoord.store.protocol import ContendedError, FailedError, LockedError, Store
from tests.support.formats import needs_ref_files
from tests.support.world import git

pytestmark = needs_ref_files

PREFIX = "refs/gitcoord/l/"
REF = PREFIX + "beats/x"
BROKEN = {
    "empty": b"",
    "cut off": b"0123456789",
    "bytes": b"\xff\x00" * 30,
    "oid and more": b"1" * 41,
}


@pytest.fixture(params=["libgit2", "plumbing"])
def store(request: pytest.FixtureRequest, repo: Path) -> Store:
    return (LibgitStore if request.param == "libgit2" else PlumbingStore)(repo / ".git")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_ref_is_told_passed_over_and_mended(store: Store, repo: Path, kind: str) -> None:
    oid = store.write_blob(b"one")
    store.swap(PREFIX + "beats/whole", None, oid)
    store.swap(REF, None, oid)
    (repo / ".git" / REF).write_bytes(BROKEN[kind])
    with pytest.raises(CorruptError, match="is broken"):
        store.read_ref(REF)
    assert store.list_refs(PREFIX) == {PREFIX + "beats/whole": oid}
    assert store.broken_refs(PREFIX) == (REF,)
    store.repair_ref(REF, oid)
    assert store.read_ref(REF) == oid
    assert store.broken_refs(PREFIX) == ()


def test_a_ref_that_is_whole_is_not_mended(store: Store) -> None:
    one, other = store.write_blob(b"one"), store.write_blob(b"other")
    store.swap(REF, None, one)
    store.repair_ref(REF, other)
    assert store.read_ref(REF) == one


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device"])
def test_what_would_never_end_in_a_refs_place_is_a_broken_ref(
    store: Store, repo: Path, kind: str
) -> None:
    path = repo / ".git" / REF
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(repo / "pipe")
        path.symlink_to(repo / "pipe")
    with pytest.raises(CorruptError):
        store.read_ref(REF)
    assert store.list_refs(PREFIX) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_ref_that_cannot_be_read_is_unavailable_and_not_damage(store: Store, repo: Path) -> None:
    store.swap(REF, None, store.write_blob(b"one"))
    (repo / ".git" / REF).chmod(0)
    with pytest.raises(UnavailableError):
        store.read_ref(REF)


LINE = "x <x@example.invalid> 1 +0000"


def opened(repo: Path, *, log: str | None = None) -> FileRefs:
    return FileRefs(repo / ".git", Shared(), lambda _ref, _has_log: log, is_durable=True)


def head(repo: Path) -> str:
    return git("rev-parse", "HEAD", cwd=repo)


def another(repo: Path) -> str:
    return git("commit-tree", "HEAD^{tree}", "-m", "another", cwd=repo)


def move(refs: FileRefs, ref: str, old: str | None, new: str, **more: str | None) -> None:
    wanted: Mapping[str, str | None] = {**more, ref: old}
    refs.swap(ref, wanted, new)


def locks(repo: Path) -> list[Path]:
    return list((repo / ".git").rglob("*.lock"))


def test_a_symbolic_ref_is_followed(repo: Path) -> None:
    refs = opened(repo)
    git("symbolic-ref", "refs/heads/one", "refs/heads/two", cwd=repo)
    assert refs.read("HEAD") == head(repo)
    assert refs.read("refs/heads/one") is None
    git("symbolic-ref", "refs/heads/two", "refs/heads/main", cwd=repo)
    assert refs.read("refs/heads/one") == head(repo)


def test_a_symbolic_ref_that_leads_to_itself_is_corrupt(repo: Path) -> None:
    (repo / ".git" / "refs" / "heads" / "loop").write_text("ref: refs/heads/loop\n")
    with pytest.raises(CorruptError, match="leads to itself"):
        opened(repo).read("refs/heads/loop")


def test_packed_and_loose_refs_are_one_list_and_the_loose_value_counts(repo: Path) -> None:
    old, new = head(repo), another(repo)
    for name in ("task/a", "task/b", "tasks"):
        git("update-ref", f"refs/heads/{name}", old, cwd=repo)
    git("tag", "-a", "-m", "x", "v1", cwd=repo)
    git("pack-refs", "--all", cwd=repo)
    git("update-ref", "refs/heads/task/a", new, cwd=repo)
    git("update-ref", "refs/heads/task/c", new, cwd=repo)
    (repo / ".git" / "refs" / "heads" / "task" / "d.lock").touch()
    refs = opened(repo)
    assert refs.list("refs/heads/task/") == {
        "refs/heads/task/a": new,
        "refs/heads/task/b": old,
        "refs/heads/task/c": new,
    }
    assert refs.list("refs/none/") == {}
    assert refs.read("refs/heads/task") is None
    assert refs.read("refs/heads/tas") is None


def test_a_ref_moves_only_from_what_was_expected_and_leaves_no_lock(repo: Path) -> None:
    refs, old, new = opened(repo), head(repo), another(repo)
    move(refs, "refs/x/deep/y", None, old)
    for expected in (None, new):
        with pytest.raises(ContendedError):
            move(refs, "refs/x/deep/y", expected, new)
    with pytest.raises(ContendedError):
        move(refs, "refs/x/deep/y", old, new, **{"refs/heads/main": None})
    assert refs.read("refs/x/deep/y") == old
    move(refs, "refs/x/deep/y", old, new, **{"refs/heads/main": old})
    assert git("rev-parse", "refs/x/deep/y", cwd=repo) == new
    assert locks(repo) == []


def test_a_lock_of_another_is_named_and_stays(repo: Path) -> None:
    refs, old = opened(repo), head(repo)
    lock = repo / ".git" / "refs" / "heads" / "main.lock"
    lock.write_text("theirs")
    with pytest.raises(LockedError) as caught:
        move(refs, "refs/heads/new", None, old, **{"refs/heads/main": old})
    assert caught.value.path == lock
    assert lock.read_text() == "theirs"
    assert refs.read("refs/heads/new") is None
    assert locks(repo) == [lock]


def test_a_symbolic_ref_is_not_moved(repo: Path) -> None:
    refs, old = opened(repo), head(repo)
    git("symbolic-ref", "refs/heads/link", "refs/heads/main", cwd=repo)
    with pytest.raises(SymbolicRefError, match="refs/heads/link"):
        move(refs, "refs/heads/link", old, another(repo))
    assert git("rev-parse", "main", cwd=repo) == old
    assert locks(repo) == []


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("taken", ["refs/heads/a", "refs/heads/a/b/c"])
def test_a_ref_in_the_way_is_left_alone(repo: Path, taken: str, is_packed: bool) -> None:
    refs, old = opened(repo), head(repo)
    git("update-ref", taken, old, cwd=repo)
    if is_packed:
        git("pack-refs", "--all", cwd=repo)
    with pytest.raises(UnavailableError, match="another ref takes its place"):
        move(refs, "refs/heads/a/b", None, another(repo))
    assert git("rev-parse", taken, cwd=repo) == old
    assert locks(repo) == []


def test_empty_folders_at_a_refs_place_go(repo: Path) -> None:
    refs, old = opened(repo), head(repo)
    (repo / ".git" / "refs" / "heads" / "a" / "b" / "c").mkdir(parents=True)
    move(refs, "refs/heads/a/b", None, old)
    assert git("rev-parse", "refs/heads/a/b", cwd=repo) == old


def test_a_disk_that_is_full_moves_nothing(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refs, old, new = opened(repo), head(repo), another(repo)
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda handle, text: write(handle, text[:7]))
        with pytest.raises(FailedError, match="No space left"):
            move(refs, "refs/heads/main", old, new)
    assert git("rev-parse", "main", cwd=repo) == old
    assert locks(repo) == []


def test_a_move_stands_in_the_reflogs_of_the_branch_and_of_the_head_on_it(repo: Path) -> None:
    old, new = head(repo), another(repo)
    move(opened(repo, log=LINE), "refs/heads/main", old, new)
    for ref in ("refs/heads/main", "HEAD"):
        lines = (repo / ".git" / "logs" / ref).read_text().splitlines()
        assert lines[-1] == f"{old} {new} {LINE}"
        assert git("rev-parse", f"{ref}@{{1}}", cwd=repo) == old
    move(opened(repo, log=LINE), "refs/heads/other/new", None, new)
    log = repo / ".git" / "logs" / "refs" / "heads" / "other" / "new"
    assert log.read_text() == f"{'0' * 40} {new} {LINE}\n"


def test_where_no_log_is_asked_for_none_is_made(repo: Path) -> None:
    move(opened(repo), "refs/heads/new", None, head(repo))
    assert not (repo / ".git" / "logs" / "refs" / "heads" / "new").exists()


@pytest.mark.parametrize("asked", ["", "true", "false", "always", "on", "0"])
@pytest.mark.parametrize("bare", ["", "true", "false"])
@pytest.mark.parametrize(
    "ref", ["refs/heads/new", "refs/remotes/o/new", "refs/notes/new", "refs/x/new"]
)
def test_a_ref_gets_a_reflog_where_git_would_make_one(
    repo: Path, tmp_path: Path, ref: str, asked: str, bare: str
) -> None:
    place = repo
    if bare == "true":
        place = tmp_path / "bare.git"
        git("clone", "-q", "--bare", str(repo), str(place), cwd=tmp_path)
    options = [f"core.logAllRefUpdates={asked}"] if asked else []
    words = [word for option in options for word in ("-c", option)]
    git(*words, "update-ref", ref, git("rev-parse", "main", cwd=repo), cwd=place)
    logs = (place if bare == "true" else place / ".git") / "logs"
    assert is_logged(ref, asked, bare) == (logs / ref).exists()


def test_refs_of_ours_that_are_no_branches_get_no_reflog() -> None:
    assert is_unlogged("refs/gitcoord/ledger/beats/x")
    assert not is_unlogged("refs/heads/gitcoord/ledger")
