"""Click reads what is not plain, says what is wrong, completes, and ends nothing by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import environment, found


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    found(repo, tasks("lexer", "parser"), "ada", worktrees=False).close()
    return Cli(repo, capsys)


def test_a_word_that_is_not_plain_means_what_it_means_to_click(cli: Cli) -> None:
    cli("claim", "--agent", "ada", "--", "parser")
    assert cli.json("progress", "half", "--percent=050", "--agent", "ada")["task"] == "parser"
    cli("progress", "--agent", "ada", "--", "--percent is not an option here")
    assert "--percent is not an option here" in cli("log", "-n1")


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["progress"], "Missing argument 'MESSAGE'"),
        (["progress", "x", "--percent", "much"], "'much' is not a valid integer"),
        (["claim", "a", "b"], "unexpected extra argument (b)"),
        (["claim", "--pool"], "Option '--pool' requires an argument"),
        (["beat", "--tsak", "a"], "No such option"),
        (["log", "-n", "0"], "0 is not in the range"),
    ],
)
def test_what_is_wrong_is_said_in_clicks_words(cli: Cli, words: list[str], wrong: str) -> None:
    told = cli.json(*words, "--agent", "ada", status=2)
    assert wrong in told["message"]
    assert told["hint"].endswith("--help` shows how it is used")


def run(repo: Path, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gitcoord", "-C", str(repo), *words],
        env=environment(**given),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_shell_that_completes_a_command_is_answered(repo: Path) -> None:
    asked = {"_GITCOORD_COMPLETE": "bash_complete", "COMP_WORDS": "gitcoord claim --no"}
    done = run(repo, "claim", **asked, COMP_CWORD="2")
    assert "plain,--no-checkout" in done.stdout


@pytest.mark.parametrize("words", [["tasks"], ["commands"]], ids=["read plainly", "by click"])
def test_a_reader_that_went_away_ends_a_command_with_141(cli: Cli, words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gitcoord", "-C", str(cli.repo), *words],
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
