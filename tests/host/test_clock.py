"""The one clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.work import claims
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.processes import identity
from tests.support.builders import tasks
from tests.support.world import ENV_PATH, found


def test_a_deadline_runs_out() -> None:
    clock = Clock()
    assert Deadline(clock, 0).expired
    assert Deadline(clock, 60).remaining() > 59
    assert 0 <= clock.backoff(3) <= 0.016
    assert len(clock.token()) == 32


def in_namespace(offset: int, code: str) -> str:
    """Run Python with a monotonic clock that is so many seconds ahead."""
    shifted = ("unshare", "--time", "--monotonic", str(offset), "--")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*shifted, "true"], check=False).returncode
    ):
        pytest.skip("no time namespace can be made here")
    done = subprocess.run(
        [*shifted, sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": ENV_PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_time_namespace_is_another_machine() -> None:
    asked = "from gitcoord.host.clock import Clock; print(Clock().machine_id())"
    here = Clock()
    assert here.machine_id() == here.boot_id() or "+" in here.machine_id()
    ahead = in_namespace(1000, asked)
    assert ahead.startswith(here.boot_id())
    assert ahead != here.machine_id()
    assert ahead == in_namespace(1000, asked), "equal clocks are one machine's"
    assert ahead != in_namespace(2000, asked)


def test_a_process_in_another_time_namespace_is_not_taken_for_dead() -> None:
    asked = f"from gitcoord.host.processes import is_alive; print(is_alive({identity()!r}))"
    assert in_namespace(1000, asked) == "None", "its start time is told by another clock"


def test_a_live_lease_is_not_over_for_a_clock_that_is_ahead(repo: Path) -> None:
    work = found(repo, "[plan]\nlease = '1h'\n" + tasks("a"), "x", "y", worktrees=False)
    claims.claim(work, "x")
    asked = (
        "import sys; from pathlib import Path\n"
        "from gitcoord.core.errors import NothingReadyError\n"
        "from gitcoord.features.work import claims\n"
        "from gitcoord.features.workspace import open_workspace\n"
        f"work = open_workspace(Path({str(repo)!r}))\n"
        "try:\n    claims.claim(work, 'y')\n"
        "except NothingReadyError:\n    print('held')\n"
    )
    assert in_namespace(100_000, asked) == "held"
