from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitcoord.git import worktrees
from gitcoord.git.local_changes import changed_paths
from gitcoord.git.program import Git
from gitcoord.git.salvage import Kept, return_to_branch, salvage
from gitcoord.git.unfinished import find_unfinished
from tests.git.building import git

ME = ("Builder", "builder@example.invalid")
BRANCH = "task/a/1-abcdef"


@pytest.fixture
def place(repo: Path) -> Path:
    """A worktree with a branch of a task checked out."""
    linked = repo.parent / "linked"
    worktrees.add(Git(repo), linked, commit=git(repo, "rev-parse", "HEAD"))
    worktrees.checkout_branch(linked, BRANCH, git(repo, "rev-parse", "HEAD"))
    return linked


def keep(place: Path) -> Kept:
    return salvage(place, BRANCH, "Keep what was left\n", ME, place.parent / "aside")


def kept_files(place: Path, commit: str = BRANCH) -> list[str]:
    return git(place, "ls-tree", "-r", "--name-only", commit).split("\n")


def conflict(place: Path, operation: str) -> None:
    """Leave an operation of git's unfinished, over a conflict in ``README.md``."""
    git(place, "checkout", "-q", "-b", "side")
    (place / "README.md").write_text("theirs\n")
    git(place, "commit", "-q", "-am", "theirs")
    git(place, "checkout", "-q", BRANCH)
    (place / "README.md").write_text("ours\n")
    git(place, "commit", "-q", "-am", "ours")
    if operation == "stash":
        (place / "README.md").write_text("stashed\n")
        git(place, "stash", "-q")
        (place / "README.md").write_text("ours again\n")
        git(place, "commit", "-q", "-am", "ours again")
        subprocess.run(["git", "stash", "pop", "-q"], cwd=place, check=False, capture_output=True)
        return
    if operation == "am":
        patch = git(place, "format-patch", "--stdout", "-1", "side") + "\n"
        args = ["git", "am", "-q", "--3way"]
        subprocess.run(args, cwd=place, input=patch.encode(), check=False, capture_output=True)
        return
    args = ["git", operation, "side"]
    if operation == "revert":
        (place / "README.md").write_text("ours again\n")
        git(place, "commit", "-q", "-am", "ours again")
        args = ["git", "revert", "--no-edit", "HEAD~1"]
    subprocess.run(args, cwd=place, check=False, capture_output=True)


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        ("merge", "merge"),
        ("rebase", "rebase"),
        ("cherry-pick", "cherry-pick"),
        ("revert", "revert"),
        ("am", "am"),
        ("stash", "conflict"),
    ],
)
def test_an_unfinished_operation_is_kept_and_forgotten(
    place: Path, operation: str, found: str
) -> None:
    conflict(place, operation)
    before = git(place, "rev-parse", BRANCH)
    unfinished = find_unfinished(place)
    assert unfinished is not None
    assert unfinished.operation == found
    content = (place / "README.md").read_text()
    assert "<<<<<<<" in content or operation == "am"
    kept = keep(place)
    assert kept.unfinished == unfinished
    assert git(place, "show", f"{BRANCH}:README.md") == content.strip()
    assert git(place, "merge-base", BRANCH, before) == before
    assert find_unfinished(place) is None
    assert changed_paths(place) == []
    assert worktrees.branch_of_worktree(place) is None


def test_what_a_signer_or_a_hook_refuses_is_kept(place: Path) -> None:
    git(place, "config", "commit.gpgsign", "true")
    git(place, "config", "gpg.program", "false")
    hook = place.parent / "repo" / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (place / "new").write_text("new\n")
    kept = keep(place)
    assert kept.commit == git(place, "rev-parse", BRANCH)
    assert kept_files(place) == ["README.md", "new"]
    assert changed_paths(place) == []


def test_what_a_filter_refuses_is_kept_as_it_is(place: Path) -> None:
    git(place, "config", "filter.lfs.clean", "false")
    git(place, "config", "filter.lfs.process", "false")
    git(place, "config", "filter.lfs.required", "true")
    (place / ".gitattributes").write_text("*.bin filter=lfs\n")
    (place / "m.bin").write_text("large\n")
    keep(place)
    assert git(place, "show", f"{BRANCH}:m.bin") == "large"
    assert not (place / "m.bin").exists()
    assert changed_paths(place) == []


@pytest.mark.parametrize("commits", [0, 1])
def test_a_nested_repository_is_moved_aside_whole(place: Path, commits: int) -> None:
    nested = place / "deep" / "nested"
    nested.mkdir(parents=True)
    git(nested, "init", "-q")
    (nested / "file").write_text("work\n")
    for _ in range(commits):
        git(nested, "add", ".")
        git(nested, "commit", "-q", "-m", "work")
    kept = keep(place)
    aside = place.parent / "aside" / "deep" / "nested"
    assert kept.moved == [aside]
    assert (aside / "file").read_text() == "work\n"
    assert (aside / ".git").is_dir()
    assert changed_paths(place) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_moved_aside(place: Path) -> None:
    (place / "secret").write_text("secret\n")
    (place / "secret").chmod(0)
    (place / "other").write_text("other\n")
    kept = keep(place)
    assert [path.name for path in kept.moved] == ["secret"]
    assert kept_files(place) == ["README.md", "other"]
    assert changed_paths(place) == []


def test_what_no_encoding_fits_is_moved_aside_and_the_rest_is_kept(place: Path) -> None:
    (place / ".gitattributes").write_text("*.txt working-tree-encoding=UTF-16\n")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "attributes")
    (place / "bad.txt").write_bytes(b"a")
    (place / "good").write_text("good\n")
    kept = keep(place)
    assert [path.name for path in kept.moved] == ["bad.txt"]
    assert "good" in kept_files(place)
    assert changed_paths(place) == []


def test_what_lies_outside_the_sparse_cone_is_kept(place: Path) -> None:
    git(place, "sparse-checkout", "set", "--cone", "src")
    (place / "other").mkdir()
    (place / "other" / "file").write_text("work\n")
    keep(place)
    assert git(place, "show", f"{BRANCH}:other/file") == "work"
    assert changed_paths(place) == []


def test_commits_on_a_detached_head_are_kept_beside_the_branch(place: Path) -> None:
    (place / "on-branch").write_text("1\n")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "on the branch")
    git(place, "checkout", "-q", "--detach", "HEAD~1")
    (place / "off-branch").write_text("2\n")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "off the branch")
    head, tip = git(place, "rev-parse", "HEAD"), git(place, "rev-parse", BRANCH)
    assert not return_to_branch(place, BRANCH)
    kept = keep(place)
    assert git(place, "rev-parse", f"{kept.commit}^1", f"{kept.commit}^2").split() == [tip, head]
    assert kept_files(place) == ["README.md", "off-branch"]


def test_a_clean_worktree_is_left_alone(place: Path) -> None:
    before = git(place, "rev-parse", BRANCH)
    assert keep(place) == Kept(None, [], None)
    assert git(place, "rev-parse", BRANCH) == before
    assert worktrees.branch_of_worktree(place) == f"refs/heads/{BRANCH}"


def test_head_returns_to_the_branch_that_it_grew_from(place: Path) -> None:
    git(place, "checkout", "-q", "-b", "own")
    (place / "new").write_text("new\n")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "on its own branch")
    head = git(place, "rev-parse", "HEAD")
    assert return_to_branch(place, BRANCH)
    assert worktrees.branch_of_worktree(place) == f"refs/heads/{BRANCH}"
    assert git(place, "rev-parse", BRANCH, "own").split() == [head, head]
