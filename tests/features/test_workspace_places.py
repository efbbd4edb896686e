"""An agent's worktree is found wherever it is by now, and never in another repository."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.features.maintain import doctor
from gitcoord.features.setup import agents
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.world import found, git, record, write


def held(repo: Path) -> tuple[Workspace, claims.Claimed, Path]:
    work = found(repo, tasks("a", "b"), "x")
    claimed = claims.claim(work, "x", "a")
    return work, claimed, Path(claimed.worktree or "")


def test_a_worktree_that_git_moved_keeps_its_claim(repo: Path, tmp_path: Path) -> None:
    work, claimed, place = held(repo)
    moved = tmp_path / "elsewhere"
    git("worktree", "move", str(place), str(moved), cwd=repo)
    assert work.worktree_of("x") == moved
    assert [one["token"] for one in work.tokens("x").all()] == [claimed.claim["token"]]
    write(moved, "a/file.txt")
    there = open_workspace(moved)
    results.complete(there, "x", "a", claimed.claim["token"])
    assert record(work, "a")["state"] == "done"
    assert not [one for one in doctor.examine(work).problems if one.check == "worktrees"]


def test_a_worktree_that_was_moved_by_hand_is_known_where_one_stands_in_it(
    repo: Path, tmp_path: Path
) -> None:
    work, _, place = held(repo)
    moved = tmp_path / "elsewhere"
    place.rename(moved)
    assert work.worktree_of("x") is None
    assert open_workspace(moved).worktree_of("x") == moved
    git("worktree", "repair", str(moved), cwd=repo)
    assert work.worktree_of("x") == moved


def test_a_copy_of_a_repository_leaves_the_originals_worktrees_alone(
    repo: Path, tmp_path: Path
) -> None:
    _, _, place = held(repo)
    copy = tmp_path / "copy"
    shutil.copytree(repo, copy, symlinks=True)
    other = open_workspace(copy)
    assert other.worktree_of("x") is None
    assert any("copied or moved" in one.text for one in doctor.examine(other).problems)
    made = agents.add(other, "x")
    assert made.worktree == str(tmp_path / "copy.worktrees" / "x")
    assert other.worktree_of("x") == tmp_path / "copy.worktrees" / "x"
    assert (place / ".git").read_text().strip().startswith(f"gitdir: {repo}")


def test_a_repository_that_was_moved_says_how_its_worktrees_are_found_again(
    repo: Path, tmp_path: Path
) -> None:
    _, claimed, place = held(repo)
    moved = tmp_path / "moved"
    repo.rename(moved)
    with pytest.raises(UsageError, match="whose repository is gone") as caught:
        open_workspace(place)
    assert "git worktree repair" in caught.value.hint
    work = open_workspace(moved)
    assert work.worktree_of("x") is None
    git("worktree", "repair", str(place), cwd=moved)
    assert work.worktree_of("x") == place
    write(place, "a/file.txt")
    results.complete(work, "x", "a", claimed.claim["token"])
