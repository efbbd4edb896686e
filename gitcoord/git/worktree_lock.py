"""Let one process at a time change the list of worktrees."""

from __future__ import annotations

from contextlib import AbstractContextManager

from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.host.lock_files import locked

__all__ = ["exclusive"]


def exclusive(git: Git, timeout_s: float) -> AbstractContextManager[int]:
    """Hold the worktrees' lock, and yield its handle.

    A git that inherits the handle holds the lock on after our death.

    Raises:
        UnavailableError: It was not free in time, or cannot be opened.

    """
    path = discover(git.cwd).common_dir / "gitcoord" / "worktrees.lock"
    return locked(path, timeout_s, "the worktrees", "check whether .git can be written")
