"""What --wait and --timeout do, at their ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    found(repo, tasks("a"), "ada", "bob", worktrees=False).close()
    return Cli(repo, capsys)


def test_a_wait_of_less_than_nothing_is_refused(cli: Cli) -> None:
    error = cli.json("claim", "--agent", "ada", "--wait", "--timeout", "-1", status=2)
    assert error["code"] == "usage"
    assert "give a number from 0" in error["hint"]


def test_a_wait_that_is_over_ends_with_what_is_waited_for_and_counts_as_one_loss(
    cli: Cli, repo: Path
) -> None:
    cli.json("claim", "a", "--agent", "ada")
    error = cli.json("claim", "--agent", "bob", "--wait", "--timeout", "0", status=10)
    assert error["waiting_for"]
    for timeout in ("0", "0.3"):
        cli.json("claim", "a", "--agent", "bob", "--wait", "--timeout", timeout, status=12)
    losses = repo / ".git" / "gitcoord" / "agents" / "ledger" / "bob" / "losses.json"
    assert json.loads(losses.read_text())["count"] == 2
