"""Refs are moved by git, in whatever way the repository keeps them."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.ids import Oid
from gitcoord.store.git_program import GitProgram
from gitcoord.store.git_refs import GitRefs
from gitcoord.store.protocol import ContendedError, FailedError, LockedError
from tests.support.formats import lock_of, require_reftable
from tests.support.world import git

REF = "refs/heads/gitcoord/ledger"
BEAT = "refs/gitcoord/ledger/beats/x"


@pytest.fixture(params=["files", "reftable"])
def top(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with two commits, whose refs are kept in one of the ways."""
    place = tmp_path / "top"
    storage = []
    if request.param == "reftable":
        require_reftable()
        storage = ["--ref-format=reftable"]
    git("init", "-q", *storage, str(place), cwd=tmp_path)
    for text in ("first", "second"):
        git("commit", "-q", "--allow-empty", "-m", text, cwd=place)
    return place


@pytest.fixture
def refs(top: Path) -> Iterator[GitRefs]:
    program = GitProgram(top / ".git")
    made = GitRefs(top / ".git", program)
    yield made
    made.end()
    program.end()


@pytest.fixture
def two(top: Path) -> Oid:
    return Oid(git("rev-parse", "HEAD", cwd=top))


@pytest.fixture
def one(top: Path) -> Oid:
    return Oid(git("rev-parse", "HEAD^", cwd=top))


def swap(refs: GitRefs, old: Oid | None, new: Oid) -> None:
    refs.swap(REF, {REF: old}, new)


def test_one_process_moves_refs_again_and_again(refs: GitRefs, one: Oid, two: Oid) -> None:
    swap(refs, None, one)
    process = refs._updates
    for _ in range(5):
        swap(refs, one, two)
        swap(refs, two, one)
    assert refs._updates is process
    assert refs.read(REF) == one


def test_that_a_branch_is_absent_is_told_without_another_git(
    refs: GitRefs, one: Oid, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap(refs, None, one)
    assert refs.has(REF)
    monkeypatch.setenv("PATH", "/nowhere")
    assert not refs.has("refs/heads/gitcoord")
    assert refs.has(REF)


def test_another_process_takes_over_after_one_that_failed_or_was_killed(
    refs: GitRefs, one: Oid, two: Oid
) -> None:
    swap(refs, None, one)
    with pytest.raises(ContendedError):
        swap(refs, two, one)
    swap(refs, one, two)
    assert refs._updates is not None
    refs._updates.kill()
    refs._updates.wait()
    swap(refs, two, one)
    assert refs.read(REF) == one


def test_what_others_moved_is_seen_at_once(refs: GitRefs, top: Path, one: Oid, two: Oid) -> None:
    swap(refs, None, one)
    git("update-ref", REF, two, cwd=top)
    assert refs.read(REF) == two
    with pytest.raises(ContendedError):
        swap(refs, one, two)
    swap(refs, two, one)


def test_a_ref_to_what_is_not_there_is_read_and_is_not_absent(
    refs: GitRefs, top: Path, one: Oid
) -> None:
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        input=b"a beat\n",
        cwd=top,
        check=True,
        capture_output=True,
    ).stdout.decode()
    oid = blob.strip()
    refs.swap(BEAT, {BEAT: None}, oid)
    (top / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    assert refs.read(BEAT) == oid
    assert refs.read("refs/gitcoord/ledger/beats/y") is None


def test_a_lock_that_stays_is_named_and_nothing_moves(
    refs: GitRefs, top: Path, one: Oid, two: Oid
) -> None:
    swap(refs, None, one)
    lock_of(top / ".git", REF).touch()
    with pytest.raises(LockedError) as caught:
        swap(refs, one, two)
    assert caught.value.path == lock_of(top / ".git", REF)
    assert refs.read(REF) == one
    lock_of(top / ".git", REF).unlink()
    swap(refs, one, two)


def test_a_lock_that_goes_is_waited_for(refs: GitRefs, top: Path, one: Oid, two: Oid) -> None:
    swap(refs, None, one)
    lock = lock_of(top / ".git", REF)
    lock.touch()
    timer = threading.Timer(0.05, lock.unlink)
    timer.start()
    swap(refs, one, two)
    timer.join()
    assert refs.read(REF) == two


def test_what_git_has_words_for_is_a_failure_with_them(refs: GitRefs, one: Oid) -> None:
    below = f"{REF}/below"
    swap(refs, None, one)
    with pytest.raises(FailedError, match="exists"):
        refs.swap(below, {below: None}, one)
    assert refs.list("refs/heads/gitcoord/") == {REF: one}


@pytest.mark.parametrize("setting", ["true", "always", "false"])
def test_refs_of_ours_get_no_reflog_and_branches_as_git_says(
    top: Path, one: Oid, two: Oid, setting: str
) -> None:
    git("config", "core.logAllRefUpdates", setting, cwd=top)
    program = GitProgram(top / ".git")
    refs = GitRefs(top / ".git", program)
    for ref in (BEAT, REF):
        refs.swap(ref, {ref: None}, one)
        refs.swap(ref, {ref: one}, two)
    refs.end()
    program.end()
    assert git("reflog", "show", BEAT, cwd=top) == ""
    assert bool(git("reflog", "show", REF, cwd=top)) is (setting != "false")
