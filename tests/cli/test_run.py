"""A run tells what it waits for and what it left, each with the command that helps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import environment, found, write


@pytest.fixture
def cli(repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


def test_what_a_run_left_is_named_with_the_command_that_helps(cli: Cli, repo: Path) -> None:
    found(repo, "[plan]\nmax_attempts = 1\n" + tasks("a", "b", b=["a"])).close()
    cli("run", "-j", "2", "--", "sh", "-c", "echo why it failed; exit 3", status=18)
    assert "task a failed" in cli.err
    assert "next: gitcoord retry a" in cli.err
    line = next(line for line in cli.err.splitlines() if "a failed: status 3" in line)
    assert line.endswith("why it failed (`gitcoord show a --log` has more)")
    assert cli("show", "a", "--log").endswith("why it failed\n")


def test_the_line_of_a_failed_attempt_is_short_however_much_was_said(cli: Cli, repo: Path) -> None:
    found(repo, "[plan]\nmax_attempts = 1\n" + tasks("a")).close()
    refuse = repo / ".git" / "hooks" / "pre-commit"
    refuse.parent.mkdir(exist_ok=True)
    refuse.write_text(
        "#!/bin/sh\nfor n in $(seq 200); do echo $n: this line is long >&2; done; exit 1\n"
    )
    refuse.chmod(0o755)
    cli("run", "-j", "1", "--", "sh", "-c", "mkdir -p a; echo x > a/x", status=18)
    line = next(line for line in cli.err.splitlines() if " failed: " in line)
    assert len(line) < 250
    assert line.endswith("(`gitcoord show a --log` has more)")
    assert "200: this line is long" in cli("show", "a", "--log")


def test_a_run_says_whose_claims_it_waits_for(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "ada")
    held = claims.claim(work, "ada", "a")
    run = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gitcoord",
            "run",
            "-j",
            "1",
            "--",
            "sh",
            "-c",
            "mkdir -p b && echo x > b/x",
        ],
        cwd=repo,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    lines = iter(run.stderr.readline, "")
    waits = next(line for line in lines if "waits" in line)
    assert "a by ada" in waits
    assert "gitcoord show a" in waits
    write(Path(held.worktree or ""), "a/x")
    results.complete(work, "ada", "a", held.claim["token"])
    run.stderr.read()
    run.stderr.close()
    assert run.wait() == 0


def test_a_program_that_cannot_be_run_is_told_before_anything_begins(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a")).close()
    script = repo / "agent.sh"
    script.write_text("#!/bin/sh\n")
    cli("run", "--", str(script), status=2)
    assert "chmod +x" in cli.err
    assert json.loads(cli("agent", "list", "--json"))["agents"] == []
