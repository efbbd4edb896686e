"""Worktrees whose making was cut off are known, and made anew."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.git import worktrees
from gitcoord.git.local_changes import changed_paths
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from tests.git.building import git


@pytest.mark.parametrize("is_late", [False, True])
def test_a_worktree_whose_making_was_killed_is_made_anew(
    repo: Path, base: str, tmp_path: Path, is_late: bool
) -> None:
    new = tmp_path / "new"
    git(repo, "worktree", "add", "-q", "--detach", str(new), base)
    private = discover(new).git_dir
    (private / "locked").write_text("initializing\n")
    (private / "index").rename(private / "index.lock")
    (new / "b").unlink()
    if not is_late:
        (private / "HEAD").write_text("0" * 40 + "\n")
        for name in ("a", "README.md", "deep/c"):
            (new / name).unlink()
    assert worktrees.is_half_made(Git(repo), new)
    worktrees.add(Git(repo), new, commit=base)
    assert not worktrees.is_half_made(Git(repo), new)
    assert changed_paths(new) == []


def test_a_git_that_is_really_killed_leaves_what_is_recognised(
    repo: Path, base: str, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    git(repo, "config", "filter.slow.smudge", "touch ../started; sleep 30")
    (repo / ".git" / "info" / "attributes").write_text("b filter=slow\n")
    child = subprocess.Popen(
        ["git", "worktree", "add", "-q", "--detach", str(new), base],
        cwd=repo,
        start_new_session=True,
    )
    while not (tmp_path / "started").exists():
        assert child.poll() is None
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    git(repo, "config", "--unset", "filter.slow.smudge")
    assert worktrees.is_half_made(Git(repo), new)
    worktrees.add(Git(repo), new, commit=base)
    assert changed_paths(new) == []


def test_a_half_made_worktree_with_files_of_others_is_kept(
    repo: Path, base: str, place: Path
) -> None:
    (discover(place).git_dir / "locked").write_text("initializing")
    (place / "mine").write_text("mine")
    with pytest.raises(RefusedError, match="files of others: mine"):
        worktrees.add(Git(repo), place, commit=base)
    assert (place / "mine").read_text() == "mine"


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_worktree_that_was_only_begun_keeps_nobody_from_the_others(
    repo: Path, base: str, tmp_path: Path, is_cut_off: bool
) -> None:
    begun, other = tmp_path / "begun", tmp_path / "other"
    worktrees.add(Git(repo), other, commit=base)
    git(repo, "worktree", "add", "-q", "--no-checkout", "--detach", str(begun), base)
    private = discover(begun).git_dir
    (private / "locked").write_text("initializing\n")
    (private / "commondir").write_text("")
    if is_cut_off:
        (begun / ".git").unlink()
    worktrees.checkout_branch(other, "work", base)
    assert not private.exists()
    assert not begun.exists()
    assert [known.path for known in worktrees.list_all(Git(repo))] == [repo, other]
    worktrees.add(Git(repo), begun, commit=base)


def test_what_a_living_git_begins_is_left_to_it(repo: Path, base: str, tmp_path: Path) -> None:
    new = tmp_path / "new"
    git(repo, "worktree", "add", "-q", "--no-checkout", "--detach", str(new), base)
    private = discover(new).git_dir
    content = (private / "commondir").read_text()
    (private / "locked").write_text("initializing\n")
    (private / "commondir").write_text("")
    writer = threading.Timer(0.2, lambda: (private / "commondir").write_text(content))
    writer.start()
    assert new in [known.path for known in worktrees.list_all(Git(repo))]
    writer.join()
    assert git(new, "rev-parse", "HEAD") == base
