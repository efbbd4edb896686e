"""The one clock: what it reads, draws and waits for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.features.work import claims
from gitcoord.host.clock import MAX_BACKOFF_S, Clock, Deadline
from gitcoord.host.processes import identity
from tests.support.builders import tasks
from tests.support.world import ENV_PATH, environment, found


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


class Stepped(Clock):
    """A clock whose monotonic time is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 10**12

    def monotonic_ns(self) -> int:
        return self.now_ns


def test_a_deadline_runs_out_at_its_moment_and_stays_so() -> None:
    clock = Stepped()
    deadline = Deadline(clock, 2.5)
    assert (deadline.remaining(), deadline.expired) == (2.5, False)
    clock.now_ns += 2_499_999_999
    assert not deadline.expired
    clock.now_ns += 1
    assert (deadline.remaining(), deadline.expired) == (0, True)
    clock.now_ns += 10**9
    assert (deadline.remaining(), deadline.expired) == (0, True)


def test_a_deadline_of_nothing_is_over_at_once() -> None:
    assert Deadline(Clock(), 0).expired
    assert Deadline(Clock(), 60).remaining() > 59


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.0), (0.5, 0.5)])
def test_waits_grow_to_a_bound_with_chance_in_all_of_them(chance: float, share: float) -> None:
    class Fixed(Clock):
        def random(self) -> float:
            return chance

    waits = [Fixed().backoff(attempt) for attempt in range(40)]
    assert waits[:4] == [share * most for most in (0.002, 0.004, 0.008, 0.016)]
    assert waits == sorted(waits)
    assert waits[-1] == share * MAX_BACKOFF_S


def test_chance_is_below_one_and_tokens_are_of_128_bits() -> None:
    clock = Clock()
    drawn = [clock.random() for _ in range(100)]
    assert all(0 <= one < 1 for one in drawn)
    assert len(set(drawn)) > 90
    tokens = {clock.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 32 and int(token, 16) >= 0 for token in tokens)


def test_all_processes_of_a_boot_share_its_name_and_its_monotonic_time() -> None:
    clock = Clock()
    before = clock.monotonic_ns()
    script = (
        "from gitcoord.host.clock import Clock; c = Clock(); print(c.boot_id(), c.monotonic_ns())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    boot, theirs = done.stdout.split()
    assert boot == clock.boot_id()
    assert before < int(theirs) < clock.monotonic_ns()
