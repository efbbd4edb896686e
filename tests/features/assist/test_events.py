"""What an assistant is told by the ledger: lost claims, reports, the end of a turn, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.core.hook_answers import SILENT
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.assist.turn_counts import ended_turns
from gitcoord.features.sessions import SessionFiles
from gitcoord.features.work import claims, escalations, results, reviews
from gitcoord.features.workspace import Workspace
from gitcoord.host.clock import Clock
from gitcoord.ledger.ledger import Ledger
from tests.support.assistants import PLAN, Assistant, token
from tests.support.world import found, write


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, PLAN, "one", "two")
    yield work
    work.close()


@pytest.fixture
def one(work: Workspace) -> Assistant:
    claims.claim(work, "one", "a")
    return Assistant(work, "one")


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


def test_a_holder_whose_beats_are_not_taken_is_told_at_half_the_lease(
    one: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def after() -> str:
        return one("PostToolUse", tool_name="Bash", tool_input={}).context

    def refused(*_: object) -> None:
        raise UnavailableError("origin was not reached")

    after()
    monkeypatch.setattr(Ledger, "beat", refused)
    _later(monkeypatch, 4)
    assert "sign of life" not in after()
    _later(monkeypatch, 5)
    told = after()
    assert "no sign of life of this claim was taken for 9m" in told
    assert "then others may take the task: origin was not reached" in told


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
