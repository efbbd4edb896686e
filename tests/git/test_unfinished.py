from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.git import worktrees
from gitcoord.git.program import Git
from gitcoord.git.unfinished import find_unfinished, refuse_rebased
from tests.git.building import git


@pytest.fixture
def place(repo: Path) -> Path:
    """A linked worktree with a stack of two branches, ``low`` and ``high``, beside ``main``."""
    (repo / "README.md").write_text("mine\n")
    git(repo, "commit", "-q", "-am", "mine")
    linked = repo.parent / "linked"
    worktrees.add(Git(repo), linked, commit=git(repo, "rev-parse", "HEAD~1"))
    git(linked, "checkout", "-q", "-b", "low")
    (linked / "README.md").write_text("theirs\n")
    git(linked, "commit", "-q", "-am", "theirs")
    git(linked, "checkout", "-q", "-b", "high")
    git(linked, "commit", "-q", "--allow-empty", "-m", "high")
    return linked


def rebase(worktree: Path, *args: str) -> None:
    subprocess.run(["git", "rebase", *args], cwd=worktree, check=False, capture_output=True)


@pytest.mark.parametrize("how", [(), ("--apply",)])
def test_a_branch_that_is_being_rebased_anywhere_may_not_be_moved(
    repo: Path, place: Path, how: tuple[str, ...]
) -> None:
    refuse_rebased(Git(repo), "refs/heads/high")
    rebase(place, *how, "main")
    found = find_unfinished(place)
    assert found is not None
    assert (found.operation, found.branch) == ("rebase", "refs/heads/high")
    with pytest.raises(RefusedError, match=f"high is being rebased in {place}") as caught:
        refuse_rebased(Git(repo), "refs/heads/high")
    assert caught.value.reason == "rebase"
    with pytest.raises(AssertionError, match="cannot force update"):
        git(repo, "branch", "-f", "high", "main")
    refuse_rebased(Git(repo), "refs/heads/low")
    git(place, "rebase", "--abort")
    refuse_rebased(Git(repo), "refs/heads/high")


def test_a_branch_that_a_rebase_takes_along_may_not_be_moved(repo: Path, place: Path) -> None:
    rebase(place, "--update-refs", "main")
    with pytest.raises(RefusedError, match="low is being rebased"):
        refuse_rebased(Git(repo), "refs/heads/low")


def test_a_rebase_in_the_main_worktree_is_seen_from_a_linked_one(repo: Path, place: Path) -> None:
    rebase(repo, "low")
    with pytest.raises(RefusedError, match=f"main is being rebased in {repo}"):
        refuse_rebased(Git(place), "refs/heads/main")


def test_a_worktree_in_the_middle_of_something_is_not_switched(repo: Path, place: Path) -> None:
    rebase(place, "main")
    with pytest.raises(RefusedError, match="an unfinished rebase") as caught:
        worktrees.refuse_local_changes(place)
    assert caught.value.reason == "unfinished"
    assert "--abort" in caught.value.hint
    assert find_unfinished(repo) is None


def test_a_sequence_of_picks_is_unfinished_between_two_of_them(repo: Path, place: Path) -> None:
    git(place, "checkout", "-q", "--detach", "main")
    args = ["git", "cherry-pick", "low", "high"]
    subprocess.run(args, cwd=place, check=False, capture_output=True)
    (place / "README.md").write_text("resolved\n")
    git(place, "commit", "-q", "-am", "resolved")
    found = find_unfinished(place)
    assert found is not None
    assert found.operation == "cherry-pick"
