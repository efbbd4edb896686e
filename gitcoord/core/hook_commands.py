"""Write the shell commands that assistants run as hooks, and their settings.

Pure. The text is the same from release to release: an assistant that asks
its user to trust a hook would ask again after every change. It is ``sh`` that
looks for the worktree's own files first, so that outside of a claim a tool
call costs no Python.
"""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import quote

__all__ = [
    "AGENT_COMMANDS",
    "CLAUDE_ALLOW",
    "CLAUDE_ASK",
    "claude_hooks",
    "codex_hooks",
    "copilot_hooks",
    "gemini_hooks",
    "is_our_command",
    "is_our_hook",
    "is_our_plugin",
    "opencode_plugin",
]

AGENT_COMMANDS = (
    "start",
    "claim",
    "progress",
    "beat",
    "complete",
    "hand-in",
    "fail",
    "release",
    "brief",
    "status",
    "show",
    "tasks",
    "note",
    "widen",
    "why",
    "overlaps",
    "escalate",
    "task propose",
    "review",
)
"""What an assistant may run without being asked: an agent's own commands."""
CLAUDE_ALLOW = tuple(
    rule
    for name in AGENT_COMMANDS
    for rule in (f"Bash(gitcoord {name})", f"Bash(gitcoord {name} *)")
)
CLAUDE_ASK = tuple(
    f"Bash(gitcoord *{option}*)" for option in (" --as-orchestrator", " -C ", " -C=")
)
"""Options that leave the agent's own place: its user is asked, whatever the command."""
TIMEOUT_S = 30
_PLUGIN = "/opencode/gitcoord.js"
_SETTINGS_OF = ("claude", "codex", "gemini")
"""Whose settings hold hooks of ours among others."""
MAX_CODEX_END_S = 3
"""Codex gives the end of a session no longer, and knows such a hook by what it gave."""

_FIND = (
    'd=$PWD; until [ -e "$d/.git" ] || [ -z "$d" ]; do d=${d%/*}; done; g=$d/.git; '
    '[ -d "$g" ] || { [ -f "$g" ] || exit 0; read -r _ g < "$g"; }; '
    "case $g in /*) ;; *) g=$d/$g ;; esac; "
)
"""Finds the worktree (d) and its git directory (g), without starting git."""
_IN_CLAIM = '"$g"/gitcoord/claims/*/*.json "$g"/gitcoord/reviews/*/*.json "$g"/gitcoord/unbound'


def _in_claim(call: str, *, is_closed: bool) -> str:
    """Ask gitcoord where a claim is held; before an edit, fail closed."""
    end = "|| exit 0"
    if is_closed:
        end = "|| exit 2"
    return (
        f'{_FIND}for m in {_IN_CLAIM}; do [ ! -e "$m" ] || {{ {call} "$d" {end}; exit 0; }}; done'
    )


def _of_agent(call: str) -> str:
    """Ask gitcoord in an agent's worktree, with a claim or without."""
    return f'{_FIND}[ ! -e "$g"/gitcoord/agent.json ] || {call} "$d" || exit 0'


def _of_lead(call: str) -> str:
    """Ask gitcoord where no claim is held: in the claim's worktree another hook does."""
    return f'{_FIND}for m in {_IN_CLAIM}; do [ ! -e "$m" ] || exit 0; done; {call} "$d" || exit 0'


def _shell(script: str) -> str:
    return f"sh -c {shlex.quote(script)}"


def _group(script: str, matcher: str = "", timeout: int = TIMEOUT_S) -> dict[str, Any]:
    handler = {"type": "command", "command": _shell(script), "timeout": timeout}
    if not matcher:
        return {"hooks": [handler]}
    return {"matcher": matcher, "hooks": [handler]}


def claude_hooks(program: str, *, is_for_one_project: bool) -> list[tuple[str, dict[str, Any]]]:
    """Return Claude's events, each with the group that is ours.

    Making worktrees is left to Claude where the settings count for every
    repository of the user's: such a hook takes the place of its own way.
    """
    call = f"{shlex.quote(program)} hook claude"
    found = [
        ("SessionStart", _group(_of_agent(call))),
        ("SessionEnd", _group(_of_agent(call))),
        ("PreToolUse", _group(_in_claim(call, is_closed=True))),
        ("PostToolUse", _group(_in_claim(call, is_closed=False))),
        ("PostToolUseFailure", _group(_in_claim(call, is_closed=False))),
        ("Stop", _group(_in_claim(call, is_closed=False))),
        ("SubagentStop", _group(_in_claim(call, is_closed=False))),
    ]
    if is_for_one_project:
        found += [
            ("PreToolUse", _group(_of_lead(call), "Agent|Task")),
            ("WorktreeCreate", _group(f'{call} "$PWD"')),
            ("WorktreeRemove", _group(f'{call} "$PWD" || exit 0')),
        ]
    return found


def codex_hooks(program: str) -> list[tuple[str, dict[str, Any]]]:
    """Return Codex's events, each with the group that is ours."""
    call = f"{shlex.quote(program)} hook codex"
    return [
        ("SessionStart", _group(_of_agent(call))),
        ("SessionEnd", _group(_of_agent(call), timeout=MAX_CODEX_END_S)),
        ("PreToolUse", _group(_in_claim(call, is_closed=True))),
        ("PostToolUse", _group(_in_claim(call, is_closed=False))),
        ("Stop", _group(_in_claim(call, is_closed=False))),
        ("SubagentStop", _group(_in_claim(call, is_closed=False))),
    ]


def gemini_hooks(program: str) -> list[tuple[str, dict[str, Any]]]:
    """Return Gemini's events, each with the group that is ours; it counts in milliseconds."""
    call = f"{shlex.quote(program)} hook gemini"
    timeout_ms = TIMEOUT_S * 1000
    return [
        ("SessionStart", _group(_of_agent(call), timeout=timeout_ms)),
        ("SessionEnd", _group(_of_agent(call), timeout=timeout_ms)),
        ("BeforeTool", _group(_in_claim(call, is_closed=True), timeout=timeout_ms)),
        ("AfterTool", _group(_in_claim(call, is_closed=False), timeout=timeout_ms)),
        ("AfterAgent", _group(_in_claim(call, is_closed=False), timeout=timeout_ms)),
    ]


def copilot_hooks(program: str) -> dict[str, Any]:
    """Return a file of Copilot's hooks, in its own dialect: all of it is ours."""
    call = f"{shlex.quote(program)} hook copilot"
    scripts = {
        "sessionStart": _of_agent(call),
        "sessionEnd": _of_agent(call),
        "preToolUse": _in_claim(call, is_closed=True),
        "postToolUse": _in_claim(call, is_closed=False),
        "agentStop": _in_claim(call, is_closed=False),
    }
    hooks = {
        event: [{"type": "command", "bash": script, "timeoutSec": TIMEOUT_S}]
        for event, script in scripts.items()
    }
    return {"version": 1, "hooks": hooks}


def is_our_hook(group: object) -> bool:
    """Return whether a group of handlers in an assistant's settings is ours."""
    if not isinstance(group, dict):
        return False
    handlers = group.get("hooks")
    if not isinstance(handlers, list) or not handlers:
        return False
    return all(isinstance(one, dict) and is_our_command(one.get("command")) for one in handlers)


def is_our_command(command: object) -> bool:
    """Return whether a hook's command is one that we wrote, in any release."""
    if not isinstance(command, str) or not command.startswith("sh -c "):
        return False
    return "gitcoord" in command and any(f" hook {name} " in command for name in _SETTINGS_OF)


def opencode_plugin(program: str, folder: str) -> list[Any]:
    """Return the entry of OpenCode's settings that names our plugin, in the templates' folder."""
    return [f"file://{quote(folder)}{_PLUGIN}", {"program": program}]


def is_our_plugin(entry: object) -> bool:
    """Return whether a plugin of OpenCode's settings is ours, of any release and place."""
    named = entry[0] if isinstance(entry, list) and entry else entry
    return isinstance(named, str) and named.startswith("file://") and named.endswith(_PLUGIN)
