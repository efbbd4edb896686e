"""Clocks that are wrong: by a year, or twice as fast, or half.

Wall clocks are faked by faketime for whole processes. The rates of
monotonic clocks are faked where gitcoord reads them: under faketime a
process whose monotonic clock is another one waits for ever in the timed
waits of Python.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gitcoord.core.messages import parse
from gitcoord.features.maintain import verify
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.world import environment, found

pytestmark = pytest.mark.soak
LEASE_S = 6.0
PLAN = '[plan]\nlease = "6s"\nheartbeat = "5s"\nselection = "round-robin"\n'
WALL = ["+365d", "-365d", "+0 x2", "+0 x0.5"]

COMMON = """
import json, sys, threading
from pathlib import Path
from gitcoord.host.clock import Clock
from gitcoord.core.errors import ConflictError, NothingReadyError
from gitcoord.features.work import claims, results
from gitcoord.features.work.keepalive import beat_every_s
from gitcoord.features.workspace import open_workspace

repo, agent, task = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
rate, boot = float(sys.argv[4]), sys.argv[5]
begun = Clock().monotonic_ns()

class Skewed(Clock):
    def monotonic_ns(self):
        now = super().monotonic_ns()
        return begun + int((now - begun) * rate)

    def boot_id(self):
        return boot or super().boot_id()

    # time.sleep is no use under faketime, which gives it a deadline of another clock.
    def sleep(self, seconds):
        threading.Event().wait(seconds / rate)

clock = Skewed()
work = open_workspace(repo, clock=clock, timeout_s=60)
"""

HOLDER = (
    COMMON
    + """
held = claims.claim(work, agent, task, checkout=False, session="named:" + agent)
token = held.claim["token"]
print("held", flush=True)
number = 0
while True:
    clock.sleep(beat_every_s(work))
    number += 1
    if number % 3:
        work.ledger.beat(agent, token)
    else:
        results.progress(work, agent, task, token, "alive")
"""
)

OBSERVER = (
    COMMON
    + """
looks = 0
while True:
    try:
        claimed = claims.claim(work, agent, checkout=False, session="named:" + agent)
    except (NothingReadyError, ConflictError):
        looks += 1
        if looks == 1:
            print("looking", flush=True)
        clock.sleep(0.2)
    else:
        said = {"task": claimed.task["id"], "entry": claimed.entry, "looks": looks}
        print(json.dumps(said), flush=True)
        break
"""
)


class Process(NamedTuple):
    """A holder or an observer, and what is wrong with its clocks."""

    agent: str
    wall: str = ""
    rate: float = 1.0
    boot: str = ""


def started(repo: Path, script: str, one: Process, task: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, str(repo), one.agent, task, str(one.rate), one.boot]
    env = environment()
    if one.wall:
        command = ["faketime", "-m", "--exclude-monotonic", "-f", one.wall, *command]
        env |= {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line == ("held" if script is HOLDER else "looking"), f"{one}: {line}"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def events_of(work: Workspace) -> list[tuple[int, Any]]:
    """Read the history, oldest first: each entry's time and its event."""
    found_events, oid = [], work.ledger.tip()
    while oid:
        entry = work.store.read_entry(oid)
        found_events.append((entry.time, parse(entry.message, oid)))
        oid = entry.parents[0] if entry.parents else None
    return found_events[::-1]


def ended(event: Any) -> list[Any]:
    takeover = event.get("takeover")
    return [*event.get("expired", []), *([takeover] if takeover else [])]


def watched(
    repo: Path, holders: Sequence[Process], observers: Sequence[Process], rule: str
) -> None:
    """Let holders live for two leases of every observer, then die."""
    names = [f"t{number}" for number in range(len(holders))]
    work = found(
        repo, PLAN + tasks(*names), *(one.agent for one in [*holders, *observers]), worktrees=False
    )
    running: list[subprocess.Popen[str]] = []
    looking: list[subprocess.Popen[str]] = []
    try:
        running += [
            started(repo, HOLDER, one, name) for one, name in zip(holders, names, strict=True)
        ]
        looking += [started(repo, OBSERVER, one, "") for one in observers]
        time.sleep(2 * LEASE_S / min(one.rate for one in observers))
        assert [process.poll() for process in [*running, *looking]] == [None] * (
            len(running) + len(looking)
        ), "nobody lost anything"
        assert not any(ended(event) for _, event in events_of(work)), "no live lease was stolen"
        for process in running:
            kill(process)
        dead = time.monotonic()
        told = [json.loads(process.communicate(timeout=10 * LEASE_S)[0]) for process in looking]
        took_s = time.monotonic() - dead
    finally:
        for process in [*running, *looking]:
            kill(process)
    assert all(process.returncode == 0 for process in looking)
    assert sorted(one["task"] for one in told) == names
    heir = open_workspace(repo)
    history = events_of(heir)
    times = [at for at, _ in history]
    assert times == sorted(times), "the times of entries never run backwards"
    evidence = [gone for _, event in history for gone in ended(event)]
    assert {gone["rule"] for gone in evidence} == {rule}
    assert all(gone["now_ns"] - gone["last_ns"] > gone["lease_ms"] * 1_000_000 for gone in evidence)
    verify.verify(heir)
    print(
        f"\n{len(holders)} holders, {len(observers)} observers: 0 of {len(holders)} live leases "
        "stolen, every dead one's task "
        f"claimed within {took_s:.1f} s of its death (lease {LEASE_S:g} s)"
    )


@pytest.mark.skipif(
    shutil.which("faketime") is None, reason="faketime is not installed: apt-get install faketime"
)
def test_wall_clocks_a_year_off_or_of_another_rate_steal_no_lease_and_keep_no_dead_one(
    repo: Path,
) -> None:
    holders = [Process(f"x{number}", wall) for number, wall in enumerate(WALL)]
    observers = [Process(f"y{number}", wall) for number, wall in enumerate(WALL)]
    watched(repo, holders, observers, "monotonic")


@pytest.mark.parametrize(
    ("holding", "watching"),
    [((0.5, 1.0, 2.0), (1.0, 1.0, 1.0)), ((1.0, 2.0), (2.0, 0.5))],
    ids=["holders", "observers"],
)
def test_monotonic_clocks_of_other_machines_may_run_at_twice_or_half_the_rate(
    repo: Path, holding: Sequence[float], watching: Sequence[float]
) -> None:
    # A holder beats three times a lease: an observer may be up to three times as fast.
    holders = [
        Process(f"x{number}", rate=rate, boot=f"holder-{number}")
        for number, rate in enumerate(holding)
    ]
    observers = [
        Process(f"y{number}", rate=rate, boot=f"observer-{number}")
        for number, rate in enumerate(watching)
    ]
    watched(repo, holders, observers, "observed")
