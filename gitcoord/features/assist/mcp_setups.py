"""Plan where the MCP server is entered, so that an assistant starts it itself.

A file of servers that somebody else keeps is not edited: what enters ours
there is told instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gitcoord.core import mcp_settings, settings_text
from gitcoord.core.errors import RefusedError
from gitcoord.core.settings_text import SettingsError
from gitcoord.features.assist.file_changes import FileChange, read_text

__all__ = [
    "SERVERS",
    "SERVERS_OF_COPILOT",
    "claude_changes",
    "codex_changes",
    "has_our_server",
    "is_entered",
]

SERVERS = ".mcp.json"
"""Where Claude looks for servers, in the worktree that it is started in."""
SERVERS_OF_COPILOT = ".github/mcp.json"
"""Where Copilot looks for servers of a worktree, beside Claude's file."""
_WHAT = "the MCP server"


def is_entered(main: Path, assistant: str) -> bool:
    """Return whether the server was entered here: then it stays, and new worktrees get it."""
    if assistant == "claude":
        return mcp_settings.is_claude_servers(_text(main / SERVERS))
    text = _text(main / ".codex" / "config.toml")
    return mcp_settings.without_server(text) != text


def has_our_server(path: Path, place: tuple[str, str]) -> bool:
    """Return whether a settings file names our server at a place."""
    try:
        root = settings_text.value_of(settings_text.parse_settings(_text(path) or "{}"))
    except SettingsError:
        # Whoever is to edit that file names it, with the line.
        return False
    servers = root.get(place[0])
    return isinstance(servers, dict) and mcp_settings.is_our_server(servers.get(place[1]))


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    return read_text(path) or ""


def claude_changes(
    places: Iterable[Path], scope: str, program: str, *, is_removal: bool
) -> list[FileChange]:
    """Plan Claude's file of servers in each of these worktrees.

    Raises:
        RefusedError: The servers of others stand in such a file, or Claude
            alone keeps the file of that scope.

    """
    if scope == "user":
        if is_removal:
            return []
        raise RefusedError(
            "Claude keeps the servers of a user in a file of its own",
            reason="exists",
            hint=f"`claude mcp add --scope user gitcoord -- {program} mcp` enters this one",
        )
    changes = []
    for place in places:
        path = place / SERVERS
        before = read_text(path)
        is_ours = before is None or mcp_settings.is_claude_servers(before)
        if is_removal:
            after = None
            if not is_ours:
                after = before
            changes.append(FileChange(path, before, after, _WHAT))
            continue
        if not is_ours:
            raise RefusedError(
                f"{path} names other servers already",
                reason="exists",
                hint=f"`claude mcp add gitcoord -- {program} mcp`, run in {place}, enters this one",
            )
        changes.append(FileChange(path, before, mcp_settings.claude_servers(program), _WHAT))
    return changes


def codex_changes(folder: Path, program: str) -> list[FileChange]:
    """Plan the server in Codex's own configuration in a folder; taken out without a program.

    Raises:
        RefusedError: It has such a server of its own, or is not TOML.

    """
    path = folder / "config.toml"
    before = read_text(path)
    if before is None and not program:
        return []
    try:
        after: str | None = mcp_settings.without_server(before or "") or None
        if before == "":
            after = ""
        if program:
            after = mcp_settings.with_server(before or "", program)
    except ValueError as error:
        raise RefusedError(
            f"{path}: {error}",
            reason="exists",
            hint="take that out, or enter the server there yourself",
        ) from None
    if after == before:
        return []
    return [FileChange(path, before, after, _WHAT)]
