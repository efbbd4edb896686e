"""Plan the hooks of Gemini CLI and Copilot CLI, and OpenCode's plugin; and what takes them away.

They read a worktree's own files alone, so each agent's worktree gets them
beside the main checkout.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from gitcoord.core import hook_commands, mcp_settings
from gitcoord.core.errors import RefusedError
from gitcoord.features.assist.file_changes import FileChange, read_text
from gitcoord.features.assist.mcp_setups import has_our_server
from gitcoord.features.assist.setups import (
    Planned,
    Scope,
    agents_worktrees,
    main_checkout,
    own_program,
    settings_change,
)
from gitcoord.features.workspace import Workspace
from gitcoord.git.exclusions import is_tracked
from gitcoord.host.shipped import shipped

__all__ = ["plan_copilot", "plan_gemini", "plan_opencode"]

_HOOKS_OF_COPILOT = Path("hooks") / "gitcoord.json"
_SERVERS_OF_A_WORKTREE = "mcp.json"
_SERVERS_OF_THE_USER = "mcp-config.json"
"""Copilot's files of servers."""
_SETTINGS_OF_OPENCODE = "opencode.json"
_PLUGIN_OF_OPENCODE = Path(".opencode") / "plugin" / "gitcoord.js"


def _folders(work: Workspace, scope: Scope, own: Path, inside: str) -> list[Path]:
    """Return the folders whose settings a scope is about."""
    if scope == "user":
        return [own]
    places = [main_checkout(work)]
    if scope == "local":
        places += agents_worktrees(work)
    return [place / inside for place in places]


def plan_gemini(
    work: Workspace, scope: Scope, *, is_removal: bool, has_mcp: bool = False
) -> Planned:
    """Plan Gemini's hooks, and the MCP server if that is asked.

    Raises:
        UsageError: A file cannot be edited; it is named, with its line.
        RefusedError: Git tracks the file that would change on this machine alone.

    """
    program = own_program(scope)
    items = [(("hooks", event), group) for event, group in hook_commands.gemini_hooks(program)]
    folders = _folders(work, scope, Path.home() / ".gemini", ".gemini")
    paths = [folder / "settings.json" for folder in folders]
    server = None
    if has_mcp or has_our_server(paths[0], mcp_settings.SERVER):
        server = (mcp_settings.SERVER, mcp_settings.gemini_server(program))
    changes: list[FileChange] = []
    made: dict[str, list[list[str]]] = {}
    for path in paths:
        change, new = settings_change(work, path, items, is_removal=is_removal, server=server)
        _require_untracked(change, scope, is_removal=is_removal)
        changes.append(change)
        made[str(path)] = new
    return Planned(changes, made, [] if is_removal else _GEMINI_ADVICE)


def _require_untracked(change: FileChange, scope: Scope, *, is_removal: bool) -> None:
    """Refuse to name a place on this machine in a file that git tracks.

    Raises:
        RefusedError: That file would change (reason ``tracked``).

    """
    path = change.path
    if is_removal or scope != "local" or not change.is_needed or not path.exists():
        return
    if is_tracked(path.parent, path.name):
        raise RefusedError(
            f"{path} is tracked, and would name a place on this machine",
            reason="tracked",
            hint="use --user, for all repositories, or --project to change what is shared",
        )


def plan_copilot(
    work: Workspace, scope: Scope, *, is_removal: bool, has_mcp: bool = False
) -> Planned:
    """Plan Copilot's hooks, a file that is ours as a whole, and the MCP server if that is asked.

    Raises:
        UsageError: A file cannot be edited; it is named, with its line.
        RefusedError: A file of that name is somebody else's, or git tracks
            one that would change on this machine alone.

    """
    own = Path(os.environ.get("COPILOT_HOME") or Path.home() / ".copilot")
    text = json.dumps(hook_commands.copilot_hooks(own_program(scope)), indent=2) + "\n"
    changes: list[FileChange] = []
    for folder in _folders(work, scope, own, ".github"):
        path = folder / _HOOKS_OF_COPILOT
        changes.append(_own_file(path, text, " hook copilot ", is_removal=is_removal))
    made: dict[str, list[list[str]]] = {str(changes[0].path): []}
    name = _SERVERS_OF_A_WORKTREE
    if scope == "user":
        name = _SERVERS_OF_THE_USER
    paths = [folder / name for folder in _folders(work, scope, own, ".github")]
    if has_mcp or is_removal or has_our_server(paths[0], mcp_settings.SERVER):
        server = (mcp_settings.SERVER, mcp_settings.copilot_server(own_program(scope)))
        for path in paths:
            change, new = settings_change(work, path, [], is_removal=is_removal, server=server)
            _require_untracked(change, scope, is_removal=is_removal)
            changes.append(change._replace(what="the MCP server"))
            made[str(path)] = new
    return Planned(changes, made, [] if is_removal else _COPILOT_ADVICE)


def _own_file(path: Path, text: str, mark: str, *, is_removal: bool) -> FileChange:
    """Plan a file that is ours as a whole; it is known by what every release wrote into it.

    Raises:
        RefusedError: A file of that name is somebody else's.

    """
    before = read_text(path)
    is_ours = before is None or mark in before
    if not is_ours and not is_removal:
        raise RefusedError(
            f"{path} holds hooks of somebody else",
            reason="exists",
            hint="give that file another name",
        )
    after: str | None = text
    if is_removal:
        after = None if is_ours else before
    return FileChange(path, before, after, "hooks")


def plan_opencode(
    work: Workspace, scope: Scope, *, is_removal: bool, has_mcp: bool = False
) -> Planned:
    """Plan the entry of our plugin, which lies where gitcoord is installed.

    The MCP server is entered beside it, if that is asked.

    What is shared names no place on this machine: a project gets the plugin
    itself.

    Raises:
        UsageError: A file cannot be edited; it is named, with its line.
        RefusedError: Git tracks the file that would change on this machine
            alone, or a plugin of that name is somebody else's.

    """
    program, folder = own_program(scope), str(shipped("templates"))
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "opencode"
    paths = [place / _SETTINGS_OF_OPENCODE for place in _folders(work, scope, own, "")]
    changes: list[FileChange] = []
    made: dict[str, list[list[str]]] = {}
    items = [(("plugin",), hook_commands.opencode_plugin(program, folder))]
    if scope == "project":
        plugin = main_checkout(work) / _PLUGIN_OF_OPENCODE
        text = (Path(folder) / "opencode" / plugin.name).read_text("utf-8")
        changes.append(_own_file(plugin, text, " hook opencode", is_removal=is_removal))
        items = []
    server = None
    if has_mcp or has_our_server(paths[0], mcp_settings.SERVER_OF_OPENCODE):
        server = (mcp_settings.SERVER_OF_OPENCODE, mcp_settings.opencode_server(program))
    if not items and server is None:
        paths = []
    for path in paths:
        change, new = settings_change(work, path, items, is_removal=is_removal, server=server)
        _require_untracked(change, scope, is_removal=is_removal)
        changes.append(change._replace(what="the plugin"))
        made[str(path)] = new
    return Planned(changes, made, [] if is_removal else _OPENCODE_ADVICE)


_OPENCODE_ADVICE = [
    "OpenCode installs its own plugin package into ~/.config/opencode when it first loads a "
    "plugin, and needs the network for that",
]
_GEMINI_ADVICE = [
    "Gemini loads hooks of a folder that it trusts: say so when it asks, or set "
    "GEMINI_CLI_TRUST_WORKSPACE=true",
    "its shell passes over ~/.gitconfig and git's own hooks: give the repository user.name and "
    "user.email of its own",
]
_COPILOT_ADVICE = [
    "Copilot loads hooks of a folder that it trusts: say so when it asks, or give --trust-folder",
    "it runs hooks of .claude/settings.local.json too: what is set up for Claude is answered once",
]
