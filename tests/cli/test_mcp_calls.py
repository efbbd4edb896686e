"""A call answers as its command does, by the same door, for whoever stands there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.cli.mcp_calls import answer_resource, answer_tool
from gitcoord.features.work import escalations
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.cli import Cli, clean
from tests.support.world import found, git


@pytest.fixture
def work(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b"), "one", "two")
    monkeypatch.chdir(work.worktree_of("one") or repo)
    monkeypatch.setenv("GITCOORD_UPKEEP", "off")
    yield work
    work.close()


def test_the_folder_says_who_asks_and_a_whole_task_goes_through(work: Workspace) -> None:
    claimed = answer_tool("claim", {"task": "a"}, {})
    assert claimed.facts["ok"] is True
    assert claimed.facts["claim"]["agent"] == "one"
    assert "claimed a: " in claimed.text
    assert "agent one holds task a" in answer_tool("brief", {}, {}).text
    assert answer_tool("progress", {"message": "half", "percent": 50}, {}).facts["ok"]
    Path("a").mkdir()
    Path("a/new.txt").write_text("x\n")
    done = answer_tool("complete", {"message": "Write a"}, {})
    assert "a is done: 1 commit(s), 1 file(s)" in done.text
    assert work.ledger.snapshot().require_task("a")["state"] == "done"


def test_an_answer_is_the_commands_own(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(Path.cwd(), capsys)
    answer_tool("claim", {"task": "a"}, {})
    called, printed = answer_tool("status", {}, {}), cli("status")
    assert called.text == printed.rstrip("\n")
    facts = json.loads(cli("status", "--json"))
    assert called.facts.keys() == facts.keys()
    assert called.facts["counts"] == facts["counts"]


def test_a_refusal_is_the_commands_own(work: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(Path.cwd(), capsys)
    called = answer_tool("progress", {"message": "x"}, {})
    cli("progress", "x", status=2)
    assert called.text == cli.err.rstrip("\n")
    assert called.facts["error"] == cli.json("progress", "x", status=2)
    assert called.facts["ok"] is False


def test_answers_to_escalations_come_with_the_next_call(work: Workspace) -> None:
    asked = answer_tool("escalate", {"text": "may I?"}, {})
    escalations.resolve(work, asked.facts["escalation"], "yes")
    told = answer_tool("claim", {}, {})
    assert "yes" in told.facts["notices"][0]
    assert told.text.startswith("gitcoord: notice: answer to your escalation")


def test_the_host_names_the_session_of_a_call_and_of_that_call_alone(work: Workspace) -> None:
    turn = {"x-codex-turn-metadata": json.dumps({"session_id": "s1", "turn_id": "t"})}
    claimed = answer_tool("claim", {"task": "a"}, turn)
    assert claimed.facts["ok"]
    held = work.ledger.snapshot().require_task("a")["claim"]
    assert held is not None
    assert held["session"] == "assistant:codex=s1"
    assert "CODEX_SESSION_ID" not in os.environ


def test_what_is_wrong_with_a_call_is_told_and_changes_nothing(work: Workspace) -> None:
    tip = work.ledger.tip()
    told = answer_tool("claim", {"agent": "two"}, {})
    assert told.facts["error"]["code"] == "usage"
    assert "agent is not known" in told.text
    assert work.ledger.tip() == tip


def test_resources_are_read_from_the_ledger(work: Workspace) -> None:
    answer_tool("claim", {"task": "a"}, {})
    assert "agent one holds task a" in answer_resource("gitcoord://brief").text
    assert answer_resource("gitcoord://plan").text.startswith("plan plan: 2 tasks")
    assert "by one" in clean(answer_resource("gitcoord://task/a").text)
    assert answer_resource("gitcoord://nothing").facts["error"]["code"] == "not-found"


def test_nothing_is_printed_beside_an_answer(
    work: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    answer_tool("claim", {"task": "a"}, {})
    Path("a").mkdir()
    Path("a/new.txt").write_text("x\n")
    answer_tool("complete", {"message": "Write a"}, {})
    assert git("status", "--porcelain", cwd=Path.cwd()) == ""
    assert capfd.readouterr() == ("", "")
