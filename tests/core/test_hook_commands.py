"""The commands that assistants run as hooks are told from anybody else's."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import pytest

from gitcoord.core.hook_commands import (
    AGENT_COMMANDS,
    CLAUDE_ALLOW,
    CLAUDE_ASK,
    claude_hooks,
    codex_hooks,
    is_our_command,
    is_our_hook,
    is_our_plugin,
    opencode_plugin,
)
from gitcoord.host.shipped import shipped

HOOKS = [
    *claude_hooks("/opt/my tools/gitcoord", is_for_one_project=True),
    *codex_hooks("/opt/my tools/gitcoord"),
]


def command_of(group: dict[str, Any]) -> str:
    (handler,) = group["hooks"]
    return str(handler["command"])


@pytest.mark.parametrize(("event", "group"), HOOKS, ids=lambda value: str(value)[:20])
def test_each_is_one_command_of_the_shell_and_known_as_ours(
    event: str, group: dict[str, Any]
) -> None:
    program, option, script = shlex.split(command_of(group))
    assert (program, option) == ("sh", "-c")
    assert "'/opt/my tools/gitcoord' hook " in script
    subprocess.run(["sh", "-n", "-c", script], check=True)
    assert is_our_hook(group), event


def test_the_plugin_has_the_hooks_of_today() -> None:
    wanted: dict[str, list[object]] = {}
    for event, group in claude_hooks("gitcoord", is_for_one_project=False):
        wanted.setdefault(event, []).append(group)
    path = shipped("templates") / "claude-plugin" / "hooks" / "hooks.json"
    assert json.loads(path.read_text()) == {"hooks": wanted}


def test_only_what_comes_before_an_edit_fails_closed() -> None:
    closed = {event for event, group in HOOKS if "|| exit 2" in command_of(group)}
    assert closed == {"PreToolUse"}


def test_worktrees_are_left_to_claude_where_every_repository_would_ask() -> None:
    events = {event for event, _ in claude_hooks("gitcoord", is_for_one_project=False)}
    assert not events & {"WorktreeCreate", "WorktreeRemove"}


@pytest.mark.parametrize(
    "group",
    [
        None,
        "sh -c gitcoord",
        {},
        {"hooks": []},
        {"hooks": "gitcoord hook claude "},
        {"hooks": [None]},
        {"hooks": [{"command": "make lint"}]},
        {"hooks": [{"command": "gitcoord hook claude ."}]},
        {"hooks": [{"command": ["sh", "-c", "gitcoord hook claude x"]}]},
        {"hooks": [{"command": "sh -c 'gitcoord hook claude x'"}, {"command": "make lint"}]},
    ],
)
def test_what_is_not_ours_whole_is_left_alone(group: object) -> None:
    assert not is_our_hook(group)


def test_a_command_of_another_release_is_ours_too() -> None:
    assert is_our_command("sh -c 'exec /old/gitcoord hook codex \"$PWD\"'")


def test_an_agent_s_own_commands_need_no_question_and_leaving_its_place_does() -> None:
    assert "Bash(gitcoord complete *)" in CLAUDE_ALLOW
    assert len(CLAUDE_ALLOW) == 2 * len(AGENT_COMMANDS)
    assert not {"rollback", "trust", "batch", "cancel", "run"} & set(AGENT_COMMANDS)
    assert all(option in " ".join(CLAUDE_ASK) for option in ("--as-orchestrator", " -C "))


@pytest.mark.parametrize("entry", [None, [], "gitcoord.js", {}, ["npm:opencode/gitcoord.js"]])
def test_a_plugin_of_somebody_else_is_left_alone(entry: object) -> None:
    assert not is_our_plugin(entry)


def test_our_plugin_is_known_wherever_it_lies() -> None:
    ours = opencode_plugin("/opt/gitcoord", "/opt/my files/templates")
    assert ours[0] == "file:///opt/my%20files/templates/opencode/gitcoord.js"
    assert is_our_plugin(ours)
    assert is_our_plugin("file:///old/templates/opencode/gitcoord.js")
