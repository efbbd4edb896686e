"""Find where an assistant stands, without what other commands load for it.

A hook runs at every tool call; the full search costs more than the answer.
"""

from __future__ import annotations

import json
import os

from gitcoord.core.shapes import NamedTuple

__all__ = ["BRIEFED", "Standing", "agent_marker", "read_small", "standing_at", "top_above"]

MAX_BYTES = 1024 * 1024
BRIEFED = "GITCOORD_BRIEFED"
"""Set where the prompt of a session has the brief already."""
_join = os.path.join


class Standing(NamedTuple):
    """A worktree's folder, its private git directory, and the common one."""

    top: str
    git_dir: str
    common_dir: str

    @property
    def is_linked(self) -> bool:
        """Whether this is a linked worktree."""
        return self.git_dir != self.common_dir


def top_above(folder: str) -> str:
    """Return the nearest folder above that holds ``.git``; nothing if none does."""
    here = os.path.abspath(folder or ".")
    while not os.path.lexists(_join(here, ".git")):
        above = os.path.dirname(here)
        if above == here:
            return ""
        here = above
    return here


def standing_at(top: str) -> Standing | None:
    """Return where the worktree with this folder keeps its files, if it is one."""
    dot_git = _join(top, ".git")
    if os.path.isdir(dot_git):
        return Standing(top, dot_git, dot_git)
    link = _line(dot_git)
    if not link.startswith("gitdir:"):
        return None
    git_dir = os.path.normpath(_join(top, link.removeprefix("gitdir:").strip()))
    common = _line(_join(git_dir, "commondir"))
    return Standing(top, git_dir, os.path.normpath(_join(git_dir, common)) if common else git_dir)


def agent_marker(standing: Standing) -> dict[str, object]:
    """Return whose worktree this is: agent, ledger, and subagent if it is one's."""
    return read_small(_join(standing.git_dir, "gitcoord", "agent.json"))


def _line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline(8192).strip()
    except OSError:
        return ""


def read_small(path: str) -> dict[str, object]:
    """Return the object in a small JSON file; an empty one where it is not whole."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if isinstance(found, dict):
        return found
    return {}
