"""The commands rollback, undo and checkpoint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.world import environment, found


def test_the_command_line_goes_back_and_says_so(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gitcoord", *args],
            cwd=repo,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("checkpoint", "start").returncode == 0
    claims.claim(work, "x")
    dry = run("rollback", "--to", "start", "--dry-run")
    assert dry.returncode == 0
    assert "claim on a by x is fenced" in dry.stdout
    assert run("rollback").returncode == 2
    assert run("rollback", "--to", "nowhere").returncode == 2
    assert run("rollback", "--before", "yesterday").returncode == 2
    done = run("rollback", "--to", "start", "--json")
    assert done.returncode == 0
    assert '"epoch": 1' in done.stdout
    assert "back to checkpoint start" in run("rollback", "list").stdout
    assert run("rollback", "undo").returncode == 0
    assert run("verify").returncode == 0
