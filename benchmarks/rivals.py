"""Race gitcoord against others that let many agents claim tasks.

Each contestant is driven by its own interface, in a folder and, if it is a
package, an environment of its own, all of which are removed afterwards.
``python -m benchmarks.rivals`` needs the package registries; ``--local``
leaves the packages out. docs/performance.md tells what is counted.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).parents[1]
SECONDS = 4.0
COUNTS = (1, 8, 32)
KILLED = 8
KILL_S = 6.0
NEXT_S = 10.0
READY_S = 120.0
AGENTS = 120


class Contestant(NamedTuple):
    """Who races: a driver, how many tasks a race needs, and what a round is."""

    name: str
    driver: str
    tasks: int
    round: str
    mode: str = ""
    package: str = ""


LOCAL = [
    Contestant("gitcoord, Python interface", "gitcoord", 1500, "claim, complete"),
    Contestant("gitcoord, one process a command", "gitcoord", 400, "claim, complete", "cli"),
    Contestant("SQLite, WAL, full sync", "sqlite", 40_000, "claim, complete", "WAL"),
    Contestant("SQLite, DELETE, full sync", "sqlite", 20_000, "claim, complete", "DELETE"),
    Contestant("shell script of git plumbing", "shell", 300, "claim", "plain"),
    Contestant("the same with core.fsync=all", "shell", 300, "claim", "synced"),
]
PACKAGES = [
    Contestant("fleetwright", "fleetwright", 20_000, "claim, finish", package="fleetwright"),
    Contestant("flockwork", "flockwork", 150, "claim", package="flockwork"),
    Contestant("agentsync-mcp", "agentsync", 300, "claim", package="agentsync-mcp"),
    Contestant("pac-collab", "pac_collab", 300, "claim, worktree", package="pac-collab"),
    Contestant("microbeads", "microbeads", 40, "look, claim", package="microbeads"),
    Contestant("Backlog.md", "backlog", 40, "look, claim", package="npm:backlog.md"),
    Contestant("beads", "", 40, "claim", package="npm:@beads/bd"),
]


class UnfitError(Exception):
    """Raised when a contestant cannot race."""


class Ack(NamedTuple):
    """A claim that a contestant said it made, and until when it was held."""

    task: str
    agent: str
    begun: float
    at: float
    over: float


class Outcome(NamedTuple):
    """What one race came to."""

    acks: list[Ack]
    begun: float
    seconds: float
    refused: int
    failures: list[str]
    doubles: int

    def figures(self) -> str:
        """Return the rate, and the median, 99th percentile and worst time of a claim."""
        took = sorted(ack.at - ack.begun for ack in self.acks)
        if not took:
            return "none"
        # What was under way at the deadline counts, and so does its time.
        span = max(self.seconds, max(ack.at for ack in self.acks) - self.begun)
        times = ", ".join(shown(took[int(len(took) * part)]) for part in (0.5, 0.99))
        return f"{len(took) / span:.0f}/s; {times}, {shown(took[-1])}"


def shown(seconds: float) -> str:
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"


class Arena:
    """One contestant in its folder: its nursery, its runs, its next names."""

    def __init__(
        self,
        contestant: Contestant,
        top: Path,
        python: str,
        program: str,
        version: str,
        more: dict[str, str],
    ) -> None:
        self.contestant, self.top, self.version = contestant, top, version
        home = top / "home"
        home.mkdir()
        clean = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("GIT_", "GITCOORD_", "SWARM_", "AGENTSYNC_"))
        }
        self.env = clean | {
            "HOME": str(home),
            "CONTEST_MODE": program or contestant.mode,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": str(SOURCE),
        }
        # As an installer leaves them: else each start of a command compiles it.
        self.env |= {"PYTHONPYCACHEPREFIX": str(top / "compiled")}
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)
        self.env |= {
            f"GIT_{who}_{what}": "b@localhost"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        self.argv = [python, "-m", "benchmarks.contestants.worker", contestant.driver]
        self.field = top / "field"
        self.field.mkdir()
        self.runs = self.agents = 0
        races = len(COUNTS) + 2
        self.is_final = contestant.driver != "agentsync"
        self._call("prepare", str(self.field), str(contestant.tasks * races), str(AGENTS))
        # What is prepared is not raced: it goes without what is in the racers' way.
        self.env |= more
        self.errors = (top / "errors").open("ab")
        self.nursery = subprocess.Popen(
            [*self.argv, "nursery", str(self.field)],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def _call(self, *args: str) -> str:
        done = subprocess.run(
            [*self.argv, *args], env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise UnfitError(f"`{args[0]}` failed: {done.stderr.strip().splitlines()[-1][:200]}")
        return done.stdout

    def start(self, run: Path) -> int:
        """Fork one more racer; return its process."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        first = (self.runs - 1) * self.contestant.tasks
        self.nursery.stdin.write(f"{run} w{self.agents} {first} {first + self.contestant.tasks}\n")
        self.nursery.stdin.flush()
        self.agents += 1
        return int(self.nursery.stdout.readline())

    def new_run(self) -> Path:
        self.runs += 1
        run = self.top / f"run-{self.runs}"
        run.mkdir()
        return run

    def race(self, count: int, seconds: float, *, kills: bool = False) -> Outcome:
        """Let so many race, killing one at random again and again if asked to."""
        run = self.new_run()
        pids = [self.start(run) for _ in range(count)]
        wait_ready(run, count)
        begun = time.monotonic()
        go(run, begun + seconds)
        chance = random.Random(5)
        while kills and time.monotonic() < begun + seconds:
            time.sleep(seconds / 24)
            number = chance.randrange(count)
            kill(pids[number])
            pids[number] = self.start(run)
        if kills:
            for pid in pids:
                kill(pid)
        wait_gone(pids, seconds + 60)
        return self.outcome(run, begun, seconds)

    def next_claim(self) -> str:
        """Time one claim of a newcomer after the killing."""
        run = self.new_run()
        pid = self.start(run)
        wait_ready(run, 1)
        begun = time.monotonic()
        go(run, begun + NEXT_S)
        while time.monotonic() < begun + NEXT_S + 1:
            outcome = self.outcome(run, begun, 1)
            if outcome.acks:
                kill(pid)
                return shown(min(ack.at for ack in outcome.acks) - begun)
            time.sleep(0.005)
        kill(pid)
        return f"none in {NEXT_S:.0f} s: {last_words(self.outcome(run, begun, 1).failures)}"

    def outcome(self, run: Path, begun: float, seconds: float) -> Outcome:
        acks, refused, failures = [], 0, []
        for path in run.glob("*.jsonl"):
            rows = [
                json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")
            ]
            made = [row for row in rows if "task" in row]
            refused += sum("refused" in row for row in rows)
            failures += [
                row.get("failed") or row["unfinished"]
                for row in rows
                if "failed" in row or "unfinished" in row
            ]
            ends = [after["begun"] for _, after in pairwise(made)] + [float("inf")]
            acks += [
                Ack(row["task"], path.stem, row["begun"], row["at"], end)
                for row, end in zip(made, ends, strict=False)
            ]
        return Outcome(
            acks, begun, seconds, refused, failures, doubles(acks, is_final=self.is_final)
        )

    def lost(self, *outcomes: Outcome) -> int:
        """Count what was acknowledged and is not there."""
        there = {(task, agent) for task, agent in json.loads(self._call("held", str(self.field)))}
        return sum(
            (ack.task, ack.agent) not in there for outcome in outcomes for ack in outcome.acks
        )

    def close(self) -> None:
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.close()
        self.nursery.stdout.close()
        self.nursery.wait()
        self.errors.close()


def doubles(acks: list[Ack], *, is_final: bool) -> int:
    """Count claims of what another was told that it holds.

    What is final is claimed once; else a claim is over with the next one.
    """
    if is_final:
        return len(acks) - len({ack.task for ack in acks})
    ordered = sorted(acks, key=lambda ack: ack.at)
    return sum(
        any(
            other.task == ack.task and other.agent != ack.agent and other.over > ack.at
            for other in ordered[:number]
        )
        for number, ack in enumerate(ordered)
    )


def go(run: Path, end: float) -> None:
    (run / "go.new").write_text(str(end))
    (run / "go.new").rename(run / "go")


def wait_ready(run: Path, count: int) -> None:
    end = time.monotonic() + READY_S
    while sum(1 for _ in run.glob("*.ready")) < count:
        if time.monotonic() > end:
            raise UnfitError(f"not ready within {READY_S:.0f} s")
        time.sleep(0.01)


def kill(pid: int) -> None:
    for act in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            act(pid, signal.SIGKILL)


def wait_gone(pids: list[int], seconds: float) -> None:
    """Wait until racers are over; who is not by then is killed."""
    end = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > end:
            for pid in pids:
                kill(pid)
        time.sleep(0.05)


def last_words(failures: list[str]) -> str:
    return failures[-1].replace("\n", " ")[:160] if failures else "it said nothing"


@contextmanager
def arena(contestant: Contestant, more: dict[str, str] | None = None) -> Iterator[Arena]:
    """Install a contestant and prepare its field; remove both afterwards.

    ``more`` is what its environment has beside.
    """
    with tempfile.TemporaryDirectory(
        prefix="gitcoord-rivals-", ignore_cleanup_errors=True
    ) as folder:
        top = Path(folder)
        python, program, version = install(contestant, top)
        if not contestant.driver:
            raise UnfitError(
                f"{version} installs, but where this was written it did not, so that nobody wrote "
                "a driver"
            )
        made = Arena(contestant, top, python, program, version, more or {})
        try:
            yield made
        finally:
            made.close()


def install(contestant: Contestant, top: Path) -> tuple[str, str, str]:
    """Return the interpreter, the program if it is not one of Python, and the version."""
    kind, _, name = contestant.package.rpartition(":")
    if not contestant.package:
        return sys.executable, "", ""
    if kind == "npm":
        if shutil.which("npm") is None:
            raise UnfitError("npm is not installed here")
        done = subprocess.run(
            ["npm", "install", "--no-fund", "--no-audit", "--prefix", str(top / "npm"), name],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UnfitError(f"npm install fails: {reason_of(done.stderr)}")
        facts = json.loads((top / "npm" / "node_modules" / name / "package.json").read_text())
        return (
            sys.executable,
            str(top / "npm" / "node_modules" / ".bin" / "backlog"),
            facts["version"],
        )
    subprocess.run([sys.executable, "-m", "venv", str(top / "venv")], check=True)
    python = str(top / "venv" / "bin" / "python")
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UnfitError(f"pip install fails: {reason_of(done.stderr)}")
    found = subprocess.run(
        [python, "-c", f"import importlib.metadata as m; print(m.version({name!r}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return python, "", found.stdout.strip()


def reason_of(said: str) -> str:
    """Find the line of an installer that tells what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = (
        [line for line in lines if "Error" in line or "ERROR" in line]
        or lines
        or ["it said nothing"]
    )
    return telling[0][:200]


def contest(contestant: Contestant) -> tuple[str, list[str]]:
    """Race one contestant in every way; return its row, and what it said."""
    try:
        with arena(contestant) as own:
            races = [own.race(count, SECONDS) for count in COUNTS]
            lost = own.lost(*races)
            killing = own.race(KILLED, KILL_S, kills=True)
            after = own.next_claim()
            cells = [race.figures() for race in races]
            refused, failed = (
                sum(race.refused for race in races),
                [word for race in races for word in race.failures],
            )
            cells += [
                str(sum(race.doubles for race in races)),
                str(lost),
                str(len(failed)),
                f"{len(killing.acks)}: {killing.doubles} double, {own.lost(killing)} lost",
                after,
            ]
            name = f"{contestant.name} {own.version}".strip()
            notes = [f"{name}: {refused} claims were refused"] if refused else []
            notes += [
                f"{name}: {len(words)} failed, the last: {last_words(words)}"
                for words in (failed, killing.failures)
                if words
            ]
            return f"| {name} | {contestant.round} | {' | '.join(cells)} |", notes
    except UnfitError as error:
        return f"| {contestant.name} | did not race: {error} |" + " |" * (len(COUNTS) + 5), []


def versions() -> str:
    import sqlite3

    git = subprocess.run(
        ["git", "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[2]
    return (
        f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, git {git}, SQLite "
        f"{sqlite3.sqlite_version}"
    )


def main() -> None:
    names = [arg for arg in sys.argv[1:] if not arg.startswith("-")]
    chosen: list[Any] = [
        one
        for one in [*LOCAL, *([] if "--local" in sys.argv else PACKAGES)]
        if not names or any(name in one.name for name in names)
    ]
    print(f"{versions()}; rate; median, 99th percentile and worst time of a claim")
    print(
        "| contestant | a round | "
        + " | ".join(f"{count} process{'es' * (count > 1)}" for count in COUNTS)
        + (
            f" | double | lost | failed | {KILLED} processes, killed at random: acknowledged | "
            "next claim after |"
        )
    )
    print("|---" * (len(COUNTS) + 7) + "|", flush=True)
    notes = []
    for contestant in chosen:
        row, said = contest(contestant)
        print(row, flush=True)
        notes += said
    print("\n".join(["", *notes]))


if __name__ == "__main__":
    main()
