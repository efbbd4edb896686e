"""What an assistant's hook says of a real claim, event by event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.hook_answers import SILENT, HookAnswer
from gitcoord.core.hook_calls import read_call
from gitcoord.features.assist import hook
from gitcoord.features.assist.standing import standing_at
from gitcoord.features.assist.views import quick_view
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from gitcoord.host.clock import Clock
from tests.support.assistants import PLAN, Assistant, token
from tests.support.world import found, git


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, PLAN, "one", "two")
    yield work
    work.close()


@pytest.fixture
def one(work: Workspace) -> Assistant:
    claims.claim(work, "one", "a")
    return Assistant(work, "one")


# edits


@pytest.mark.parametrize("path", ["a/x.py", "docs/a.md", "a/deep/er/y"])
def test_an_edit_inside_the_boundary_passes_in_silence(one: Assistant, path: str) -> None:
    assert one.edit(str(one.place / path)) == SILENT
    assert one.edit(path) == SILENT


@pytest.mark.parametrize(
    "path",
    [
        "b/x.py",
        "docs/b.md",
        "a",
        "a/../b/x",
        ".git",
        ".git/config",
        "README.md",
        "a/.git/x",
        "a\\b",
        "a/x\u0000y",
    ],
)
def test_an_edit_outside_is_refused_with_task_boundary_and_next_step(
    one: Assistant, path: str
) -> None:
    said = one.edit(path)
    assert "task a" in said.denial
    assert "a/, docs/a.md" in said.denial
    assert "Next: work inside it, or ask with gitcoord escalate" in said.denial


def test_an_edit_of_another_worktree_or_the_main_checkout_is_refused(
    one: Assistant, work: Workspace
) -> None:
    other = work.worktree_of("two")
    assert other is not None
    assert "outside this worktree" in one.edit(str(other / "a/x")).denial
    assert "outside this worktree" in one.edit(str((work.place.worktree or other) / "a/x")).denial
    assert "outside this worktree" in one.edit("../" * 20 + "elsewhere").denial
    assert "outside this worktree" in one.edit("/etc/passwd").denial
    assert "outside this worktree" in one.edit(str(work.place.common_dir / "config")).denial


def test_a_temporary_file_is_nobodys_business(
    one: Assistant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    assert one.edit(str(scratch / "notes.txt")) == SILENT


def test_links_are_followed_to_where_they_lead(one: Assistant) -> None:
    (one.place / "b").mkdir()
    (one.place / "a").mkdir()
    (one.place / "a/out").symlink_to("../b")
    (one.place / "a/file").symlink_to("../README.md")
    (one.place / "a/up").symlink_to(one.place.parent)
    (one.place / "b/in").symlink_to("../a")
    assert "leads to b/x" in one.edit("a/out/x").denial
    assert "leads to README.md" in one.edit("a/file").denial
    assert "outside this worktree" in one.edit("a/up/x").denial
    # The link itself would be replaced by an editor that renames.
    assert one.edit("b/in/x").denial


def test_every_path_of_a_patch_counts(one: Assistant) -> None:
    def patch(*lines: str) -> HookAnswer:
        text = "\n".join(["*** Begin Patch", *lines, "*** End Patch"])
        return one("PreToolUse", by="codex", tool_name="apply_patch", tool_input={"command": text})

    assert patch("*** Add File: a/x", "+1") == SILENT
    assert "b/x" in patch("*** Add File: a/x", "+1", "*** Delete File: b/x").denial
    assert "b/y" in patch("*** Update File: a/x", "*** Move to: b/y", "@@", "-1", "+2").denial


def test_a_shell_command_is_left_to_complete(one: Assistant) -> None:
    assert one("PreToolUse", tool_name="Bash", tool_input={"command": "echo > b/x"}) == SILENT


def test_an_agents_worktree_without_a_claim_is_silent(work: Workspace) -> None:
    assert Assistant(work, "two").edit("anything") == SILENT


def test_the_second_edit_is_judged_without_the_ledger(one: Assistant) -> None:
    standing = standing_at(str(one.place))
    assert standing is not None
    assert quick_view(standing, Clock().monotonic_ns()) is None
    assert one.edit("a/x") == SILENT
    view = quick_view(standing, Clock().monotonic_ns())
    assert view is not None
    assert [claim.task for claim in view.current] == ["a"]
    (standing_view := Path(standing.git_dir) / "gitcoord/assist/view.json").write_text("{torn")
    assert one.edit("b/x").denial
    assert json.loads(standing_view.read_text())["claims"]


def test_an_entry_about_another_task_needs_no_ledger_and_one_about_this_does(
    one: Assistant, work: Workspace
) -> None:
    standing = standing_at(str(one.place))
    assert standing is not None
    one.edit("a/x")
    other = claims.claim(work, "two", "b", checkout=False)
    results.progress(work, "two", "b", other.claim["token"], "on it")
    assert quick_view(standing, Clock().monotonic_ns()) is not None
    results.progress(work, "one", "a", token(work), "on it")
    assert quick_view(standing, Clock().monotonic_ns()) is None
    one.edit("a/x")
    assert quick_view(standing, Clock().monotonic_ns()) is not None
    git("gc", "-q", cwd=one.place)
    results.progress(work, "two", "b", other.claim["token"], "still")
    assert '"b/x' not in one.edit("a/x").denial
    assert one.edit("b/x").denial


def test_two_claims_of_one_agent_widen_each_other(repo: Path) -> None:
    from gitcoord.features.setup import agents

    work = found(repo, PLAN)
    agents.add(work, "wide", capacity=2)
    claims.claim(work, "wide", "a", checkout=False)
    claims.claim(work, "wide", "b", checkout=False)
    wide = Assistant(work, "wide")
    assert wide.edit("a/x") == SILENT
    assert wide.edit("b/x") == SILENT
    assert "a and b" in wide.edit("c/x").denial
    work.close()


def test_a_subagent_does_not_act_for_its_lead_over_mcp(one: Assistant) -> None:
    given: dict[str, Any] = {"tool_name": "mcp__gitcoord__complete", "tool_input": {}}
    assert "act for the lead's worktree" in one("PreToolUse", agent_id="sub", **given).denial
    assert one("PreToolUse", **given) == SILENT
    status: dict[str, Any] = {"tool_name": "mcp__gitcoord__status", "tool_input": {}}
    assert one("PreToolUse", agent_id="sub", **status) == SILENT


def test_a_subagent_in_its_leads_worktree_has_no_claim(one: Assistant) -> None:
    assert one("SubagentStop", agent_id="sub", last_assistant_message="x") == SILENT
    said = one(
        "PreToolUse", agent_id="sub", tool_name="Bash", tool_input={"command": "gitcoord complete"}
    )
    assert "shares its lead's worktree" in said.denial
    assert (
        one("PreToolUse", tool_name="Bash", tool_input={"command": "gitcoord complete"}) == SILENT
    )
    assert (
        one(
            "PreToolUse",
            agent_id="sub",
            tool_name="Bash",
            tool_input={"command": "gitcoord show a"},
        )
        == SILENT
    )
    assert one.edit("b/x", agent_id="sub").denial


def test_nothing_is_said_outside_of_any_agents_worktree(work: Workspace, tmp_path: Path) -> None:
    for top in (work.place.worktree, tmp_path):
        shape = {"hook_event_name": "Stop", "cwd": str(top), "session_id": "s"}
        assert hook.answer(read_call(json.dumps(shape).encode()), "claude", str(top)) == SILENT


def test_the_first_edit_claims_what_nobody_holds_and_the_second_editor_is_told(repo: Path) -> None:
    work = found(repo, PLAN.replace("[plan]", '[plan]\nwidening = "free"'), "one", "two")
    claims.claim(work, "one", "a")
    claims.claim(work, "two", "b")
    assert Assistant(work, "one").edit("lib/dates.py") == SILENT
    assert work.ledger.snapshot().require_task("a")["widened"] == ["lib/dates.py"]
    tip = work.ledger.tip()
    assert Assistant(work, "one").edit("lib/dates.py") == SILENT
    refused = Assistant(work, "two").edit("lib/dates.py").denial
    assert "one holds lib/dates.py" in refused
    for path in ("b/x.py", ".git/config"):
        assert Assistant(work, "one").edit(path).denial
    assert work.ledger.tip() == tip
    work.close()
