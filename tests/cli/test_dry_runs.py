"""A dry run refuses what the command would refuse, and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import do, found, git

GATE = '[[phase]]\nname = "default"\ngates = [{ name = "tests", run = "true" }]\n'


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


@pytest.mark.parametrize(
    "words",
    [
        ("phase", "land", "default"),
        ("rollback", "--steps", "1"),
        ("rollback", "undo"),
        ("hooks", "install"),
        ("hooks", "uninstall"),
    ],
    ids=" ".join,
)
def test_an_agent_is_refused_the_dry_run_too(cli: Cli, repo: Path, words: tuple[str, ...]) -> None:
    found(repo, tasks("a"), "ada").close()
    cli.repo = repo.with_name("repo.worktrees") / "ada"
    assert cli.json(*words, "--dry-run", status=14)["reason"] == "role"
    assert cli.json(*words, status=14)["reason"] == "role"


def _both(cli: Cli, reason: str) -> None:
    tip = cli.json("status")["tip"]
    said = cli.json("phase", "land", "default", "--dry-run", status=14)
    assert cli.json("status")["tip"] == tip
    real = cli.json("phase", "land", "default", status=14)
    assert said["reason"] == real["reason"] == reason
    assert said["message"] == real["message"]


def test_a_landing_that_would_be_refused_is_refused_dry(cli: Cli, repo: Path) -> None:
    work = found(repo, GATE + tasks("a"), "ada")
    _both(cli, "not-whole")
    do(work, "ada", "a")
    _both(cli, "trust")
    cli("trust", "--yes")
    git("rm", "-q", "--cached", "README.md", cwd=repo)
    (repo / "a").mkdir()
    (repo / "a" / "file.txt").write_text("mine\n")
    _both(cli, "worktree")
    (repo / "a" / "file.txt").unlink()
    git("reset", "-q", cwd=repo)
    assert cli.json("phase", "land", "default", "--dry-run")["ready"]
    cli("phase", "land", "default")
