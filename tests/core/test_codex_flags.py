"""What Codex is given for one run, in words that it understands and takes for trusted."""

from __future__ import annotations

import tomllib
from typing import Any

from gitcoord.core.codex_flags import codex_flags, trusted_hash
from gitcoord.core.hook_commands import codex_hooks

HANDLER = {"type": "command", "command": "sh -c 'exit 0'", "timeout": 30}


def settings(flags: list[str]) -> dict[str, Any]:
    """Return what the flags set, each read as the TOML that it is."""
    assert flags[::2] == ["-c"] * (len(flags) // 2)
    found = {}
    for word in flags[1::2]:
        key, _, value = word.partition("=")
        found[key] = tomllib.loads(f"value = {value}")["value"]
    return found


def test_the_hash_is_the_one_that_codex_0_169_tells() -> None:
    group = {"hooks": [HANDLER]}
    assert trusted_hash("PreToolUse", group) == (
        "sha256:041b7f81e01c59692614a1be07ac36762f34ec67f615982c9fd3512972787f71"
    )
    assert trusted_hash("SessionStart", group) == (
        "sha256:d38d2c5d8a721a4625c03affcb6a058e0295a7d5d4b53f43aa0ccf3538d33030"
    )


def test_a_matcher_counts() -> None:
    group = {"hooks": [HANDLER], "matcher": "^apply_patch$"}
    assert trusted_hash("PreToolUse", group) != trusted_hash("PreToolUse", {"hooks": [HANDLER]})


def test_hooks_their_trust_and_the_profile_go_in_by_flags_alone() -> None:
    hooks = codex_hooks('/opt/a "b"/gitcoord')
    found = settings(codex_flags(hooks, "/r/.git", "/r/.git/worktrees/one"))
    assert found["default_permissions"] == "gitcoord"
    assert found["permissions.gitcoord.extends"] == ":workspace"
    rules = found["permissions.gitcoord.filesystem"]
    assert rules["/r/.git/worktrees/one/commondir"] == "read"
    assert rules["/r/.git/refs"] == "write"
    assert {key for key in found if key.startswith("hooks.")} == {
        "hooks.state",
        *(f"hooks.{event}" for event, _ in hooks),
    }
    for event, group in hooks:
        assert found[f"hooks.{event}"] == [group]
    keys = {f"/<session-flags>/config.toml:{name}:0:0" for name in ("pre_tool_use", "stop")}
    assert keys <= set(found["hooks.state"])
    assert len(found["hooks.state"]) == len(hooks)


def test_no_blanket_bypass_is_among_them() -> None:
    flags = codex_flags(codex_hooks("gitcoord"), "/r/.git", "/r/.git/worktrees/one")
    assert not any("dangerously" in word or "bypass" in word for word in flags)
