"""Find the way out where ``.git`` cannot be written, by what runs us.

Coding assistants run commands in sandboxes, some of which leave ``.git``
readable alone. Reading goes on there; a write says at once what helps.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitcoord.host.remedies import remedy

__all__ = ["way_out"]


def way_out(environment: Mapping[str, str]) -> str:
    """Return what helps where ``.git`` cannot be written."""
    if environment.get("CODEX_SESSION_ID") or environment.get("CODEX_SANDBOX_NETWORK_DISABLED"):
        return (
            "Codex's sandbox leaves .git readable alone: `gitcoord setup codex`, run outside of "
            "it, writes a permission profile for each worktree, and with --mcp enters a server "
            "that acts outside of the sandbox, as hooks do"
        )
    if environment.get("CLAUDE_CODE_SESSION_ID"):
        return (
            "Claude's sandbox lets a linked worktree write .git: work in the agent's own worktree "
            "(`gitcoord agent add ID --assistant claude` makes one), or run `gitcoord setup "
            "claude --mcp` outside of it: the server acts outside of the sandbox, as hooks do"
        )
    return remedy("Permission denied")
