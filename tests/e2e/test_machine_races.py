"""The race of clones counts what it says that it counts, and its lines are what they say."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from benchmarks import servers
from benchmarks.lines import Line
from benchmarks.machines import LOOP, Race, Shape, budget_rows, field, row
from benchmarks.remote_racers import race
from tests.support.world import git

ONE = Race("1 clone, 1 agent", 10, 5.0, [0.1, 0.2, 0.3, 0.4], 12, 15, 50.0, [])


@pytest.mark.long
def test_a_race_counts_what_the_server_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if servers.ssh_program() is None:
        pytest.skip("no sshd here (Debian: openssh-server)")
    monkeypatch.setenv("GIT_SSH_COMMAND", "")  # what the field sets is taken back with this
    bare = tmp_path / "server.git"

    def length(branch: str) -> int:
        return int(git("rev-list", "--count", branch, cwd=bare))

    with field("ssh", tmp_path) as own:
        own.prepare(2, 1)
        before = length("gitcoord/ledger")
        race = own.race(Shape(2, 1), 1.0)
        loop = own.loop(0.5)
        assert race.failed == loop.failed == []
        assert length("gitcoord/ledger") == before + race.entries
        assert length("loop") == 1 + loop.entries
    assert len(race.took) * 2 == race.entries > 0
    assert race.pushes >= race.entries
    assert race.kilobytes > race.entries
    assert loop.pushes == loop.fetches == loop.entries == len(loop.took)
    assert race.fetches > 0


def test_a_line_keeps_order_and_counts_bytes_while_much_is_under_way() -> None:
    told = [os.urandom(3000) for _ in range(20)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        between = Line(server.getsockname()[1], 0.05)

        def answer() -> None:
            there, _ = server.accept()
            with there, there.makefile("rb") as said:
                there.sendall(said.read()[::-1])

        answering = threading.Thread(target=answer)
        answering.start()
        with socket.create_connection(("127.0.0.1", between.port)) as client:
            for piece in told:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as heard:
                assert heard.read() == b"".join(told)[::-1]
        answering.join()
        between.close()
    assert (between.sent, between.received) == (60_000, 60_000)


class _Unlucky:
    """Claims every second time, and may end no claim."""

    ends_claims = True

    def __init__(self) -> None:
        self.tries = 0

    @property
    def talks(self) -> tuple[int, int]:
        return self.tries, 2 * self.tries

    def claim(self) -> None:
        self.tries += 1
        if self.tries % 2:
            raise TimeoutError("no luck")

    def finish(self) -> None:
        raise TimeoutError("no end")


def test_what_was_given_up_counts_with_its_time_and_is_no_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: float(next(seconds)))
    unlucky = _Unlucky()
    done = race(unlucky, 20.0)
    assert unlucky.tries == len(done["took"]) > 2
    assert done["took"] == [1.0] * unlucky.tries
    assert done["entries"] == unlucky.tries // 2
    assert len(done["failed"]) == unlucky.tries
    assert (done["pushes"], done["fetches"]) == (unlucky.tries, 2 * unlucky.tries)


def test_a_row_has_rates_against_the_loop_and_what_each_entry_took() -> None:
    loop = ONE._replace(who=LOOP, entries=20, pushes=20)
    assert row("ssh", 20, ONE, loop) == (
        "| ssh, 20 ms | 1 clone, 1 agent | 2.00/s | 0.50 | 0.20 s | 0.30 s | 1.20, 1.50 | 5.0 | 0 |"
    )
    nothing = ONE._replace(entries=0, took=[])
    assert row("ssh", 20, nothing, nothing).split(" | ")[3:5] == ["none", "0.00 s"]


@pytest.mark.parametrize(
    ("clones", "entries", "slowest", "verdict"),
    [
        (16, 10, 9.0, "met"),
        (16, 7, 14.0, "met"),
        (16, 10, 16.0, "missed"),
        (16, 6, 1.0, "missed"),
        (1, 100, 99.0, "met"),
        (1, 90, 1.0, "missed"),
    ],
)
def test_a_budget_is_met_by_the_rate_and_the_slowest(
    clones: int, entries: int, slowest: float, verdict: str
) -> None:
    loop = ONE._replace(who=LOOP, entries=20)
    shape = Shape(clones, 16 // clones)
    race = ONE._replace(who=shape.text, entries=entries, took=[slowest] * 4)
    assert budget_rows("ssh", 0, {shape: race}, loop)[0].endswith(f"| {verdict} |")
