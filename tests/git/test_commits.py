from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git import worktrees
from gitcoord.git.commits import commit_paths
from gitcoord.git.local_changes import changed_paths
from gitcoord.git.program import Git, GitError
from tests.git.building import commit, git

ME = ("Builder", "builder@example.invalid")


@pytest.fixture
def base(repo: Path) -> str:
    oid = commit(repo, {"a": "a\n", "b": "b\n"}, git(repo, "rev-parse", "HEAD"))
    git(repo, "reset", "-q", "--hard", oid)
    return oid


@pytest.fixture
def place(repo: Path, base: str) -> Path:
    """A worktree, detached at the base."""
    linked = repo.parent / "linked"
    worktrees.add(Git(repo), linked, commit=base)
    return linked


def hook(repo: Path, script: str) -> None:
    path = repo / ".git" / "hooks" / "pre-commit"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_exactly_the_given_paths_are_committed(base: str, place: Path) -> None:
    odd = ["*", "with\nnewline", '"quoted"']
    for name in (*odd, "other", "b"):
        (place / name).write_text("x\n")
    (place / "a").unlink()
    git(place, "add", "b")
    made = commit_paths(place, [*odd, "a"], "Do it\n", ME)
    assert made == git(place, "rev-parse", "HEAD")
    names = git(place, "diff-tree", "-r", "-z", "--name-only", base, "HEAD").split("\0")
    assert sorted(names) == sorted([*odd, "a", ""])
    assert sorted(changed_paths(place)) == ["b", "other"]
    assert (
        git(place, "log", "-1", "--format=%an %ae|%cn|%s")
        == "Builder builder@example.invalid|Tester|Do it"
    )


def test_nothing_to_commit_is_none(base: str, place: Path) -> None:
    assert commit_paths(place, [], "x", ME) is None
    assert commit_paths(place, ["a"], "x", ME) is None
    assert git(place, "rev-parse", "HEAD") == base


def test_a_merge_under_way_is_committed_with_both_parents(
    repo: Path, base: str, place: Path
) -> None:
    theirs = commit(repo, {"b": "theirs\n"}, base)
    (place / "a").write_text("ours\n")
    git(place, "commit", "-q", "-am", "ours")
    git(place, "merge", "-q", "--no-commit", theirs)
    assert commit_paths(place, ["b"], "merge", ME)
    assert git(place, "rev-parse", "HEAD^2") == theirs


def test_the_users_hook_can_refuse_the_commit(repo: Path, base: str, place: Path) -> None:
    hook(repo, "echo lint: line 7 is ugly; exit 1")
    (place / "a").write_text("ugly\n")
    with pytest.raises(GitError, match="lint: line 7 is ugly"):
        commit_paths(place, ["a"], "x", ME)
    assert git(place, "rev-parse", "HEAD") == base
    assert (place / "a").read_text() == "ugly\n"


def test_a_commit_never_fails_for_want_of_an_identity(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(place, "config", "user.useConfigOnly", "true")
    (place / "a").write_text("x\n")
    assert commit_paths(place, ["a"], "x", ME)
    assert git(place, "log", "-1", "--format=%an|%cn") == "Builder|gitcoord"


FORMAT = "grep -q ' $' a || exit 0; sed -i 's/ *$//' a; echo reformatted a"


@pytest.mark.parametrize("script", [f"{FORMAT}; exit 1", f"{FORMAT}; git add a; exit 1", FORMAT])
def test_a_hook_that_formats_gets_a_second_commit(
    repo: Path, base: str, place: Path, script: str
) -> None:
    hook(repo, script)
    (place / "a").write_text("x = 1  \n")
    made = commit_paths(place, ["a"], "x", ME)
    assert git(place, "show", f"{made}:a") == "x = 1"
    assert changed_paths(place) == []


def test_a_hook_that_never_is_content_ends_after_two(repo: Path, base: str, place: Path) -> None:
    hook(repo, "echo more >> a; exit 1")
    (place / "a").write_text("x\n")
    with pytest.raises(GitError):
        commit_paths(place, ["a"], "x", ME)
    assert (place / "a").read_text() == "x\nmore\nmore\n"


def test_a_path_outside_the_sparse_cone_is_committed(place: Path) -> None:
    git(place, "sparse-checkout", "set", "--cone", "src")
    (place / "deep").mkdir()
    (place / "deep" / "file").write_text("x\n")
    (place / "other").write_text("staged\n")
    git(place, "add", "--sparse", "other")
    assert commit_paths(place, ["deep/file"], "x", ME)
    assert git(place, "show", "--name-only", "--format=", "HEAD") == "deep/file"


def test_a_hook_that_hangs_is_ended_when_the_caller_is(repo: Path, base: str, place: Path) -> None:
    hook(repo, f"touch {repo}/begun; exec sleep 987")
    (place / "a").write_text("x\n")
    stop = threading.Event()

    def is_over() -> bool:
        if (repo / "begun").exists():
            stop.set()
        return stop.is_set()

    with pytest.raises(UnavailableError, match="interrupted"):
        commit_paths(place, ["a"], "x", ME, is_over)
    assert git(place, "rev-parse", "HEAD") == base
