"""What an assistant's hook says of a real claim, event by event."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.hook_answers import SILENT, HookAnswer
from gitcoord.core.hook_calls import read_call
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.assist import hook
from gitcoord.features.assist.standing import standing_at
from gitcoord.features.assist.turn_counts import ended_turns
from gitcoord.features.assist.views import quick_view
from gitcoord.features.inspect import facts
from gitcoord.features.sessions import SessionFiles
from gitcoord.features.work import claims, escalations, results, reviews
from gitcoord.features.workspace import Workspace
from gitcoord.host.clock import Clock
from tests.support.world import found, git, write

PLAN = """
[plan]
lease = "15m"
heartbeat = "5m"
[[task]]
id = "a"
title = "Do a"
paths = ["a/", "docs/a.md"]
[[task]]
id = "b"
title = "Do b"
paths = ["b/"]
"""


class Assistant:
    """An assistant in an agent's worktree, as its hooks tell of it."""

    def __init__(self, work: Workspace, agent: str) -> None:
        place = work.worktree_of(agent)
        assert place is not None
        self.work, self.agent, self.place = work, agent, place

    def __call__(self, event: str, *, by: str = "claude", **more: Any) -> HookAnswer:
        shape = {"hook_event_name": event, "session_id": "s1", "cwd": str(self.place), **more}
        return hook.answer(read_call(json.dumps(shape).encode()), by, str(self.place))

    def edit(self, path: str, **more: Any) -> HookAnswer:
        return self(
            "PreToolUse",
            tool_name="Write",
            tool_use_id="t1",
            tool_input={"file_path": path, "content": "x"},
            **more,
        )

    def stop(self, text: str = "done", **more: Any) -> HookAnswer:
        return self("Stop", last_assistant_message=text, stop_hook_active=False, **more)


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, PLAN, "one", "two")
    yield work
    work.close()


@pytest.fixture
def one(work: Workspace) -> Assistant:
    claims.claim(work, "one", "a")
    return Assistant(work, "one")


def token(work: Workspace, task: str = "a") -> str:
    held = work.ledger.snapshot().require_task(task)["claim"]
    assert held is not None
    return held["token"]


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


# a lost claim


def test_a_lost_claim_is_told_at_once_and_refuses_edits(one: Assistant, work: Workspace) -> None:
    assert one.edit("a/x") == SILENT
    work.ledger.execute(
        {"op": "cancel", "agent": ORCHESTRATOR, "task": "a", "reason": "x"}, agent=ORCHESTRATOR
    )
    told = one("PostToolUse", tool_name="Bash", tool_input={"command": "ls"})
    assert "the claim on task a is lost" in told.context
    assert "stop working on it" in told.context
    assert one("PostToolUse", tool_name="Bash", tool_input={"command": "ls"}) == SILENT
    assert "is lost" in one.edit("a/x").denial
    assert one.stop() == SILENT


def test_a_claim_that_its_holder_ended_is_not_lost(one: Assistant, work: Workspace) -> None:
    write(one.place, "a/x")
    results.complete(work, "one", "a", token(work))
    assert one.edit("b/anything") == SILENT
    assert one.stop() == SILENT


def test_a_claim_given_back_is_not_lost(one: Assistant, work: Workspace) -> None:
    results.release(work, "one", "a", token(work))
    claims.claim(work, "two", "a", checkout=False)
    assert one.edit("b/anything") == SILENT
    assert one("PostToolUse", tool_name="Bash", tool_input={}) == SILENT


# leases and reports


def _later(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    now = Clock.monotonic_ns
    monkeypatch.setattr(Clock, "monotonic_ns", lambda self: now(self) + int(minutes * 60e9))


def test_a_tool_call_renews_the_lease_when_it_is_due(
    one: Assistant, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.edit("a/x")
    beats = "refs/gitcoord/ledger/beats/one"
    assert work.store.read_ref(beats) is None
    one.edit("a/x")
    assert work.store.read_ref(beats) is None
    _later(monkeypatch, 4)
    one.edit("a/x")
    first = work.store.read_ref(beats)
    assert first is not None
    one("PostToolUse", tool_name="Write", tool_input={"file_path": "a/x"})
    assert work.store.read_ref(beats) == first


def test_one_reminder_to_report_after_each_heartbeat(
    one: Assistant, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after() -> str:
        return one("PostToolUse", tool_name="Bash", tool_input={}).context

    assert after() == ""
    _later(monkeypatch, 6)
    assert "no progress entry on task a for 6m" in after()
    assert after() == ""
    _later(monkeypatch, 5)
    assert "for 11m" in after()
    results.progress(work, "one", "a", token(work), "on it")
    assert after() == ""
    _later(monkeypatch, 6)
    assert "for 6m" in after()


# the end of a turn


def test_a_turn_with_an_open_claim_is_held_twice_and_then_let_go(
    one: Assistant, work: Workspace
) -> None:
    said = one.stop("first")
    assert "task a is still claimed by one" in said.block
    assert "gitcoord complete" in said.block
    assert one.stop("second").block
    assert one.stop("third") == SILENT
    assert one.stop("fourth") == SILENT
    assert "ended its turn with task a open" in ended_turns(work, work.ledger.snapshot())[0]


def test_a_new_entry_of_the_claim_counts_anew(one: Assistant, work: Workspace) -> None:
    assert one.stop("1").block
    assert one.stop("2").block
    assert one.stop("3") == SILENT
    results.progress(work, "one", "a", token(work), "half of it")
    assert ended_turns(work, work.ledger.snapshot()) == []
    assert one.stop("4").block
    assert one.stop("5").block
    assert one.stop("6") == SILENT


def test_an_end_that_is_told_twice_counts_once(one: Assistant) -> None:
    # Copilot runs what was set up for Claude beside what was set up for it.
    assert one.stop("same").block
    assert one.stop("same").block
    assert one.stop("same").block
    assert one.stop("other").block
    assert one.stop("another") == SILENT


def test_a_person_is_held_once(one: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CODE_SESSION_ATTENDED", "1")
    assert one.stop("1").block
    assert one.stop("2") == SILENT


def test_a_turn_with_an_open_review_is_held_too(repo: Path) -> None:
    plan = PLAN + '[[phase]]\nname = "default"\nreviews = 1\n'
    work = found(repo, plan, "one", "two")
    claimed = claims.claim(work, "one", "a")
    write(Path(claimed.worktree or ""), "a/x.py", "x\n", "work")
    results.complete(work, "one", "a", claimed.claim["token"])
    reviews.claim(work, "two", "a")
    two = Assistant(work, "two")
    told = two.stop("first").block
    assert "the review of task a by two has no verdict yet" in told
    assert "gitcoord review approve" in told
    assert two.stop("second").block
    assert two.stop("third") == SILENT
    reviews.judge(work, "two", "a", "approve", "")
    assert two.stop("fourth") == SILENT
    work.close()


def test_an_open_escalation_or_background_work_lets_the_turn_end(
    one: Assistant, work: Workspace
) -> None:
    running = [{"id": "x", "type": "subagent", "status": "running"}]
    assert one.stop("1", background_tasks=running) == SILENT
    escalations.escalate(work, "one", "which way?", "a")
    assert one.stop("2") == SILENT
    escalations.resolve(work, escalations.inbox(work)[0]["id"], "left")
    assert one.stop("3").block


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


# sessions


def test_a_session_begins_with_the_brief_and_its_end_is_noted(
    one: Assistant, work: Workspace
) -> None:
    for source in ("startup", "compact", "resume"):
        said = one("SessionStart", source=source)
        assert "# gitcoord: agent one holds task a" in said.context
    files = SessionFiles(work.place.common_dir)
    assert files.is_over("assistant:claude=s1") is False
    assert one("SessionEnd", reason="other") == SILENT
    assert files.is_over("assistant:claude=s1") is True


def test_a_brief_that_the_prompt_has_already_is_not_told_again(
    one: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITCOORD_BRIEFED", "1")
    assert one("SessionStart", source="startup") == SILENT
    assert one("SessionStart", source="resume") == SILENT
    assert "holds task a" in one("SessionStart", source="compact").context


def test_codex_is_the_session_that_its_shell_names(one: Assistant, work: Workspace) -> None:
    one("SessionStart", by="codex", source="startup")
    assert SessionFiles(work.place.common_dir).is_over("assistant:codex=s1") is False


def test_an_agent_without_a_claim_is_told_how_to_claim(work: Workspace) -> None:
    said = Assistant(work, "two")("SessionStart", source="startup")
    assert "It holds no claim" in said.context


def test_claudes_shell_finds_this_gitcoord(
    one: Assistant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "gitcoord").touch()
    monkeypatch.setattr("sys.argv", [str(folder / "gitcoord")])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("CLAUDE_ENV_FILE", str(tmp_path / "env"))
    one("SessionStart", source="startup")
    assert (tmp_path / "env").read_text() == f"export PATH='{folder}':\"$PATH\"\n"


def test_nothing_is_said_outside_of_any_agents_worktree(work: Workspace, tmp_path: Path) -> None:
    for top in (work.place.worktree, tmp_path):
        shape = {"hook_event_name": "Stop", "cwd": str(top), "session_id": "s"}
        assert hook.answer(read_call(json.dumps(shape).encode()), "claude", str(top)) == SILENT


def test_status_tells_of_a_turn_that_ended(one: Assistant, work: Workspace) -> None:
    for text in "123":
        one.stop(text)
    assert facts.status(work)["claims"][0]["task"] == "a"
    assert ended_turns(work, work.ledger.snapshot())
    assert os.environ.get("CLAUDE_CODE_SESSION_ATTENDED") is None


# the first edit of a path


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
