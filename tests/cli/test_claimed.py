"""How a claim is shown: the task, where to work, what was before."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def test_a_claim_in_the_worktree_of_another_says_where_its_branch_is_not(
    cli: Cli, repo: Path
) -> None:
    found(repo, tasks("a", "b"), "ada", "bob").close()
    cli.repo = repo.with_name("repo.worktrees") / "ada"
    claimed = cli.json("claim", "a", "--agent", "bob")
    assert claimed["checkout"] == "none"
    assert "this is the worktree of ada" in claimed["notices"][0]
    assert str(repo.with_name("repo.worktrees") / "bob") in claimed["notices"][0]


def test_a_claim_shows_its_boundary_its_place_and_the_attempts_before(cli: Cli, repo: Path) -> None:
    plan = tasks("a") + 'description = "First line.\\nSecond line."\nreads = ["docs/"]\n'
    work = found(repo, plan, "ada", worktrees=False)
    held = claims.claim(work, "ada", checkout=False)
    results.release(work, "ada", "a", held.claim["token"], "the schema is missing")
    work.close()
    lines = cli("claim", "a", "--agent", "ada").splitlines()
    assert lines[0].startswith("claimed a: ")
    assert "  paths     a/" in lines
    assert "  reads     docs/" in lines
    assert "  worktree  -" in lines
    assert any("(not checked out)" in line for line in lines)
    assert any("attempt 1 by ada" in line and "the schema is missing" in line for line in lines)
    assert lines[-3:-1] == ["  about     First line.", "            Second line."]
