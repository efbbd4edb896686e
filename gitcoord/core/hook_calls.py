"""Read what a coding assistant tells its hook, whichever assistant it is.

Four dialects become one form. Pure: bytes and the names that the caller
read from its surroundings go in; nothing is looked up. A tool of an unknown
name is read as well as it can be, for assistants gain tools more often than
gitcoord is released.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gitcoord.core.shapes import NamedTuple

__all__ = [
    "ASSISTANTS",
    "EDITS",
    "MAX_INPUT_BYTES",
    "HookCall",
    "UnreadableCallError",
    "acts_over_mcp",
    "begins_or_ends_claim",
    "gives_work",
    "may_take_long",
    "patched_paths",
    "read_call",
]

ASSISTANTS = ("claude", "codex", "copilot", "gemini", "opencode")
"""The assistants whose hooks are understood."""
MAX_INPUT_BYTES = 16 * 1024 * 1024
"""More than an editor writes in one call; what is larger is not read."""

_EVENTS = {
    "sessionstart": "session-start",
    "sessionend": "session-end",
    "userpromptsubmit": "prompt",
    "userpromptsubmitted": "prompt",
    "beforeagent": "prompt",
    "pretooluse": "before-tool",
    "beforetool": "before-tool",
    "posttooluse": "after-tool",
    "posttoolusefailure": "after-tool",
    "aftertool": "after-tool",
    "stop": "stop",
    "agentstop": "stop",
    "afteragent": "stop",
    "subagentstart": "subagent-start",
    "subagentstop": "subagent-stop",
    "worktreecreate": "worktree-create",
    "worktreeremove": "worktree-remove",
    "keep": "keep",  # our own: a watcher beside a long call asks for renewal
}
_PATH_KEYS = ("file_path", "notebook_path", "filePath", "path", "absolute_path")
_PATCH_KEYS = ("command", "input", "patch", "patchText")
_PATCH_LINE = r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+?)\r?$"
_SHELLS = frozenset(
    {"bash", "shell", "exec_command", "run_shell_command", "local_shell", "powershell"}
)
_READERS = frozenset(
    {
        "read",
        "read_file",
        "read_many_files",
        "view",
        "grep",
        "glob",
        "ls",
        "list",
        "lsp",
        "list_directory",
        "search_file_content",
        "search",
        "notebookread",
        "view_image",
    }
)
EDITS = "Edit|MultiEdit|Write|NotebookEdit"
"""Claude's tools that write files, as its settings match them."""
_ACTS = frozenset({"claim", "progress", "complete", "fail", "review"})
"""The tools over MCP that act for the agent in whose worktree the server stands."""
_CLAIMING = r"\bgitcoord\b[^;&|\n]*?\s(?:claim|complete|hand-in|fail|release)\b"


class UnreadableCallError(Exception):
    """Raised when a hook's input is not one event of an assistant."""


class HookCall(NamedTuple):
    """One event of an assistant, in the words that all of them share.

    ``kind`` is empty for an event that nothing is done about. ``paths`` are
    those that an edit names, as the assistant wrote them; ``is_edit`` tells
    an edit that names none from a tool that edits nothing.
    """

    kind: str
    event: str
    session: str
    cwd: str
    subagent: str = ""
    tool: str = ""
    call_id: str = ""
    paths: tuple[str, ...] = ()
    is_edit: bool = False
    command: str = ""
    source: str = ""
    name: str = ""
    prompt: str = ""
    transcript: str = ""
    turn: str = ""
    is_isolated: bool = False
    permission_mode: str = ""
    has_background: bool = False
    worktree: str = ""
    tool_input: dict[str, Any] = {}  # noqa: RUF012 - never changed; a named tuple's default


def read_call(content: bytes) -> HookCall:
    """Read one event from a hook's standard input.

    Raises:
        UnreadableCallError: It is empty, cut off, too large, not an object,
            or names no event.

    """
    if len(content) > MAX_INPUT_BYTES:
        raise UnreadableCallError(f"the hook's input has more than {MAX_INPUT_BYTES} bytes")
    if not content.strip():
        raise UnreadableCallError("the hook's input is empty")
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        raise UnreadableCallError("the hook's input is not valid JSON, or was cut off") from None
    if not isinstance(given, dict):
        raise UnreadableCallError("the hook's input is not a JSON object")
    event = _text(given, "hook_event_name", "hookEventName") or _implied_event(given)
    if not event:
        raise UnreadableCallError("the hook's input names no event")
    return _call(event, given)


def _implied_event(given: dict[str, Any]) -> str:
    """Return the event of a dialect that does not name it in its input."""
    if "toolResult" in given:
        return "postToolUse"
    if "toolName" in given:
        return "preToolUse"
    if "stopReason" in given:
        return "agentStop"
    if "initialPrompt" in given or "source" in given:
        return "sessionStart"
    return ""


def _call(event: str, given: dict[str, Any]) -> HookCall:
    tool = _text(given, "tool_name", "toolName")
    tool_input = _object(given.get("tool_input", given.get("toolArgs")))
    is_shell = tool.lower() in _SHELLS
    paths = _edited_paths(tool, tool_input)
    background = given.get("background_tasks")
    return HookCall(
        kind=_EVENTS.get(event.replace("_", "").lower(), ""),
        event=event,
        session=_text(given, "session_id", "sessionId"),
        cwd=_text(given, "cwd"),
        subagent=_text(given, "agent_id"),
        tool=tool,
        call_id=_text(given, "tool_use_id", "toolCallId"),
        paths=paths,
        is_edit=bool(paths) or tool.lower() in {"edit", "write", "apply_patch", "multiedit"},
        command=_text(tool_input, "command", "cmd") if is_shell else "",
        source=_text(given, "source", "trigger", "reason"),
        name=_text(given, "name"),
        prompt=_text(tool_input, "prompt") if tool in {"Agent", "Task"} else "",
        transcript=_text(given, "transcript_path", "transcriptPath"),
        turn=_text(given, "turn_id", "prompt_id") + "/" + _text(given, "last_assistant_message"),
        is_isolated=tool_input.get("isolation") == "worktree",
        permission_mode=_text(given, "permission_mode"),
        has_background=isinstance(background, list) and any(map(_is_running, background)),
        worktree=_text(given, "worktree_path"),
        tool_input=tool_input,
    )


def _text(given: dict[str, Any], *keys: str) -> str:
    for key in keys:
        value = given.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _object(value: object) -> dict[str, Any]:
    """Return a tool's input as an object; Copilot passes it as text, too."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(value, dict):
        return {}
    return value


def _is_running(task: object) -> bool:
    return isinstance(task, dict) and task.get("status") in {"running", "pending", "queued"}


def _edited_paths(tool: str, given: dict[str, Any]) -> tuple[str, ...]:
    """Return the paths that a tool is about to write, as far as it names them."""
    lower = tool.lower()
    if lower in _SHELLS or lower in _READERS:
        return ()
    if lower == "apply_patch":
        patches = [text for key in _PATCH_KEYS if isinstance(text := given.get(key), str)]
        return tuple(path for text in patches for path in patched_paths(text))
    if lower.startswith(("mcp_", "web")):
        return ()
    found = [text for key in _PATH_KEYS if isinstance(text := given.get(key), str) and text]
    return tuple(dict.fromkeys(found))


def patched_paths(patch: str) -> list[str]:
    """Return every path that a patch of Codex's form adds, changes or removes.

    Both names of a moved file count.
    """
    # Compiled when it is needed: a hook pays for what it loads.
    found = re.findall(_PATCH_LINE, patch, re.MULTILINE)
    return list(dict.fromkeys(path.strip() for path in found))


def begins_or_ends_claim(command: str) -> bool:
    """Return whether a shell command claims a task, or ends a claim.

    An early word to a subagent that shares its lead's worktree, not a wall:
    a command can be written in ways that no pattern sees.
    """
    return "gitcoord" in command and re.search(_CLAIMING, command) is not None


def acts_over_mcp(tool: str) -> bool:
    """Return whether a tool of the MCP server acts on a claim or a review.

    The server stands where its session was started, whoever calls it there.
    """
    server, _, name = tool.rpartition("gitcoord")
    return server.startswith("mcp_") and name.lstrip("_-") in _ACTS


def may_take_long(call: HookCall) -> bool:
    """Return whether a tool may run for longer than a lease: a shell, a server, a subagent."""
    return bool(call.command) or call.tool in {"Agent", "Task"} or call.tool.startswith("mcp_")


def gives_work(call: HookCall) -> bool:
    """Return whether a lead is about to give a task to a subagent, or to a session."""
    names_task = call.is_isolated and "gitcoord:" in call.prompt
    return call.kind == "worktree-create" or (call.kind == "before-tool" and names_task)
