"""Views: what is over is not still to do, and other ledgers are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import do, found

TWO = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'
PLAN = TWO + tasks("a", "b", "c", b=["a"], c=["b"]).replace(
    '"Do a"', '"Do a"\nphase = "one"'
).replace('"Do b"', '"Do b"\nphase = "two"').replace('"Do c"', '"Do c"\nphase = "two"')


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def test_landed_and_cancelled_tasks_are_not_still_to_do(cli: Cli, repo: Path) -> None:
    work = found(repo, PLAN, "ada")
    assert [wave["tasks"] for wave in cli.json("plan", "show")["waves"]] == [["a"], ["b"], ["c"]]
    do(work, "ada", "a")
    cli("phase", "land", "one")
    assert [wave["tasks"] for wave in cli.json("plan", "show")["waves"]] == [["b"], ["c"]]
    assert "3 tasks, 1 of them done or cancelled" in cli("plan", "show")
    cli("cancel", "c")
    assert cli.json("impact", "b")["direct"] == []
    assert cli.json("impact", "b")["phases_waiting"] == ["two"]
    landed = cli.json("impact", "a")
    assert (landed["direct"], landed["phases_waiting"]) == (["b"], ["two"])


def test_a_ledger_that_is_not_there_names_those_that_are(cli: Cli, repo: Path) -> None:
    assert cli.json("status", status=2)["hint"] == "`gitcoord init` makes one"
    found(repo, tasks("a")).close()
    cli("init", "--ledger", "other")
    hint = cli.json("status", "--ledger", "thrid", status=2)["hint"]
    assert "here: ledger, other (--ledger NAME" in hint


def test_status_and_phases_show_what_failed_with_the_command_that_helps(
    cli: Cli, repo: Path
) -> None:
    gate = '[[phase]]\nname = "default"\ngates = [{ name = "tests", run = "exit 3" }]\n'
    work = found(repo, gate + tasks("a"), "ada")
    cli("trust", "--yes")
    do(work, "ada", "a")
    cli("phase", "land", "default", status=14)
    assert "gate tests failed: it ended with status 3" in cli("status")
    assert "next: gitcoord phase check default" in cli("status")
    assert "open, gate tests failed" in cli("phase", "list")
    checked = cli("phase", "check", "default")
    assert "failed: it ended with status 3; its output: git show gitcoord/ledger:logs/" in checked


def test_why_stands_as_a_tree_with_the_commands_that_help(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a", "b", "c", b=["a"], c=["b"]), "x", worktrees=False).close()
    cli("pause", "a", "--reason", "not yet")
    assert cli("why", "c").splitlines()[:-1] == [
        "c is waiting: Do c",
        "  task c waits for b",
        "    task b waits for a",
        "      task a is paused by orchestrator (not yet): `gitcoord unpause a`",
    ]
    cli("unpause", "a")
    assert cli("why", "a").splitlines()[:-1] == ["a is ready: Do a", "  it waits for nothing"]
    assert cli.json("why", "nothing", status=2)["code"] == "not-found"
