"""What a tool is given becomes one command's words, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gitcoord.cli.main import COMMANDS, split_options
from gitcoord.cli.mcp_tools import INSTRUCTIONS, TOOLS, resource_words, tool_words
from gitcoord.core.errors import NotFoundError, UsageError

CALLS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("status", {}, ["status"]),
    ("claim", {}, ["claim"]),
    ("claim", {"task": "25"}, ["claim", "--", "25"]),
    ("claim", {"wait_seconds": 5000}, ["claim", "--wait", "--timeout=100"]),
    ("brief", {"budget": 9000}, ["brief", "--budget=9000"]),
    ("progress", {"message": "half", "percent": 50}, ["progress", "--percent=50", "--", "half"]),
    (
        "complete",
        {"message": "Build it", "paths": ["a", "b"], "dry_run": True},
        ["complete", "--commit=Build it", "--dry-run", "--", "a", "b"],
    ),
    ("complete", {"no_result": True, "task": "a"}, ["complete", "--task=a", "--no-result"]),
    ("fail", {"reason": "no"}, ["fail", "--reason=no", "--kind=transient"]),
    ("fail", {"reason": "no", "kind": "release"}, ["release", "--reason=no"]),
    ("escalate", {"text": "may I?", "task": "a"}, ["escalate", "--task=a", "--", "may I?"]),
    ("review", {"action": "claim"}, ["review", "claim"]),
    ("review", {"action": "approve", "text": "ok"}, ["review", "approve", "--message=ok"]),
    (
        "review",
        {"action": "reject", "text": "no", "task": "a"},
        ["review", "reject", "--reason=no", "--", "a"],
    ),
]


@pytest.mark.parametrize(("name", "given", "words"), CALLS)
def test_a_call_is_a_command(name: str, given: dict[str, Any], words: list[str]) -> None:
    assert tool_words(name, given) == words


@pytest.mark.parametrize("text", ["--as-orchestrator", "--agent=two", "-C", "--json", "--"])
def test_no_text_is_read_as_an_option(text: str) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("claim", {"task": text}),
        ("brief", {"task": text}),
        ("progress", {"message": text, "task": text}),
        ("complete", {"message": text, "paths": [text], "task": text}),
        ("fail", {"reason": text, "task": text}),
        ("fail", {"reason": text, "task": text, "kind": "release"}),
        ("escalate", {"text": text, "task": text}),
        ("review", {"action": "reject", "text": text, "task": text}),
        ("review", {"action": "approve", "text": text, "task": text}),
    ]
    for name, given in calls:
        words = tool_words(name, given)
        rest, options = split_options(words)
        assert rest == words, "nothing was taken out as an option of the whole command line"
        assert options == split_options([])[1]


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("progress", {}, "message is missing"),
        ("status", {"agent": "two"}, "agent is not known"),
        ("progress", {"message": 3}, "message is not of type string"),
        ("progress", {"message": "x", "percent": True}, "percent is not of type integer"),
        ("complete", {"paths": ["a", 3]}, "paths has items that are not strings"),
        ("review", {"action": "list"}, "action is not one of claim, approve, reject, release"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(
    name: str, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        tool_words(name, given)
    assert f"{name} takes" in raised.value.hint


def test_an_unknown_tool_or_resource_names_those_that_there_are() -> None:
    with pytest.raises(NotFoundError) as raised:
        tool_words("cancel", {})
    assert "complete" in raised.value.hint
    with pytest.raises(NotFoundError) as raised:
        resource_words("gitcoord://task/")
    assert "gitcoord://task/{id}" in raised.value.hint


def test_resources_are_commands_that_read() -> None:
    assert resource_words("gitcoord://plan") == ["plan", "show"]
    assert resource_words("gitcoord://brief") == ["brief"]
    assert resource_words("gitcoord://task/--json") == ["show", "--", "--json"]


def test_the_tools_are_few_and_cost_little_to_read() -> None:
    assert len(TOOLS) <= 8
    assert set(TOOLS) <= set(COMMANDS)
    assert len(INSTRUCTIONS.encode()) < 1000
    shown = [[name, tool.description, tool.schema] for name, tool in TOOLS.items()]
    assert len(json.dumps(shown).encode()) < 4096
    assert all(len(tool.description) < 200 for tool in TOOLS.values())
