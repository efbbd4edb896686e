"""The commands with which agents ask and the orchestrator answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli


@pytest.fixture
def asked(cli: Cli, plan: Path) -> str:
    """A question of x about task a, by its id."""
    cli("init", str(plan))
    cli("agent", "add", "x", "--no-worktree")
    made = cli.json("escalate", "which way?", "--task", "a", "--agent", "x")
    return str(made["escalation"])


def test_a_question_waits_in_the_inbox_until_it_is_answered(cli: Cli, asked: str) -> None:
    assert asked in cli("inbox")
    assert "which way?" in cli("inbox")
    cli("resolve", asked, "left")
    assert asked not in cli("inbox")
    assert "left" in cli("inbox", "--all")
    cli("claim", "--agent", "x")
    assert "left" in cli.err


def test_an_answer_is_given_once_and_to_a_question_that_there_is(cli: Cli, asked: str) -> None:
    cli("resolve", "none", "x", status=2)
    cli("resolve", asked, "left")
    assert cli.json("resolve", asked, "right", status=14)["reason"] == "resolved"
    assert "right" not in cli("inbox", "--all")


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["escalate", "", "--agent", "x"], 2),
        (["escalate", "why?", "--agent", "nobody"], 2),
        (["escalate", "why?", "--task", "none", "--agent", "x"], 2),
        (["escalate", "why?"], 2),
    ],
)
def test_a_question_of_nobody_or_about_nothing_is_refused(
    cli: Cli, asked: str, args: list[str], status: int
) -> None:
    before = cli("inbox", "--all")
    cli(*args, status=status)
    assert cli("inbox", "--all") == before
