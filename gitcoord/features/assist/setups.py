"""Plan what an assistant needs in its settings, and what takes it away again.

By default nothing tracked changes: Claude's local settings and Codex's hooks
of the main checkout, and a profile in each agent's worktree. No trust is
ever written: the person at the machine gives it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from gitcoord.core import codex_profile, hook_commands, instructions, mcp_settings, settings_text
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.hashing import sha256
from gitcoord.core.layout import SETTINGS
from gitcoord.core.settings_text import SettingsError
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.assist import mcp_setups
from gitcoord.features.assist.file_changes import FileChange, read_text
from gitcoord.features.workspace import Workspace
from gitcoord.git.places import discover
from gitcoord.git.worktrees import list_all
from gitcoord.ledger.files import read_json, write_json

__all__ = [
    "Planned",
    "Scope",
    "agents_worktrees",
    "excluded",
    "main_checkout",
    "own_program",
    "plan_agents_md",
    "plan_claude",
    "plan_codex",
    "remember",
    "settings_change",
]

Scope = Literal["local", "project", "user"]
Member = tuple[tuple[str, ...], dict[str, Any]]
"""The keys that lead to an object of a settings file, and that object."""
CLAUDE_BLOCK = Path(".claude") / "rules" / "gitcoord-agents.md"
EXCLUDED = {
    "claude": ("/.claude/settings.local.json", f"/{CLAUDE_BLOCK}", "/.claude/worktrees/"),
    "codex": ("/.codex/hooks.json", "/.codex/config.toml"),
    "gemini": ("/.gemini/settings.json",),
    "copilot": ("/.github/hooks/gitcoord.json",),
    "opencode": ("/opencode.json",),
}
"""What git is to pass over, for each assistant, where nothing tracked changes."""


class Planned(NamedTuple):
    """Files to change, containers made in them, and what only a person can do."""

    changes: list[FileChange]
    made: dict[str, list[list[str]]]
    advice: list[str]

    @property
    def has_new_hooks(self) -> bool:
        """Return whether hooks change by this, so that a person has to confirm them."""
        return any(one.is_needed and str(one.path) in self.made for one in self.changes)


def plan_claude(
    work: Workspace, scope: Scope, *, is_removal: bool, has_mcp: bool = False
) -> Planned:
    """Plan Claude's hooks, permissions and instructions, and the MCP server if asked.

    Raises:
        UsageError: A file cannot be edited; it is named, with its line.
        RefusedError: The servers of others stand where ours would.

    """
    main = main_checkout(work)
    has_mcp = has_mcp or mcp_setups.is_entered(main, "claude")
    if scope == "user":
        folder = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
        settings, block = folder / SETTINGS, folder / "CLAUDE.md"
    elif scope == "project":
        settings, block = main / ".claude" / SETTINGS, main / "CLAUDE.md"
    else:
        settings, block = main / ".claude" / "settings.local.json", main / CLAUDE_BLOCK
    items = [
        (("hooks", event), group)
        for event, group in hook_commands.claude_hooks(
            own_program(scope), is_for_one_project=scope != "user"
        )
    ]
    rules = [(("permissions", "allow"), rule) for rule in hook_commands.CLAUDE_ALLOW]
    rules += [(("permissions", "ask"), rule) for rule in hook_commands.CLAUDE_ASK]
    if has_mcp:
        rules.append((("permissions", "allow"), mcp_settings.CLAUDE_TOOLS))
    change, made = settings_change(work, settings, [*items, *rules], is_removal=is_removal)
    changes = [change, _block_change(block, is_removal=is_removal)]
    if has_mcp or is_removal:
        places = [main]
        if scope == "local":
            places += agents_worktrees(work)
        changes += mcp_setups.claude_changes(
            places, scope, own_program(scope), is_removal=is_removal
        )
    advice = []
    if not is_removal:
        advice = _claude_advice(has_mcp=has_mcp)
    return Planned(changes, {str(settings): made}, advice)


def plan_codex(
    work: Workspace, scope: Scope, *, is_removal: bool, has_mcp: bool = False
) -> Planned:
    """Plan Codex's hooks, and a permission profile for each agent's worktree.

    The MCP server is put beside the profiles, if that is asked.

    Raises:
        UsageError: A file cannot be edited; it is named, with its line.
        RefusedError: A worktree's configuration chooses permissions itself.

    """
    main = main_checkout(work)
    folder = main / ".codex"
    if scope == "user":
        folder = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")
    hooks = folder / "hooks.json"
    items = [
        (("hooks", event), group) for event, group in hook_commands.codex_hooks(own_program(scope))
    ]
    change, made = settings_change(work, hooks, items, is_removal=is_removal)
    has_mcp = has_mcp or mcp_setups.is_entered(main, "codex")
    server = ""
    if has_mcp and not is_removal:
        server = own_program(scope)
    changes = [change, *mcp_setups.codex_changes(folder, server)]
    for place in agents_worktrees(work):
        server_here = server
        if scope != "local":
            server_here = ""
        changes.append(_profile_change(place, is_removal=is_removal, server=server_here))
    if scope != "local":
        if scope == "user":
            block = folder / "AGENTS.md"
        else:
            block = main / "AGENTS.md"
        changes.append(_block_change(block, is_removal=is_removal))
    return Planned(changes, {str(hooks): made}, [] if is_removal else _codex_advice())


def plan_agents_md(work: Workspace, *, is_removal: bool) -> Planned:
    """Plan the instruction block in the repository's ``AGENTS.md``.

    Raises:
        UsageError: The file cannot be edited.

    """
    change = _block_change(main_checkout(work) / "AGENTS.md", is_removal=is_removal)
    return Planned([change], {}, [])


def excluded(what: str, planned: Planned) -> list[str]:
    """Return what git is to pass over of an assistant's files; no file that is not ours."""
    found = [*EXCLUDED.get(what, ())]
    for name in (mcp_setups.SERVERS, mcp_setups.SERVERS_OF_COPILOT):
        if any(str(change.path).endswith(f"/{name}") for change in planned.changes):
            found.append(f"/{name}")
    return found


def remember(work: Workspace, planned: Planned) -> None:
    """Keep which containers were made, so that removal can tell ours from the user's."""
    for path, made in planned.made.items():
        write_json(_record(work, Path(path)), {"made": made})


def agents_worktrees(work: Workspace) -> list[Path]:
    """Return the linked worktrees that belong to an agent."""
    found = []
    for one in list_all(work.git):
        if not one.path.is_dir():
            continue
        place = discover(one.path)
        if not place.is_main and (place.git_dir / "gitcoord" / "agent.json").exists():
            found.append(one.path)
    return found


def main_checkout(work: Workspace) -> Path:
    """Return the main checkout.

    Raises:
        RefusedError: There is none (reason ``bare``).

    """
    if work.place.main_worktree is None:
        raise RefusedError(
            "this repository has no main checkout to keep settings in",
            reason="bare",
            hint="use --user",
        )
    return work.place.main_worktree


def own_program(scope: Scope) -> str:
    """Return how a hook starts gitcoord: by its place, but in files that are shared."""
    beside = Path(sys.argv[0]).absolute()
    if scope == "project":
        return "gitcoord"
    if beside.name == "gitcoord" and beside.exists():
        return str(beside)
    return shutil.which("gitcoord") or str(Path(sys.executable).with_name("gitcoord"))


def _record(work: Workspace, path: Path) -> Path:
    name = sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return work.place.common_dir / "gitcoord" / "setup" / f"{name}.json"


def settings_change(
    work: Workspace,
    path: Path,
    items: Sequence[tuple[tuple[str, ...], Any]],
    *,
    is_removal: bool,
    server: Member | None = None,
) -> tuple[FileChange, list[list[str]]]:
    """Plan one settings file: what is ours is taken out, and put in anew.

    ``items`` go into arrays, and ``server`` is the MCP server if it is
    entered there.
    """
    before = read_text(path)
    known = (read_json(_record(work, path)) or {}).get("made")
    made: list[list[str]] = []
    if isinstance(known, list):
        made = known
    try:
        if _has_all(before, items, server) and not is_removal:
            return FileChange(path, before, before, "hooks and permissions"), made
        text = _without_ours(before or "{}\n", known)
        if is_removal:
            is_empty = settings_text.value_of(settings_text.parse_settings(text)) == {}
            after: str | None = text
            if is_empty and (before is None or [] in made):
                after = None
            return FileChange(path, before, after, "our hooks and permissions"), []
        made = []
        if before is None:
            made.append([])
        # First, so that a complaint names the user's own line.
        if server is not None:
            text, new = settings_text.put(text, *server)
            made += [list(one) for one in new]
        # What is put in last stands first.
        for place, item in reversed(items):
            text, new = settings_text.add(text, place, item)
            made += [list(one) for one in new]
    except SettingsError as error:
        raise UsageError(
            f"{path}, line {error.line}: {error}",
            hint="correct that file, or move it away; nothing was changed",
        ) from None
    return FileChange(path, before, text, "hooks and permissions"), made


def _has_all(
    text: str | None,
    items: Sequence[tuple[tuple[str, ...], Any]],
    server: Member | None,
) -> bool:
    if text is None:
        return False
    if server is not None and not settings_text.has_member(text, *server):
        return False
    return all(settings_text.has(text, place, item) for place, item in items)


def _without_ours(text: str, made: object) -> str:
    """Return settings without anything of ours, of any release."""
    containers = None
    if isinstance(made, list):
        containers = [tuple(map(str, one)) for one in made]
    root = settings_text.value_of(settings_text.parse_settings(text))
    hooks = root.get("hooks")
    for event in list(hooks) if isinstance(hooks, dict) else []:
        place = ("hooks", event)
        text = settings_text.remove(text, place, hook_commands.is_our_hook, containers).text
    text = settings_text.remove(text, ("plugin",), hook_commands.is_our_plugin, containers).text
    for server in (mcp_settings.SERVER, mcp_settings.SERVER_OF_OPENCODE):
        text = settings_text.take(text, server, mcp_settings.is_our_server, containers).text
    ours = {*hook_commands.CLAUDE_ALLOW, *hook_commands.CLAUDE_ASK, mcp_settings.CLAUDE_TOOLS}
    for name in ("allow", "ask"):
        place = ("permissions", name)
        text = settings_text.remove(
            text, place, lambda rule: isinstance(rule, str) and rule in ours, containers
        ).text
    return text


def _block_change(path: Path, *, is_removal: bool) -> FileChange:
    before = read_text(path)
    after: str | None = instructions.without_block(before or "") or None
    if not is_removal:
        after = instructions.with_block(before or "")
    return FileChange(path, before, after, "the instruction block")


def _profile_change(place: Path, *, is_removal: bool, server: str) -> FileChange:
    """Plan the profile of one worktree; Codex loads nothing where there is no folder.

    ``server`` is the program of the MCP server, where that is entered too.
    """
    path = place / ".codex" / "config.toml"
    before = read_text(path)
    found = discover(place)
    try:
        after: str | None = codex_profile.without_profile(before or "")
        after = mcp_settings.without_server(after or "") or None
        if not is_removal:
            after = codex_profile.with_profile(
                after or "", str(found.common_dir), str(found.git_dir)
            )
            if server:
                after = mcp_settings.with_server(after, server)
    except ValueError as error:
        raise RefusedError(
            f"{path}: {error}",
            reason="exists",
            hint="take that out, or start Codex with a profile of your own",
        ) from None
    return FileChange(path, before, after, f"the permission profile of {place.name}")


def _claude_advice(*, has_mcp: bool) -> list[str]:
    advice = [
        "Claude asks once, in its terminal, whether you trust the folder, and chooses `No, exit` "
        "at first: these hooks run once you trust it; with -p it asks nothing"
    ]
    if has_mcp:
        advice.append(
            "then it asks whether to use the MCP server gitcoord, and chooses to go on without it "
            "at first"
        )
    return advice


def _codex_advice() -> list[str]:
    return [
        "Codex asks at its first start whether you trust the folder, and then whether you trust "
        "these hooks (later under /hooks); until you do they are silently off, and `gitcoord "
        "doctor` says so",
        "a worktree that is added later gets its profile by `gitcoord agent add ID --assistant "
        "codex`, or by `gitcoord setup codex` once more",
        f"a profile cannot deny this: {'; '.join(codex_profile.NOT_DENIED)}",
    ]
