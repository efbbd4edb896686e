"""Race clones that share a ledger on a server, over ssh and HTTP, on slow lines.

Every clone reaches the server of this machine over a line that adds to each
round trip what is asked for. A row is one race: so many clones with so many
agents each, which claim and give back in a loop. Beside them, on the same
line, runs what one writes by hand: fetch, commit, push. Rates are entries
that were acknowledged, a claim and a release each; times are of claims, those
that were given up after 30 seconds too.

``python -m benchmarks.machines`` takes some ten minutes and prints the rows
of the budget; ``--full`` prints every row. ``--over ssh``, ``ssh-open`` or
``http`` and ``--delays 0,20`` choose among them. ``--rivals`` races those that share work
through a server as well, over ssh; it needs the package registries.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from benchmarks import rivals, servers
from benchmarks.__main__ import installed, repository
from benchmarks.lines import Line, line
from benchmarks.plans import many_tasks
from benchmarks.remote_racers import BRANCH
from gitcoord.features.setup import agents, ledger, machines, plans
from gitcoord.features.workspace import open_workspace

OVER = ("ssh", "ssh-open", "http")
"""By a connection for each command, by one that stays open, and with a password."""
DELAYS_MS = (0, 20, 200)
SECONDS = {0: 6.0, 20: 8.0, 200: 24.0}
"""How long a race is by what its line adds: every racer gets some claims done."""
READY_S = 120.0
LATE_S = 90.0
"""How long what is under way at the end of a race is waited for."""


class Shape(NamedTuple):
    """How many clones race, and how many agents in each."""

    clones: int
    agents: int

    @property
    def text(self) -> str:
        clones = "clone" if self.clones == 1 else "clones"
        each = "" if self.clones == 1 or self.agents == 1 else " each"
        return f"{self.clones} {clones}, {self.agents} agent{'s' * (self.agents > 1)}{each}"


BUDGET = (Shape(1, 1), Shape(16, 1), Shape(1, 16))
ALL = (
    Shape(1, 1),
    Shape(4, 1),
    Shape(16, 1),
    Shape(1, 4),
    Shape(4, 4),
    Shape(16, 4),
    Shape(1, 16),
)
RIVALS = 16
SHARED_BY_SERVER = frozenset({"flockwork", "agentsync"})
"""Drivers of rivals that share work through a git server."""
STAYS_OPEN = "-o ControlMaster=auto -o ControlPersist=20 -o ControlPath=.git/line"
"""Lets a clone keep its ssh connection, as it may be told to in ``~/.ssh/config``."""
LOOP = "by hand, fetch, commit, push"


class Race(NamedTuple):
    """What came of a race."""

    who: str
    entries: int
    seconds: float
    took: list[float]
    pushes: int
    fetches: int
    kilobytes: float
    failed: list[str]

    @property
    def rate(self) -> float:
        return self.entries / self.seconds

    def part(self, share: float) -> float:
        """Return the time of a claim that this share of them did not exceed."""
        return sorted(self.took)[max(0, int(len(self.took) * share) - 1)] if self.took else 0.0


class Field:
    """A server with a ledger and a branch for loops, and clones that reach it over a line."""

    def __init__(self, top: Path, url: str, wire: Line, pid: int, env: dict[str, str]) -> None:
        self.top, self.url, self.wire, self.pid, self.env = top, url, wire, pid, env
        self.bare = top / "server.git"
        self.runs = 0
        self.by_hand = self.cloned("loop")

    def prepare(self, clones: int, each: int) -> None:
        """Make the ledger, with agents enough for the largest race, and the clones."""
        founder = repository(self.top / "founder")
        git("remote", "add", "origin", self.url, cwd=founder)
        work = open_workspace(founder)
        ledger.init(work)
        plans.apply_plan(work, many_tasks(400), "plan.toml")
        for number in range(clones * each):
            agents.add(work, f"x{number}", no_worktree=True)
        machines.publish(work, machines.home_for(work, "origin"))
        work.close()
        first = self.cloned("clone0")
        joined = open_workspace(first)
        machines.join(joined)
        joined.close()
        # The others are what a clone and a join would have made of them.
        others = [self.top / f"clone{number}" for number in range(1, clones)]
        for place in others:
            shutil.copytree(first, place, symlinks=True, ignore=shutil.ignore_patterns("line"))
        self.clones = [first, *others]

    def cloned(self, name: str) -> Path:
        """Make one more clone."""
        place = self.top / name
        git("clone", "-q", str(self.bare), str(place), cwd=self.top)
        git("remote", "set-url", "origin", self.url, cwd=place)
        for key, value in (("user.name", "b"), ("user.email", "b@localhost"), ("gc.auto", "0")):
            git("config", key, value, cwd=place)
        return place

    def loop(self, seconds: float) -> Race:
        """Let one client fetch, commit and push in a loop, alone."""
        return self._race(LOOP, [f"loop\t{self.by_hand}\tloop"], seconds)

    def race(self, shape: Shape, seconds: float) -> Race:
        """Let the agents of some clones claim and give back."""
        lines = [
            f"agent\t{self.clones[number]}\tx{number * shape.agents + agent}"
            for number in range(shape.clones)
            for agent in range(shape.agents)
        ]
        return self._race(shape.text, lines, seconds)

    def _race(self, who: str, lines: Sequence[str], seconds: float) -> Race:
        self.runs += 1
        run = self.top / f"run{self.runs}"
        run.mkdir()
        with (run / "errors").open("wb") as errors:
            racers = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.remote_racers", str(run)],
                env=self.env,
                stdin=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        try:
            assert racers.stdin is not None
            racers.stdin.write("\n".join(lines))
            racers.stdin.close()
            wait_ready(run, len(lines), racers)
            moved = self.wire.sent + self.wire.received
            begun = time.monotonic()
            (run / "go.new").write_text(str(begun + seconds))
            (run / "go.new").rename(run / "go")
            racers.wait(seconds + LATE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            kill(racers)
        moved = self.wire.sent + self.wire.received - moved
        done = [json.loads(path.read_text()) for path in run.glob("*.json")]
        failed = [said for one in done for said in one["failed"]]
        failed += ["did not end"] * (len(lines) - len(done))
        return Race(
            who,
            sum(one["entries"] for one in done),
            # What is under way at the deadline counts, and so does its time.
            max([seconds, *(one["last"] - begun for one in done)]),
            [each for one in done for each in one["took"]],
            sum(one["pushes"] for one in done),
            sum(one["fetches"] for one in done),
            moved / 1000,
            failed,
        )


def git(*args: str, cwd: Path) -> None:
    subprocess.run(["git", *args], cwd=cwd, check=True, capture_output=True)


def kill(racers: subprocess.Popen[str]) -> None:
    """End a race's processes, those that it forked with it."""
    with suppress(ProcessLookupError):
        os.killpg(racers.pid, signal.SIGKILL)
    racers.wait()


def wait_ready(run: Path, count: int, racers: subprocess.Popen[str]) -> None:
    end = time.monotonic() + READY_S
    while sum(1 for _ in run.glob("*.ready")) < count:
        if time.monotonic() > end or racers.poll() is not None:
            raise TimeoutError(f"not ready: {(run / 'errors').read_text()[-500:]}")
        time.sleep(0.02)


@contextmanager
def field(over: str, top: Path) -> Iterator[Field]:
    """Start a server and put a line before it."""
    bare = top / "server.git"
    git("init", "-q", "--bare", "-b", "main", str(bare), cwd=top)
    git("config", "http.receivepack", "true", cwd=bare)
    git("config", "gc.auto", "0", cwd=bare)
    seed = repository(top / "seed")
    git("push", "-q", str(bare), f"HEAD:{BRANCH}", cwd=seed)
    env = installed(top)
    with server(over, top, bare) as (url, served), line(url) as (wire, slow):
        if served.ssh_command:
            # What the preparations start here has to find the server's key, too.
            os.environ["GIT_SSH_COMMAND"] = env["GIT_SSH_COMMAND"] = served.ssh_command
        yield Field(top, slow, wire, served.pid, env)


@contextmanager
def server(over: str, top: Path, bare: Path) -> Iterator[tuple[str, servers.Served]]:
    """Run a server; yields the URL of a repository there, and the server."""
    if over == "ssh":
        program = servers.ssh_program()
        if program is None:
            sys.exit("no sshd here (Debian: openssh-server)")
        with servers.sshd(top / "sshd", program) as daemon:
            yield f"{daemon.start}{bare}", daemon
        return
    if over == "ssh-open":
        with server("ssh", top, bare) as (url, daemon):
            yield url, daemon._replace(ssh_command=f"{daemon.ssh_command} {STAYS_OPEN}")
        return
    programs = servers.web_programs()
    if programs is None:
        sys.exit("no web server with git's backend here (Debian: lighttpd)")
    with servers.web_server(top / "web", top, programs) as web:
        yield f"{web.start}/{bare.name}", web


def busy_cores(seconds: float = 1.0) -> float:
    """Return how many cores others are using now."""

    def read() -> tuple[int, int]:
        fields = [
            int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        ]
        return sum(fields), fields[3] + fields[4]

    before = read()
    time.sleep(seconds)
    after = read()
    share = 1 - (after[1] - before[1]) / max(1, after[0] - before[0])
    return share * (os.cpu_count() or 1)


HEAD = (
    "| over, added to a round trip | who | rate | to the loop's | p50 | p99 | "
    "pushes, fetches an entry | kB an entry | failed |"
)


def row(over: str, delay_ms: int, race: Race, loop: Race) -> str:
    """Return a race as a row of the table."""
    each = max(1, race.entries)
    cells = [
        f"{over}, {delay_ms} ms",
        race.who,
        f"{race.rate:.2f}/s",
        f"{race.rate / loop.rate:.2f}" if loop.entries else "none",
        f"{race.part(0.5):.2f} s",
        f"{race.part(0.99):.2f} s",
        f"{race.pushes / each:.2f}, {race.fetches / each:.2f}",
        f"{race.kilobytes / each:.1f}",
        str(len(race.failed)),
    ]
    return f"| {' | '.join(cells)} |"


def budget_rows(over: str, delay_ms: int, races: dict[Shape, Race], loop: Race) -> list[str]:
    """Return what the budgets of the design come to on one line."""
    rows = []
    for shape in (Shape(16, 1), Shape(1, 16)):
        race = races.get(shape)
        if race is None or not loop.entries:
            continue
        ratio, p99 = race.rate / loop.rate, race.part(0.99)
        if shape.clones == 16:
            wanted = "0.5 with p99 under 10 s, or 0.33 with p99 under 15 s"
            is_met = (ratio >= 0.5 and p99 < 10) or (ratio >= 0.33 and p99 < 15)
        else:
            wanted, is_met = "5", ratio >= 5
        verdict = "met" if is_met else "missed"
        rows.append(
            f"| {over}, {delay_ms} ms: {race.who} against {LOOP} | {ratio:.2f}, p99 {p99:.1f} s | "
            f"{wanted} | {verdict} |"
        )
    return rows


def rival_rows(own: Field, loops: dict[int, Race]) -> list[str]:
    """Race others that share work through a server, from 16 clones each on the same line."""
    here = f"{tempfile.gettempdir()}/"
    there = f"{own.url.rpartition('127.0.0.1:')[0]}127.0.0.1:{own.wire.port}{here}"
    # What they take for a folder of this machine is reached over the line.
    env = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{there}.insteadOf",
        "GIT_CONFIG_VALUE_0": here,
        "GIT_SSH_COMMAND": own.env["GIT_SSH_COMMAND"],
    }
    rows = []
    for contestant in rivals.PACKAGES:
        if contestant.driver not in SHARED_BY_SERVER:
            continue
        own.wire.delay_s = 0.0
        try:
            with rivals.arena(contestant, env) as theirs:
                who = f"{contestant.name} {theirs.version}, {RIVALS} clones"
                for delay_ms, loop in loops.items():
                    rows.append(_rival_row(own, theirs, who, delay_ms, loop))
        except rivals.UnfitError as error:
            rows.append(f"| ssh | {contestant.name} did not race: {error} |{' |' * 7}")
    return rows


def _rival_row(own: Field, theirs: rivals.Arena, who: str, delay_ms: int, loop: Race) -> str:
    own.wire.delay_s = delay_ms / 2000
    moved = own.wire.sent + own.wire.received
    done = theirs.race(RIVALS, SECONDS.get(delay_ms, 10.0))
    moved = own.wire.sent + own.wire.received - moved
    took = [ack.at - ack.begun for ack in done.acks]
    span_s = max([done.seconds, *(ack.at - done.begun for ack in done.acks)])
    race = Race(who, len(took), span_s, took, 0, 0, moved / 1000, done.failures)
    cells = row("ssh", delay_ms, race, loop).split(" | ")
    cells[6] = f"not counted; {done.refused} refused"
    return " | ".join(cells)


def measure(
    over: str, delays: Sequence[int], shapes: Sequence[Shape], *, with_rivals: bool = False
) -> list[str]:
    """Print every row of one kind of server; return those of the budget."""
    loops: dict[int, Race] = {}
    budgets: list[str] = []
    notes: list[str] = []
    with (
        tempfile.TemporaryDirectory(
            prefix="gitcoord-machines-", ignore_cleanup_errors=True
        ) as folder,
        field(over, Path(folder)) as own,
    ):
        own.prepare(
            max(one.clones for one in shapes), max(one.clones * one.agents for one in shapes)
        )
        for delay_ms in delays:
            own.wire.delay_s = delay_ms / 2000
            notes.append(
                f"{over}, {delay_ms} ms: other work took {busy_cores():.1f} cores before it"
            )
            seconds = SECONDS.get(delay_ms, 10.0)
            loop = loops[delay_ms] = own.loop(seconds)
            print(row(over, delay_ms, loop, loop), flush=True)
            races = {}
            for shape in shapes:
                races[shape] = own.race(shape, seconds)
                print(row(over, delay_ms, races[shape], loop), flush=True)
                if races[shape].failed:
                    notes.append(f"{over}, {delay_ms} ms, {shape.text}: {races[shape].failed[-1]}")
            budgets += budget_rows(over, delay_ms, races, loop)
        if with_rivals:
            print("\n".join(rival_rows(own, loops)), flush=True)
    print("\n" + "\n".join(notes) + "\n", flush=True)
    return budgets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="every row")
    parser.add_argument("--rivals", action="store_true", help="others too")
    parser.add_argument("--over", choices=OVER, help="one kind of server")
    parser.add_argument("--delays", default=",".join(map(str, DELAYS_MS)), help="ms, by commas")
    chosen = parser.parse_args()
    # Ended from outside it ends its servers and racers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    delays = [int(word) for word in chosen.delays.split(",")]
    shapes = ALL if chosen.full else BUDGET
    budgets = []
    for over in OVER:
        if chosen.over in {None, over}:
            print(f"{HEAD}\n{'|---' * 9}|", flush=True)
            with_rivals = chosen.rivals and over == "ssh"
            budgets += measure(over, delays, shapes, with_rivals=with_rivals)
    print("| claims through a server | measured | budget | |\n|---|---|---|---|")
    print("\n".join(budgets))


if __name__ == "__main__":
    main()
