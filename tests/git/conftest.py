"""A repository with some files, and a worktree of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.git import worktrees
from gitcoord.git.program import Git
from tests.git.building import commit, git


@pytest.fixture
def base(repo: Path) -> str:
    oid = commit(repo, {"a": "a\n", "b": "b\n", "deep/c": "c\n"}, git(repo, "rev-parse", "HEAD"))
    git(repo, "reset", "-q", "--hard", oid)
    return oid


@pytest.fixture
def place(repo: Path, base: str) -> Path:
    """A worktree, detached at the base."""
    linked = repo.parent / "linked"
    worktrees.add(Git(repo), linked, commit=base)
    return linked
