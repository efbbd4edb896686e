"""Measure what a fetch and a push take over ssh: round trips, time, the server's processor."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks.machines import Field, field
from benchmarks.remote_racers import Loop

__all__ = ["Costs", "measured"]

ROUNDS = 10
ROUND_TRIP_S = 0.1
SETTLE_S = 0.1
"""After how long the server has counted what a connection took."""


class Costs(NamedTuple):
    """What a fetch and a push take: round trips, seconds beside these, the server's processor."""

    fetch_rounds: float
    fetch_s: float
    fetch_server_s: float
    push_rounds: float
    push_s: float
    push_server_s: float


class Took(NamedTuple):
    """What one fetch or push took: seconds, and seconds of the server's processor."""

    seconds: float
    server_s: float


def measured() -> tuple[Costs, Costs]:
    """Return what it costs with a connection for each, and with one that stays open."""
    with (
        tempfile.TemporaryDirectory(prefix="gitcoord-link-", ignore_cleanup_errors=True) as folder,
        field("ssh", Path(folder)) as own,
    ):
        anew = _costs(own)
        plain = os.environ["GIT_SSH_COMMAND"]
        control = f"{plain} -o ControlPath={folder}/open"
        os.environ["GIT_SSH_COMMAND"] = f"{control} -o ControlMaster=auto -o ControlPersist=60"
        kept = _costs(own)
        start = own.url.removeprefix("ssh://").partition("/")[0]
        place, _, port = start.partition(":")
        leave = [*control.split(), "-O", "exit", "-p", port, place]
        subprocess.run(leave, check=False, capture_output=True)
        os.environ["GIT_SSH_COMMAND"] = plain
    return anew, kept


def _costs(own: Field) -> Costs:
    """Let two clones commit in turn, on a line without and with a delay."""
    places = [own.cloned(f"turn{own.runs}-{number}") for number in (1, 2)]
    own.runs += 1
    loops = [Loop(place, place.name) for place in places]
    fetches: dict[float, list[Took]] = {}
    pushes: dict[float, list[Took]] = {}
    for round_trip_s in (0.0, ROUND_TRIP_S):
        own.wire.delay_s = round_trip_s / 2
        for one in loops * (ROUNDS // 2):
            fetches.setdefault(round_trip_s, []).append(_took(own, one.fetch))
            pushes.setdefault(round_trip_s, []).append(_took(own, one.push))
    own.wire.delay_s = 0.0
    return Costs(*_cost(fetches), *_cost(pushes))


def _took(own: Field, act: Callable[[], bool]) -> Took:
    before_s = _processor_s(own.pid)
    began_s = time.monotonic()
    assert act()
    seconds = time.monotonic() - began_s
    time.sleep(SETTLE_S)
    return Took(seconds, _processor_s(own.pid) - before_s)


def _cost(found: dict[float, list[Took]]) -> tuple[float, float, float]:
    near, far = (statistics.median(one.seconds for one in found[trip]) for trip in sorted(found))
    server_s = statistics.mean(one.server_s for took in found.values() for one in took)
    return (far - near) / ROUND_TRIP_S, max(0.0, near - server_s), server_s


def _processor_s(pid: int) -> float:
    """Return what a process, and all that it began, took of the processor."""
    ticks = 0
    parents: dict[int, list[int]] = {}
    taken: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
            taken[int(path.parent.name)] = sum(map(int, fields[11:15]))
    family = [pid]
    for one in family:
        ticks += taken.get(one, 0)
        family += parents.get(one, [])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    for costs in measured():
        print(costs)
