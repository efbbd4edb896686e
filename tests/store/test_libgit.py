"""No error of libgit2 leaves the store as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygit2
import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.store.libgit import LibgitStore
from gitcoord.store.protocol import ContendedError, LockedError, MissingObjectError
from tests.support.formats import needs_libgit2
from tests.support.world import git

pytestmark = needs_libgit2


class Failing:
    """A repository whose reads fail some times, as beside a repack."""

    def __init__(self, real: Any, error: Exception, times: int) -> None:
        self.real, self.error, self.left = real, error, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def read(self, oid: str) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return self.real.read(oid)

    def __contains__(self, oid: str) -> bool:
        self.read(oid)
        return True


@pytest.fixture
def packed(repo: Path) -> tuple[LibgitStore, str]:
    """A store, and a blob that only a pack has."""
    git("repack", "-adq", cwd=repo)
    git("prune-packed", cwd=repo)
    return LibgitStore(repo / ".git"), git("rev-parse", "HEAD:README.md", cwd=repo)


ERRORS = [
    OSError("invalid packfile: the index is corrupted"),
    pygit2.GitError("failed to mmap"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_a_pack_that_goes_away_while_it_is_read_is_read_again(
    packed: tuple[LibgitStore, str], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, oid = packed
    failing = Failing(store._repo, error, 2)
    store._repo = failing  # type: ignore[assignment]
    monkeypatch.setattr(store, "_reopen", lambda: None)
    assert store.read_blob(oid) == b"hello\n"
    failing.left = 1
    store._fresh.append(Oid(oid))
    assert not store.is_lost()


def test_a_pack_that_cannot_be_read_for_long_is_unavailable(
    packed: tuple[LibgitStore, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, oid = packed
    store._repo = Failing(store._repo, OSError("invalid packfile"), 100)  # type: ignore[assignment]
    monkeypatch.setattr(store, "_reopen", lambda: None)
    with pytest.raises(UnavailableError, match="invalid packfile"):
        store.read_blob(oid)


def test_a_pack_that_is_damaged_for_good_is_damage(
    packed: tuple[LibgitStore, str], repo: Path
) -> None:
    store, oid = packed
    (pack,) = (repo / ".git" / "objects" / "pack").glob("*.pack")
    raw = bytearray(pack.read_bytes())
    raw[12:-20] = b"\x00" * len(raw[12:-20])
    pack.chmod(0o644)
    pack.write_bytes(raw)
    with pytest.raises((MissingObjectError, UnavailableError)):
        store.read_blob(oid)


def test_after_it_was_opened_anew_a_store_reads_as_before(packed: tuple[LibgitStore, str]) -> None:
    store, oid = packed
    store._reopen()
    assert store.read_blob(oid) == b"hello\n"


def test_what_is_not_a_repository_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="libgit2 cannot open") as caught:
        LibgitStore(tmp_path)
    assert "git status" in caught.value.hint


def test_a_ref_is_removed_only_from_what_was_expected_and_past_no_lock(repo: Path) -> None:
    store = LibgitStore(repo / ".git")
    oid = git("rev-parse", "HEAD", cwd=repo)
    git("update-ref", "refs/heads/gone", oid, cwd=repo)
    with pytest.raises(ContendedError):
        store.delete_ref("refs/heads/gone", "1" * 40)
    lock = repo / ".git" / "refs" / "heads" / "gone.lock"
    lock.touch()
    with pytest.raises(LockedError) as caught:
        store.delete_ref("refs/heads/gone", oid)
    assert caught.value.path == lock
    assert git("rev-parse", "refs/heads/gone", cwd=repo) == oid
    lock.unlink()
    store.delete_ref("refs/heads/gone", oid)
    assert store.read_ref("refs/heads/gone") is None
    with pytest.raises(ContendedError):
        store.delete_ref("refs/heads/gone", oid)
    store.close()


def test_a_symbolic_ref_is_refused_with_the_engine_that_moves_it(repo: Path) -> None:
    store = LibgitStore(repo / ".git")
    oid = git("rev-parse", "HEAD", cwd=repo)
    git("symbolic-ref", "refs/heads/link", "refs/heads/main", cwd=repo)
    with pytest.raises(UnavailableError, match="refs/heads/link is a symbolic ref") as caught:
        store.swap("refs/heads/link", oid, oid)
    assert "GITCOORD_ENGINE=plumbing" in caught.value.hint
    store.close()


def test_packed_objects_are_read_and_those_of_another_kind_are_not(repo: Path) -> None:
    oid = git("rev-parse", "HEAD:README.md", cwd=repo)
    git("gc", "-q", cwd=repo)
    store = LibgitStore(repo / ".git")
    assert store.read_blob(oid) == b"hello\n"
    with pytest.raises(MissingObjectError, match="is not a tree"):
        store.read_tree(oid)
    with pytest.raises(MissingObjectError, match="is not a commit"):
        store.read_entry(oid)
    with pytest.raises(MissingObjectError):
        store.read_blob("nonsense")
    store.close()
