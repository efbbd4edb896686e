from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError, UnavailableError, UsageError
from gitcoord.git import refs
from gitcoord.git.program import Git
from tests.git.building import commit, git
from tests.support.formats import lock_of, needs_ref_files

MAIN = "refs/heads/main"
LEDGER = "refs/heads/gitcoord/ledger"


@pytest.fixture
def old(repo: Path) -> str:
    oid = git(repo, "rev-parse", "HEAD")
    git(repo, "update-ref", LEDGER, oid)
    return oid


@pytest.fixture
def new(repo: Path, old: str) -> str:
    return commit(repo, {"a": "a"}, old)


def hook(repo: Path, text: str) -> None:
    path = repo / ".git" / "hooks" / "reference-transaction"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_ref_is_created_once(repo: Path, old: str, new: str) -> None:
    ref = "refs/gitcoord/ledger/results/25/x"
    assert refs.create_ref(Git(repo), ref, old)
    assert not refs.create_ref(Git(repo), ref, new)
    assert not refs.create_ref(Git(repo), ref, old)
    assert git(repo, "rev-parse", ref) == old
    git(repo, "pack-refs", "--all")
    assert not refs.create_ref(Git(repo), ref, new)


def test_of_racing_creators_one_wins(repo: Path, old: str, new: str) -> None:
    won: list[bool] = []
    threads = [
        threading.Thread(target=lambda: won.append(refs.create_ref(Git(repo), "refs/x/y", new)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


def test_a_ref_in_the_way_or_an_unknown_commit_is_unavailable(repo: Path, old: str) -> None:
    for ref, oid in ((f"{MAIN}/below", old), ("refs/x", "1" * 40)):
        with pytest.raises(UnavailableError, match="could not be created"):
            refs.create_ref(Git(repo), ref, oid)


@pytest.mark.parametrize("ref", ["main", "refs/a b", "refs/a\ndelete refs/heads/main", "-x"])
def test_what_is_no_ref_never_reaches_git(repo: Path, old: str, ref: str) -> None:
    with pytest.raises(UsageError, match="names no ref or no oid"):
        refs.create_ref(Git(repo), ref, old)
    with pytest.raises(UsageError, match="names no ref or no oid"):
        refs.create_ref(Git(repo), "refs/x", "main")


def test_the_target_moves_with_the_ledger_verified(repo: Path, old: str, new: str) -> None:
    assert refs.move_target(Git(repo), MAIN, old, new, {LEDGER: old}, {})
    assert git(repo, "rev-parse", MAIN) == new


def test_nothing_moves_when_the_target_or_the_ledger_is_elsewhere(
    repo: Path, old: str, new: str
) -> None:
    assert not refs.move_target(Git(repo), MAIN, new, old, {LEDGER: old}, {})
    assert not refs.move_target(Git(repo), MAIN, old, new, {LEDGER: new}, {})
    assert not refs.move_target(Git(repo), "refs/heads/gone", old, new, {}, {})
    assert not refs.move_target(Git(repo), MAIN, old, new, {"refs/heads/gone": old}, {})
    assert git(repo, "rev-parse", MAIN, LEDGER).split() == [old, old]


def test_the_users_hook_sees_the_landing(repo: Path, old: str, new: str, tmp_path: Path) -> None:
    hook(repo, f'echo "$1 $GITCOORD_LANDING" >>{tmp_path}/seen')
    assert refs.move_target(Git(repo), MAIN, old, new, {LEDGER: old}, {"GITCOORD_LANDING": "build"})
    seen = (tmp_path / "seen").read_text().splitlines()
    # From git 2.54 on there is a step before.
    assert [line for line in seen if not line.startswith("preparing")] == [
        "prepared build",
        "committed build",
    ]


def test_the_users_hook_can_forbid_the_move(repo: Path, old: str, new: str) -> None:
    hook(repo, "echo main is frozen, but expected >&2; exit 1")
    with pytest.raises(RefusedError, match="main is frozen") as caught:
        refs.move_target(Git(repo), MAIN, old, new, {LEDGER: old}, {})
    assert caught.value.reason == "hook"
    assert git(repo, "rev-parse", MAIN) == old


def test_a_lock_that_is_let_go_is_waited_for(repo: Path, old: str, new: str) -> None:
    lock = lock_of(repo / ".git", MAIN)
    lock.touch()
    timer = threading.Timer(0.3, lock.unlink)
    timer.start()
    assert refs.move_target(Git(repo), MAIN, old, new, {}, {})
    timer.join()


def test_a_lock_that_stays_is_unavailable(
    repo: Path, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refs, "LOCK_WAIT_S", 0.05)
    lock = lock_of(repo / ".git", MAIN)
    with lock.open("wb"), pytest.raises(UnavailableError, match="could not be moved"):
        refs.move_target(Git(repo), MAIN, old, new, {}, {})
    assert lock.exists()
    assert git(repo, "rev-parse", MAIN) == old


@needs_ref_files
def test_a_broken_ref_is_not_called_moved(repo: Path, old: str, new: str) -> None:
    (repo / ".git" / "refs" / "heads" / "main").write_text("\0" * 41)
    with pytest.raises(UnavailableError):
        refs.move_target(Git(repo), MAIN, old, new, {}, {})


def test_a_move_works_from_a_linked_worktree_and_with_packed_refs(
    repo: Path, old: str, new: str
) -> None:
    git(repo, "worktree", "add", "-q", "--detach", str(repo.parent / "linked"))
    git(repo, "pack-refs", "--all")
    assert refs.move_target(Git(repo.parent / "linked"), MAIN, old, new, {LEDGER: old}, {})
    assert git(repo, "rev-parse", MAIN) == new


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder of tables on which a dead git left the locks of the list and of one table."""
    folder = tmp_path / "reftable"
    folder.mkdir()
    for name in ("tables.list", "0x1-0x2-ab.ref", "tables.list.lock", "0x1-0x2-ab.ref.lock"):
        (folder / name).touch()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_locks_of_tables_that_stand_still_go_and_the_tables_stay(tables: Path) -> None:
    gone = refs.clear_table_locks(tables)
    assert sorted(path.name for path in gone) == ["0x1-0x2-ab.ref.lock", "tables.list.lock"]
    assert names(tables) == ["0x1-0x2-ab.ref", "tables.list"]
    assert refs.clear_table_locks(tables) == []


@pytest.mark.parametrize("name", ["tables.list.lock", "0x1-0x3-ef.ref.temp.Ab12"])
def test_locks_of_tables_stay_while_a_git_writes_the_list_or_a_table(
    tables: Path, name: str
) -> None:
    with (tables / name).open("wb"):
        before = names(tables)
        assert refs.clear_table_locks(tables) == []
    assert names(tables) == before


def test_a_lock_of_a_table_that_another_git_takes_meanwhile_stays(tables: Path) -> None:
    lock = tables / "0x1-0x2-ab.ref.lock"

    def take_again() -> None:
        (tables / "tables.list.lock").replace(lock)

    timer = threading.Timer(0.1, take_again)
    timer.start()
    assert refs.clear_table_locks(tables) == []
    timer.join()
    assert lock.exists()


def test_without_tables_there_is_no_lock_of_one(tmp_path: Path) -> None:
    assert refs.clear_table_locks(tmp_path / "reftable") == []
