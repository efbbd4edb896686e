"""One at a time adds and removes worktrees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git import worktrees
from gitcoord.git.program import Git
from gitcoord.git.worktree_lock import exclusive
from tests.git.building import git
from tests.support.irregular import IRREGULAR, hard_link_to_theirs, is_theirs_whole


def test_thirteen_parallel_adds_all_succeed(repo: Path, base: str, tmp_path: Path) -> None:
    git(repo, "update-ref", "refs/remotes/origin/main", base)
    script = (
        "import sys\nfrom pathlib import Path\nfrom gitcoord.git import worktrees\nfrom "
        "gitcoord.git.program import Git\n"
        "sys.stdin.readline()\nworktrees.add(Git(Path(sys.argv[1])), Path(sys.argv[2]), "
        "commit=sys.argv[3])\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(repo), str(tmp_path / f"w{number}"), base],
            env=env,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(13)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    failures = [
        error
        for child in children
        if (error := child.communicate(timeout=60)[1]) or child.returncode
    ]
    assert failures == []
    assert all(
        (tmp_path / f"w{number}" / "deep" / "c").read_text() == "c\n" for number in range(13)
    )
    assert len(worktrees.list_all(Git(repo))) == 14


def test_a_lock_that_stays_is_named(repo: Path, base: str, tmp_path: Path) -> None:
    told = rf"process {os.getpid()} \(.+\) is busy with the worktrees"
    with exclusive(Git(repo), 1), pytest.raises(UnavailableError, match=told):
        worktrees.add(Git(repo), tmp_path / "new", commit=base, timeout_s=0.05)


def test_a_git_directory_that_cannot_be_written_is_named(
    repo: Path, base: str, tmp_path: Path
) -> None:
    (repo / ".git" / "gitcoord").write_text("in the way")
    with pytest.raises(UnavailableError, match="cannot be opened"):
        worktrees.add(Git(repo), tmp_path / "new", commit=base)


@pytest.mark.parametrize("kind", IRREGULAR)
def test_a_lock_that_is_no_file_is_named_and_not_followed(kind: str, repo: Path) -> None:
    lock = repo / ".git" / "gitcoord" / "worktrees.lock"
    lock.parent.mkdir()
    IRREGULAR[kind](lock)
    with (
        pytest.raises(UnavailableError, match=r"worktrees.lock cannot be opened: it is not a"),
        exclusive(Git(repo), 1),
    ):
        pass
    assert is_theirs_whole(lock)


def test_a_lock_that_is_a_hard_link_is_held_and_not_written(repo: Path) -> None:
    lock = repo / ".git" / "gitcoord" / "worktrees.lock"
    hard_link_to_theirs(lock)
    with exclusive(Git(repo), 1):
        pass
    assert is_theirs_whole(lock)
