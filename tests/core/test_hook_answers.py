"""Answers of hooks in the dialect that each assistant understands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gitcoord.core.hook_answers import SILENT, HookAnswer, render
from gitcoord.core.hook_calls import HookCall


def call(kind: str, event: str) -> HookCall:
    return HookCall(kind=kind, event=event, session="s", cwd="/")


def said(answer: HookAnswer, assistant: str, kind: str, event: str) -> Any:
    text = render(answer, call(kind, event), assistant)
    return json.loads(text) if text else None


ASSISTANTS = ["claude", "codex", "copilot", "gemini"]


@pytest.mark.parametrize("assistant", ASSISTANTS)
def test_where_nothing_is_said_nothing_is_printed(assistant: str) -> None:
    assert render(SILENT, call("before-tool", "PreToolUse"), assistant) == ""


def test_a_denial_is_told_where_each_assistant_looks_for_it() -> None:
    denied = HookAnswer(denial="outside")
    inner = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": "outside",
    }
    for assistant in ("claude", "codex", "copilot"):
        assert said(denied, assistant, "before-tool", "PreToolUse") == {"hookSpecificOutput": inner}
    assert said(denied, "copilot", "before-tool", "preToolUse") == {
        "permissionDecision": "deny",
        "permissionDecisionReason": "outside",
    }
    assert said(denied, "gemini", "before-tool", "BeforeTool") == {
        "decision": "deny",
        "reason": "outside",
    }


@pytest.mark.parametrize("assistant", ASSISTANTS)
def test_a_held_turn_has_its_reason(assistant: str) -> None:
    answer = said(HookAnswer(block="a claim is open"), assistant, "stop", "Stop")
    word = "deny" if assistant == "gemini" else "block"
    assert answer == {"decision": word, "reason": "a claim is open"}


@pytest.mark.parametrize("assistant", ["claude", "codex", "gemini"])
def test_context_is_not_told_at_the_end_of_a_turn(assistant: str) -> None:
    told = HookAnswer(context="the brief")
    assert said(told, assistant, "stop", "Stop") is None
    begun = said(told, assistant, "session-start", "SessionStart")
    assert begun["hookSpecificOutput"]["additionalContext"] == "the brief"


def test_only_claude_takes_another_input_for_a_tool() -> None:
    changed = HookAnswer(updated_input={"x": 1})
    found = said(changed, "claude", "before-tool", "PreToolUse")
    assert found["hookSpecificOutput"]["updatedInput"] == {"x": 1}
    assert said(changed, "codex", "before-tool", "PreToolUse") is None


def test_a_worktree_that_was_made_is_a_line_of_its_own() -> None:
    made = HookAnswer(path="/w", denial="ignored")
    assert render(made, call("worktree", "WorktreeCreate"), "claude") == "/w\n"
