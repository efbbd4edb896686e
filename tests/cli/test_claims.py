"""Claims through the command line: where they are checked out, and why there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found, write


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def test_a_claim_whose_worktree_was_deleted_is_refused_with_what_makes_it_again(
    cli: Cli, repo: Path
) -> None:
    found(repo, tasks("a"), "ada").close()
    place = repo.with_name("repo.worktrees") / "ada"
    shutil.rmtree(place)
    error = cli.json("claim", "--agent", "ada", status=14)
    assert error["reason"] == "worktree"
    assert "gitcoord agent add ada" in error["hint"]
    assert cli.json("status")["claims"] == []
    cli("agent", "add", "ada")
    assert cli.json("claim", "--agent", "ada")["checkout"] == "done"


def test_without_a_checkout_a_deleted_worktree_is_not_needed(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), "ada").close()
    shutil.rmtree(repo.with_name("repo.worktrees") / "ada")
    assert cli.json("claim", "--agent", "ada", "--no-checkout")["checkout"] == "none"


def test_a_finished_plan_names_the_retry_that_would_open_the_rest(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a", "b", b=["a"]), "ada").close()
    cli("claim", "a", "--agent", "ada", "--no-checkout")
    cli("fail", "--reason", "no", "--kind", "permanent", "--agent", "ada")
    error = cli.json("claim", "--agent", "ada", status=11)
    assert error["code"] == "plan-finished"
    assert "gitcoord retry a" in error["hint"]
    assert error["failed"] == ["a"]
    cli("retry", "a")
    assert cli.json("claim", "--agent", "ada", "--no-checkout")["task"]["id"] == "a"


def test_a_phase_with_claims_does_not_wait_for_its_landing_yet(cli: Cli, repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "ada", "bob")
    cli("claim", "a", "--agent", "ada")
    write(repo.with_name("repo.worktrees") / "ada", "a/x")
    cli("complete", "--agent", "ada")
    cli("claim", "b", "--agent", "bob")
    waits = cli.json("claim", "--agent", "ada", status=10)["waiting_for"]
    assert "phase default waits for b" in [one["text"] for one in waits]
    write(repo.with_name("repo.worktrees") / "bob", "b/x")
    cli("complete", "--agent", "bob")
    waits = cli.json("claim", "--agent", "ada", status=10)["waiting_for"]
    assert waits == [
        {
            "kind": "landing",
            "names": ["default"],
            "text": "phase default waits for its landing",
            "command": "gitcoord phase land default",
        }
    ]
    work.close()
