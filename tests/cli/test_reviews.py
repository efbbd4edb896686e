"""The commands of a reviewer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.builders import REVIEWED, tasks
from tests.support.cli import Cli
from tests.support.world import do, found, git, write


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    work = found(repo, tasks("a", "b", head=REVIEWED), "x", "y")
    do(work, "x", "a", text="first line\n")
    work.close()
    return Cli(repo, capsys)


def test_the_commands_of_a_reviewer(cli: Cli) -> None:
    text = cli("review", "claim", "--agent", "y")
    for part in (
        "reviewing a: Do a",
        "by x, attempt 1",
        "+first line",
        "next: gitcoord review approve a",
    ):
        assert part in text
    again = cli.json("review", "claim", "--agent", "y")
    assert (again["op"], again["already"], again["review"]["agent"], again["task"]["state"]) == (
        "review claim",
        True,
        "y",
        "review",
    )
    assert cli.json("beat", "--agent", "y")["task"] == "a"
    assert "x" in cli("review", "list")
    assert "a waits for another review" in cli(
        "review", "release", "--agent", "y", "--reason", "later"
    )
    assert cli.json("review", "approve", "--agent", "y", status=13)["code"] == "claim-lost"
    cli("review", "claim", "a", "--agent", "y")
    done = cli.json("review", "approve", "--agent", "y", "--message", "good")
    assert (done["state"], done["approved"], done["needed"], done["already"]) == (
        "done",
        1,
        1,
        False,
    )
    assert cli.json("review", "approve", "--agent", "y")["already"] is True
    assert "approve" in cli("log", "a")


def test_a_rejection_on_the_command_line_needs_a_reason(cli: Cli) -> None:
    cli("review", "claim", "--agent", "y")
    assert cli.json("review", "reject", "--agent", "y", status=2)["code"] == "usage"
    assert (
        cli.json("review", "reject", "--agent", "y", "--reason", " ", status=2)["code"] == "usage"
    )
    done = cli.json("review", "reject", "--agent", "y", "--reason", "no tests\nat all")
    assert (done["state"], done["failures"]) == ("open", 1)
    subject = git("log", "-1", "--format=%s", "gitcoord/ledger", cwd=cli.repo)
    assert subject == "reject a by y: no tests"


def test_who_may_not_review_is_told_why(cli: Cli) -> None:
    waits = cli.json("review", "claim", "--agent", "x", status=10)["waiting_for"]
    assert [(one["kind"], one["text"]) for one in waits] == [
        ("review", "x is the author of task a")
    ]
    assert cli.json("review", "claim", "a", "--agent", "x", status=14)["reason"] == "author"
    assert cli.json("review", "claim", "b", "--agent", "y", status=14)["reason"] == "state"
    assert (
        cli.json("review", "claim", "--agent", "y", "--timeout", "-1", status=2)["code"] == "usage"
    )
    assert cli.json("review", "approve", "--agent", "y", status=2)["code"] == "not-found"
    cli("review", "claim", "--agent", "y")
    assert (
        cli.json("review", "claim", "--agent", "x", "--wait", "--timeout", "0.1", status=10)["code"]
        == "nothing-ready"
    )


def test_completing_says_that_approvals_are_needed(cli: Cli) -> None:
    held = json.loads(cli("claim", "b", "--agent", "x", "--json"))
    write(Path(held["worktree"]), "b/f.txt")
    text = cli("complete", "--agent", "x")
    assert (
        "b is in review: 1 commit(s), 1 file(s); 1 approval(s) of other agents make it done" in text
    )


def test_an_assistant_is_told_who_may_review_what_it_wrote(
    repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head = REVIEWED + 'reviewers = "other-assistants"\n'
    work = found(repo, tasks("a", head=head), "x", "y")
    cli = Cli(repo, capsys)
    monkeypatch.setenv("CLAUDE_CODE_SESSION_ID", "first")
    do(work, "x", "a")
    work.close()
    error = cli.json("review", "claim", "a", "--agent", "y", status=14)
    assert (error["reason"], "claude wrote the result of task a" in error["message"]) == (
        "author",
        True,
    )
    waits = cli.json("review", "claim", "--agent", "y", status=10)
    assert "asks another assistant, or a person" in waits["message"]
    monkeypatch.delenv("CLAUDE_CODE_SESSION_ID")
    monkeypatch.setenv("CODEX_SESSION_ID", "second")
    assert cli.json("review", "claim", "--agent", "y")["task"]["id"] == "a"
    assert cli.json("show", "a")["task"]["result"]["makers"] == ["claude"]
