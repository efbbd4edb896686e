"""A checkout that is killed, one that lives on, and locks of others."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git.checkout import undo
from gitcoord.git.local_changes import changed_paths
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.git.worktrees import add, checkout_branch
from tests.support.irregular import IRREGULAR, REPLACEABLE, hard_link_to_theirs, is_theirs_whole
from tests.support.world import environment, git, write

CHECK_OUT = """
import sys
from pathlib import Path
from gitcoord.git.worktrees import checkout_branch
checkout_branch(Path(sys.argv[1]), "task/a/1-abcdef", sys.argv[2])
"""


@pytest.fixture
def place(repo: Path, tmp_path: Path) -> Path:
    """A worktree behind main, whose checkout of a file stops for us to look."""
    worktree = tmp_path / "worktree"
    add(Git(repo), worktree, commit=git("rev-parse", "HEAD", cwd=repo))
    (repo / ".gitattributes").write_text("held.txt filter=held\n")
    write(repo, "README.md", "more\n" * 100)
    write(repo, "held.txt", "held\n")
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    git(
        "config",
        "filter.held.smudge",
        f"echo $PPID > {tmp_path}/pid; cat {gate} > /dev/null; cat",
        cwd=repo,
    )
    return worktree


def start(place: Path, repo: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a checkout, and wait until git is in the middle of it."""
    command = [sys.executable, "-c", CHECK_OUT, str(place), git("rev-parse", "main", cwd=repo)]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
    pid = place.parent / "pid"
    while not (pid.exists() and pid.read_text().strip()):
        assert process.poll() is None
    return process, int(pid.read_text())


def let_through(place: Path, repo: Path) -> None:
    git("config", "filter.held.smudge", "cat", cwd=repo)
    with (place.parent / "gate").open("w") as gate:
        gate.write("on\n")


def wait_for_the_end_of_all(place: Path) -> None:
    """Wait until nobody, a filter of git's neither, holds the note."""
    with (discover(place).git_dir / "gitcoord" / "at-work.json").open() as note:
        fcntl.flock(note, fcntl.LOCK_EX)


def test_a_killed_checkout_is_undone_and_done_again(place: Path, repo: Path) -> None:
    process, pid = start(place, repo)
    process.kill()
    os.kill(pid, signal.SIGKILL)
    process.wait()
    folder = discover(place).git_dir
    assert (folder / "index.lock").exists()
    assert changed_paths(place) != []
    let_through(place, repo)
    wait_for_the_end_of_all(place)
    checkout_branch(place, "task/a/1-abcdef", git("rev-parse", "main", cwd=repo))
    assert git("rev-parse", "--abbrev-ref", "HEAD", cwd=place) == "task/a/1-abcdef"
    assert changed_paths(place) == []
    assert not (folder / "index.lock").exists()
    assert list((folder / "gitcoord").iterdir()) == []


def test_work_in_a_file_that_the_killed_checkout_wrote_is_kept(place: Path, repo: Path) -> None:
    process, pid = start(place, repo)
    process.kill()
    os.kill(pid, signal.SIGKILL)
    process.wait()
    let_through(place, repo)
    wait_for_the_end_of_all(place)
    (place / "README.md").write_text("mine\n")
    undo(place)
    assert (place / "README.md").read_text() == "mine\n"
    assert [path for path in changed_paths(place) if path != ".gitattributes"] == ["README.md"]


def test_a_git_that_outlives_its_caller_keeps_its_lock(place: Path, repo: Path) -> None:
    process, _ = start(place, repo)
    process.kill()
    process.wait()
    lock = discover(place).git_dir / "index.lock"
    with pytest.raises(UnavailableError, match="another process"):
        checkout_branch(place, "task/a/1-abcdef", git("rev-parse", "main", cwd=repo))
    assert lock.exists()
    let_through(place, repo)
    wait_for_the_end_of_all(place)
    checkout_branch(place, "task/a/1-abcdef", git("rev-parse", "main", cwd=repo))
    assert not lock.exists()
    assert changed_paths(place) == []


def test_a_lock_of_another_git_is_never_touched(place: Path, repo: Path) -> None:
    lock = discover(place).git_dir / "index.lock"
    lock.write_text("of another git\n")
    git("branch", "task/a/1-abcdef", "main", cwd=repo)
    with pytest.raises(UnavailableError, match="another git is at work"):
        checkout_branch(place, "task/a/1-abcdef", git("rev-parse", "main", cwd=repo))
    undo(place)
    assert lock.read_text() == "of another git\n"
    assert changed_paths(place) == []


@pytest.fixture
def plain(repo: Path, tmp_path: Path) -> Path:
    """A worktree, and one commit on main that it does not have."""
    worktree = tmp_path / "plain"
    add(Git(repo), worktree, commit=git("rev-parse", "HEAD", cwd=repo))
    write(repo, "README.md", "more\n")
    return worktree


@pytest.mark.parametrize("kind", IRREGULAR)
def test_a_note_that_is_no_file_is_named_and_nothing_is_checked_out(
    kind: str, plain: Path, repo: Path
) -> None:
    note = discover(plain).git_dir / "gitcoord" / "at-work.json"
    note.parent.mkdir(exist_ok=True)
    IRREGULAR[kind](note)
    before = (plain / "README.md").read_text()
    with pytest.raises(UnavailableError, match=r"at-work.json cannot be opened: it is not a"):
        checkout_branch(plain, "task/a/1-abcdef", git("rev-parse", "main", cwd=repo))
    assert (plain / "README.md").read_text() == before
    assert is_theirs_whole(note)


def test_a_note_that_is_a_hard_link_to_anything_but_our_lock_is_refused(
    plain: Path, repo: Path
) -> None:
    note = discover(plain).git_dir / "gitcoord" / "at-work.json"
    hard_link_to_theirs(note)
    with pytest.raises(UnavailableError, match="is a hard link to a file that is not gitcoord's"):
        checkout_branch(plain, "task/a/1-abcdef", git("rev-parse", "main", cwd=repo))
    assert is_theirs_whole(note)


@pytest.mark.parametrize("kind", REPLACEABLE)
def test_what_lies_in_the_place_of_the_trial_index_is_not_followed(
    kind: str, plain: Path, repo: Path
) -> None:
    trial = discover(plain).git_dir / "gitcoord" / "at-work.index"
    trial.parent.mkdir(exist_ok=True)
    IRREGULAR[kind](trial)
    checkout_branch(plain, "task/a/1-abcdef", git("rev-parse", "main", cwd=repo))
    assert (plain / "README.md").read_text() == "more\n"
    assert changed_paths(plain) == []
    assert is_theirs_whole(trial)
