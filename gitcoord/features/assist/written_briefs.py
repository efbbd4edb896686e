"""Keep a brief in a file that assistants read, as long as its claim is held.

The file is never tracked: what it says is this worktree's alone. One that
somebody else wrote is left as it is.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gitcoord.core.errors import RefusedError, UnavailableError, UsageError
from gitcoord.core.ids import AgentId
from gitcoord.features.workspace import Workspace
from gitcoord.host.files import replace_file

__all__ = ["LOCAL", "RULES", "forget_brief", "write_brief"]

RULES = ".claude/rules/gitcoord.md"
"""Read by Claude beside everything else."""
LOCAL = "CLAUDE.local.md"
"""Read by Claude in place of ``AGENTS.md``, unless it names that file."""
_MARK = "<!-- gitcoord brief: written by `gitcoord brief --write`, removed with the claim -->\n"


def write_brief(worktree: Path, text: str, name: str = RULES) -> Path:
    """Write a brief into a worktree, and let git pass over the file.

    If it fails an earlier brief stays as it was.

    Raises:
        RefusedError: A file of somebody else's is there, or it is tracked.
        UsageError: A link leads out of the worktree.
        UnavailableError: It cannot be written.

    """
    from gitcoord.git.exclusions import exclude, is_tracked

    path = worktree / name
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(worktree)):
        raise UsageError(f"{path.parent} leads out of the worktree", hint="look at that link")
    if path.is_symlink() or (path.exists() and not _is_ours(path)):
        raise RefusedError(
            f"{path} is not a brief of gitcoord's",
            reason="exists",
            hint="move it away, or read `gitcoord brief` instead",
        )
    if is_tracked(worktree, name):
        raise RefusedError(
            f"{name} is tracked here", reason="tracked", hint="take it out of the index first"
        )
    exclude(worktree, f"/{name}")
    head = ""
    if name == LOCAL and (worktree / "AGENTS.md").exists():
        head = "@AGENTS.md\n\n"
    try:
        replace_file(path, (head + _MARK + text).encode())
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}", hint="check its owner and permissions"
        ) from None
    return path


def forget_brief(work: Workspace, agent: AgentId) -> None:
    """Remove the briefs in an agent's worktree; one that cannot be stays."""
    worktree = work.worktree_of(agent)
    if worktree is None:
        return
    for name in (RULES, LOCAL):
        path = worktree / name
        with suppress(OSError):
            if not path.is_symlink() and path.exists() and _is_ours(path):
                path.unlink()


def _is_ours(path: Path) -> bool:
    try:
        return _MARK in path.read_text("utf-8", "replace")[:4096]
    except OSError:
        return False
