"""Four assistants' hook inputs become one form, and answers their dialects."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from gitcoord.core import hook_calls
from gitcoord.core.hook_answers import SILENT, HookAnswer, render
from gitcoord.core.hook_calls import (
    HookCall,
    UnreadableCallError,
    acts_over_mcp,
    begins_or_ends_claim,
    patched_paths,
    read_call,
)

# Shapes as the programs sent them: Claude Code 2.1.332, Codex 0.169.0, Copilot CLI 1.0.102,
# Gemini CLI 0.61.0.
CLAUDE_WRITE = {
    "session_id": "s",
    "transcript_path": "/h/s.jsonl",
    "cwd": "/w",
    "hook_event_name": "PreToolUse",
    "prompt_id": "p",
    "permission_mode": "acceptEdits",
    "effort": {"level": "medium"},
    "tool_name": "Write",
    "tool_use_id": "toolu_1",
    "tool_input": {"file_path": "/w/docs/out.txt", "content": "out\n"},
}
CODEX_PATCH = {
    "session_id": "s",
    "turn_id": "t",
    "transcript_path": None,
    "cwd": "/w",
    "hook_event_name": "PreToolUse",
    "model": "m",
    "permission_mode": "bypassPermissions",
    "tool_name": "apply_patch",
    "tool_use_id": "call_1",
    "tool_input": {
        "command": "*** Begin Patch\n*** Add File: docs/out.txt\n+out\n"
        "*** Update File: a.py\n*** Move to: b.py\n"
        "@@\n-x\n+y\n*** Delete File: /w/c.py\n*** End Patch"
    },
}
COPILOT_CREATE = {
    "sessionId": "s",
    "timestamp": 1,
    "cwd": "/w",
    "toolName": "create",
    "toolArgs": {"path": "/w/x", "file_text": "x"},
}
COPILOT_AS_CLAUDE = {
    "hook_event_name": "PreToolUse",
    "session_id": "s",
    "cwd": "/w",
    "tool_name": "Write",
    "tool_input": {"path": "/w/x", "file_text": "x"},
}
GEMINI_WRITE = {
    "session_id": "s",
    "transcript_path": "",
    "cwd": "/w",
    "hook_event_name": "BeforeTool",
    "timestamp": "2026",
    "tool_name": "write_file",
    "tool_input": {"file_path": "/w/x", "content": "x"},
}


def read(shape: Any) -> HookCall:
    return read_call(json.dumps(shape).encode())


@pytest.mark.parametrize(
    ("shape", "paths"),
    [
        (CLAUDE_WRITE, ("/w/docs/out.txt",)),
        (CODEX_PATCH, ("docs/out.txt", "a.py", "b.py", "/w/c.py")),
        (COPILOT_CREATE, ("/w/x",)),
        ({**COPILOT_CREATE, "toolArgs": json.dumps({"path": "/w/x"})}, ("/w/x",)),
        (COPILOT_AS_CLAUDE, ("/w/x",)),
        (GEMINI_WRITE, ("/w/x",)),
        (
            {
                **CLAUDE_WRITE,
                "tool_name": "NotebookEdit",
                "tool_input": {"notebook_path": "/w/n.ipynb"},
            },
            ("/w/n.ipynb",),
        ),
        ({**CLAUDE_WRITE, "tool_name": "BrandNewEdit", "tool_input": {"filePath": "z"}}, ("z",)),
    ],
)
def test_the_paths_of_every_edit_are_found(shape: Any, paths: tuple[str, ...]) -> None:
    call = read(shape)
    assert call.kind == "before-tool"
    assert call.paths == paths
    assert call.is_edit


@pytest.mark.parametrize(
    "tool",
    ["Read", "Grep", "Glob", "view", "read_file", "Bash", "mcp__gitcoord__status", "WebFetch"],
)
def test_what_writes_no_file_is_not_an_edit(tool: str) -> None:
    call = read(
        {
            **CLAUDE_WRITE,
            "tool_name": tool,
            "tool_input": {"file_path": "/w/x", "path": "y", "command": "ls"},
        }
    )
    assert not call.is_edit
    assert call.paths == ()


def test_a_shell_command_is_kept_and_not_taken_for_paths() -> None:
    for tool, key in (
        ("Bash", "command"),
        ("run_shell_command", "command"),
        ("exec_command", "cmd"),
    ):
        assert (
            read({**CLAUDE_WRITE, "tool_name": tool, "tool_input": {key: "echo > x"}}).command
            == "echo > x"
        )


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("SessionStart", "session-start"),
        ("sessionStart", "session-start"),
        ("SessionEnd", "session-end"),
        ("Stop", "stop"),
        ("agentStop", "stop"),
        ("AfterAgent", "stop"),
        ("SubagentStop", "subagent-stop"),
        ("PostToolUse", "after-tool"),
        ("AfterTool", "after-tool"),
        ("WorktreeCreate", "worktree-create"),
        ("NothingKnown", ""),
        ("PreCompact", ""),
    ],
)
def test_events_of_every_spelling(event: str, kind: str) -> None:
    assert read({"hook_event_name": event, "cwd": "/w"}).kind == kind


def test_copilots_own_files_name_no_event_and_are_understood() -> None:
    assert read({"sessionId": "s", "cwd": "/w", "stopReason": "end_turn"}).kind == "stop"
    assert (
        read({"sessionId": "s", "cwd": "/w", "toolName": "x", "toolResult": {}}).kind
        == "after-tool"
    )
    assert read({"sessionId": "s", "cwd": "/w", "source": "new"}).kind == "session-start"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n",
        b"{",
        b'{"hook_event_name": "PreToo',
        b"[]",
        b"3",
        b"null",
        b'{"cwd": "/w"}',
        b"\xff\xfe{}",
        b'{"hook_event_name": 3}',
        b"[" * 100_000,
    ],
    ids=lambda content: str(content[:12]),
)
def test_what_is_not_an_event_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(UnreadableCallError) as told:
        read_call(content)
    assert "\n" not in str(told.value)


def test_fifty_megabytes_are_not_read() -> None:
    with pytest.raises(UnreadableCallError, match="more than"):
        read_call(b" " * (hook_calls.MAX_INPUT_BYTES + 1))


@hypothesis.given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "hook_event_name",
                        "tool_input",
                        "tool_name",
                        "background_tasks",
                        "cwd",
                        "toolArgs",
                        "path",
                        "command",
                        "x",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        call = read_call(json.dumps(value).encode())
    except UnreadableCallError:
        return
    assert isinstance(call.paths, tuple)


def test_a_patch_with_carriage_returns() -> None:
    assert patched_paths("*** Add File: a b.txt\r\n+x\r\n*** Delete File: c\r\n") == [
        "a b.txt",
        "c",
    ]


@pytest.mark.parametrize(
    "command",
    [
        "gitcoord claim",
        "cd x && gitcoord complete --result HEAD",
        "/v/bin/gitcoord --json claim 3",
        "gitcoord -C . release",
        "gitcoord fail --reason x",
    ],
)
def test_commands_that_begin_or_end_a_claim(command: str) -> None:
    assert begins_or_ends_claim(command)


@pytest.mark.parametrize(
    "command",
    [
        "gitcoord status",
        "gitcoord brief",
        "echo claim",
        "grep complete gitcoord.txt",
        "gitcoord status; echo claim",
    ],
)
def test_commands_that_do_not(command: str) -> None:
    assert not begins_or_ends_claim(command)


# the dialects


def said(answer: HookAnswer, shape: Any, assistant: str) -> Any:
    text = render(answer, read(shape), assistant)
    return json.loads(text) if text else None


STOP = {"hook_event_name": "Stop", "cwd": "/w", "session_id": "s"}
START = {"hook_event_name": "SessionStart", "cwd": "/w", "session_id": "s", "source": "startup"}


@pytest.mark.parametrize("assistant", ["claude", "codex", "copilot"])
def test_a_denial_in_claudes_form(assistant: str) -> None:
    inner = said(HookAnswer(denial="no"), CLAUDE_WRITE, assistant)["hookSpecificOutput"]
    assert inner == {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": "no",
    }


def test_a_denial_in_the_other_forms() -> None:
    assert said(HookAnswer(denial="no"), COPILOT_CREATE, "copilot") == {
        "permissionDecision": "deny",
        "permissionDecisionReason": "no",
    }
    assert said(HookAnswer(denial="no"), GEMINI_WRITE, "gemini") == {
        "decision": "deny",
        "reason": "no",
    }


def test_the_end_of_a_turn_is_held_in_every_form() -> None:
    for assistant in ("claude", "codex", "copilot"):
        assert said(HookAnswer(block="go on"), STOP, assistant) == {
            "decision": "block",
            "reason": "go on",
        }
    gemini = {"hook_event_name": "AfterAgent", "cwd": "/w"}
    assert said(HookAnswer(block="go on"), gemini, "gemini") == {
        "decision": "deny",
        "reason": "go on",
    }


def test_context_goes_where_the_assistant_reads_it() -> None:
    for assistant in ("claude", "codex"):
        assert said(HookAnswer(context="c"), START, assistant) == {
            "hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "c"}
        }
    assert said(HookAnswer(context="c"), COPILOT_CREATE, "copilot") == {"additionalContext": "c"}


def test_codex_is_told_nothing_that_it_refuses_to_read() -> None:
    # It reads nothing but a decision at the end of a turn, and no changed input without one.
    assert render(HookAnswer(context="c"), read(STOP), "codex") == ""
    assert render(HookAnswer(updated_input={"a": 1}), read(CODEX_PATCH), "codex") == ""


def test_claude_gets_a_changed_input_without_a_permission() -> None:
    told = said(HookAnswer(updated_input={"prompt": "x"}), CLAUDE_WRITE, "claude")[
        "hookSpecificOutput"
    ]
    assert told == {"hookEventName": "PreToolUse", "updatedInput": {"prompt": "x"}}


def test_silence_prints_nothing() -> None:
    for assistant in hook_calls.ASSISTANTS:
        assert render(SILENT, read(CLAUDE_WRITE), assistant) == ""


def test_a_worktree_is_told_by_its_path_alone() -> None:
    assert (
        render(
            HookAnswer(path="/w/t"),
            read({"hook_event_name": "WorktreeCreate", "cwd": "/w"}),
            "claude",
        )
        == "/w/t\n"
    )


@pytest.mark.parametrize(
    "tool", ["mcp__gitcoord__claim", "mcp__plugin_gitcoord_gitcoord__fail", "mcp_gitcoord_complete"]
)
def test_tools_over_mcp_that_act_for_an_agent(tool: str) -> None:
    assert acts_over_mcp(tool)


@pytest.mark.parametrize(
    "tool",
    ["mcp__gitcoord__status", "mcp__other__claim", "gitcoord__claim", "Bash", "gitcoord", ""],
)
def test_tools_that_do_not(tool: str) -> None:
    assert not acts_over_mcp(tool)
