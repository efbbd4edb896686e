"""The commands doctor, upkeep, verify and uninstall."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.cli.assistants import _ASSISTANTS
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.shapes import answer_mistakes
from tests.support.world import environment, found, git


def test_doctor_and_upkeep_say_what_they_found_and_did(repo: Path) -> None:
    found(repo, tasks("a"), "x", worktrees=False)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gitcoord", *args],
            cwd=repo,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    well = run("doctor")
    assert well.returncode == 0
    assert well.stdout.endswith("nothing is wrong\n")
    git("config", "gc.pruneExpire", "now", cwd=repo)
    ill = run("doctor", "--json")
    assert ill.returncode == 18
    answer = json.loads(ill.stdout)
    assert answer["ok"] is True
    assert [one["check"] for one in answer["findings"] if one["state"] == "problem"] == ["gc"]
    kept = json.loads(run("upkeep", "--json").stdout)
    assert kept["packed"] > 10
    assert not kept["busy"]


def test_uninstall_shows_what_each_assistant_was_given_and_takes_it_away(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(repo, capsys)
    cli("init")
    for assistant in (*_ASSISTANTS, "agents-md"):
        cli("setup", assistant)
    shown = cli("uninstall")
    assert "AGENTS.md" in shown
    assert "nothing was removed" in shown
    answer = cli.json("uninstall", "--yes", "--with-ledger")
    assert answer["removed"] is True
    assert answer_mistakes(answer) == []
    assert git("status", "--porcelain", "--ignored", cwd=repo) == ""
    assert git("for-each-ref", "--format=%(refname)", cwd=repo) == "refs/heads/main"
    assert cli.json("uninstall")["items"] == []
