from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.git.places import discover, keeps_tables, may_be_checked_out
from tests.git.building import git


def test_every_place_of_a_repository_is_found_without_git(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repo, "worktree", "add", "-q", "--detach", str(repo.parent / "linked"))
    (repo / "a" / "b").mkdir(parents=True)
    monkeypatch.setenv("PATH", "")
    top = repo / ".git"
    linked = repo.parent / "linked"
    main = (top, top, repo, False, True, repo)
    beside = (top, top / "worktrees" / "linked", linked, False, False, repo)
    assert discover(repo) == main
    assert discover(repo / "a" / "b") == main
    assert discover(top) == main
    assert discover(top / "refs") == main
    assert discover(linked) == beside
    assert discover(top / "worktrees" / "linked") == beside


def test_a_bare_repository_and_its_worktree_are_found(repo: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(repo, "clone", "-q", "--bare", str(repo), str(bare))
    git(bare, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    assert discover(bare) == (bare, bare, None, True, True, None)
    assert discover(tmp_path / "linked") == (
        bare,
        bare / "worktrees" / "linked",
        tmp_path / "linked",
        False,
        False,
        None,
    )


def test_a_repository_with_a_worktree_configuration_is_bare_as_it_says(
    repo: Path, tmp_path: Path
) -> None:
    git(repo, "config", "extensions.worktreeConfig", "true")
    (repo / ".git" / "config.worktree").write_text("[core] bare = true ; said here\n")
    assert discover(repo).is_bare
    (repo / ".git" / "config.worktree").write_text("")
    assert not discover(repo).is_bare


def test_a_separate_git_directory_and_a_submodule_are_found(repo: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    git(tmp_path, "init", "-q", f"--separate-git-dir={tmp_path / 'kept'}", str(apart))
    assert discover(apart) == (tmp_path / "kept", tmp_path / "kept", apart, False, True, apart)
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo), "sub")
    inner = repo / ".git" / "modules" / "sub"
    place = (inner, inner, repo / "sub", False, True, repo / "sub")
    assert discover(repo / "sub") == place
    assert discover(inner) == place


def test_git_dir_counts_only_outside_of_a_repository(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", str(other))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert discover(repo).worktree == repo
    assert discover(tmp_path) == (other / ".git", other / ".git", other, False, True, other)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="GIT_DIR names none"):
        discover(tmp_path)


def test_no_repository_and_broken_links_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not in a git repository") as caught:
        discover(tmp_path)
    assert caught.value.hint
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(UsageError, match="whose repository is gone"):
        discover(tmp_path)
    (tmp_path / ".git").write_text("hello\n")
    with pytest.raises(UsageError, match="is not a link to a git directory"):
        discover(tmp_path)


def test_a_worktree_of_another_repository_at_the_same_path_is_told_apart(
    repo: Path, tmp_path: Path
) -> None:
    other, linked = tmp_path / "other", tmp_path / "linked"
    git(tmp_path, "clone", "-q", str(repo), str(other))
    git(repo, "worktree", "add", "-q", "--detach", str(linked))
    assert discover(linked).common_dir == repo / ".git"
    git(repo, "worktree", "remove", str(linked))
    with pytest.raises(UsageError):
        discover(linked)
    git(other, "worktree", "add", "-q", "--detach", str(linked))
    assert discover(linked).common_dir == other / ".git"


def test_a_worktree_whose_repository_changes_is_found_anew(repo: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "-q", "--detach", str(linked))
    assert discover(linked).main_worktree == repo
    git(repo, "config", "core.bare", "true")
    assert discover(linked).main_worktree is None
    git(repo, "config", "core.bare", "false")
    assert discover(linked).main_worktree == repo
    (repo / ".git").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="whose repository is gone"):
        discover(linked)


def test_a_branch_that_no_head_names_is_certainly_not_checked_out(repo: Path) -> None:
    common_dir = repo / ".git"
    ref = "refs/heads/other"
    git(repo, "branch", "other")
    assert not may_be_checked_out(common_dir, ref) or keeps_tables(common_dir)
    git(repo, "worktree", "add", "-q", str(repo.parent / "linked"), "other")
    assert may_be_checked_out(common_dir, ref)
    git(repo.parent / "linked", "switch", "-q", "--detach")
    assert not may_be_checked_out(common_dir, ref) or keeps_tables(common_dir)
    git(repo, "switch", "-q", "other")
    assert may_be_checked_out(common_dir, ref)


def test_a_head_that_is_not_a_small_file_does_not_tell(repo: Path) -> None:
    git(repo, "worktree", "add", "-q", "--detach", str(repo.parent / "linked"))
    head = repo / ".git" / "worktrees" / "linked" / "HEAD"
    head.unlink()
    os.mkfifo(head)
    assert may_be_checked_out(repo / ".git", "refs/heads/other")
