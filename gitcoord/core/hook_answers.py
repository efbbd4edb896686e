"""Answer a coding assistant's hook in the dialect that it understands.

Pure: an answer goes in, the bytes for standard output come out. Claude,
Codex and Copilot share a form and differ in what they refuse to read;
Gemini has its own. A denial is always JSON with exit status 0: with another
status Copilot would tell its model nothing but the number.
"""

from __future__ import annotations

import json
from typing import Any

from gitcoord.core.hook_calls import HookCall
from gitcoord.core.shapes import NamedTuple

__all__ = ["SILENT", "HookAnswer", "render"]


class HookAnswer(NamedTuple):
    """What is to be said about one event.

    ``denial`` refuses a tool, ``block`` the end of a turn; ``context`` is
    added to what the model reads; ``updated_input`` replaces a tool's input
    (Claude alone); ``path`` is the worktree that was made.
    """

    denial: str = ""
    block: str = ""
    context: str = ""
    updated_input: dict[str, Any] | None = None
    path: str = ""


SILENT = HookAnswer()
_NAMED = {
    "session-start": "SessionStart",
    "prompt": "UserPromptSubmit",
    "before-tool": "PreToolUse",
    "after-tool": "PostToolUse",
    "subagent-start": "SubagentStart",
    "stop": "Stop",
    "subagent-stop": "SubagentStop",
}


def render(answer: HookAnswer, call: HookCall, assistant: str) -> str:
    """Return what the hook prints; nothing at all where nothing is said."""
    if answer.path:
        return answer.path + "\n"
    if assistant == "gemini":
        told = _gemini(answer, call)
    elif assistant == "copilot" and call.event[:1].islower():
        told = _copilot(answer)
    else:
        told = _claude(answer, call, assistant)
    if not told:
        return ""
    return json.dumps(told) + "\n"


def _claude(answer: HookAnswer, call: HookCall, assistant: str) -> dict[str, Any]:
    """Write for Claude, for Codex, and for Copilot where it reads Claude's files."""
    if answer.block:
        return {"decision": "block", "reason": answer.block}
    name = call.event
    if not name[:1].isupper():
        name = _NAMED.get(call.kind, name)
    inner: dict[str, Any] = {"hookEventName": name}
    if answer.denial:
        inner["permissionDecision"] = "deny"
        inner["permissionDecisionReason"] = answer.denial
    elif answer.updated_input is not None and assistant == "claude":
        inner["updatedInput"] = answer.updated_input
    # Codex reads nothing but a decision at the end of a turn.
    if answer.context and not answer.denial and not _is_end(call):
        inner["additionalContext"] = answer.context
    if len(inner) == 1:
        return {}
    return {"hookSpecificOutput": inner}


def _is_end(call: HookCall) -> bool:
    return call.kind in {"stop", "subagent-stop", "session-end"}


def _copilot(answer: HookAnswer) -> dict[str, Any]:
    """Write for Copilot's own files: the same words, one level higher."""
    if answer.block:
        return {"decision": "block", "reason": answer.block}
    if answer.denial:
        return {"permissionDecision": "deny", "permissionDecisionReason": answer.denial}
    if answer.context:
        return {"additionalContext": answer.context}
    return {}


def _gemini(answer: HookAnswer, call: HookCall) -> dict[str, Any]:
    if answer.block:
        return {"decision": "deny", "reason": answer.block}
    if answer.denial:
        return {"decision": "deny", "reason": answer.denial}
    if answer.context and not _is_end(call):
        return {
            "hookSpecificOutput": {
                "hookEventName": call.event,
                "additionalContext": answer.context,
            }
        }
    return {}
