"""Many processes, killed and stopped at random, on one ledger.

Beside them an orchestrator lands, rolls back and undoes. Each process draws
the engine that it works with, so that both meet in one ledger. Afterwards every
acknowledged operation is in the chain or in the attic, no task ever had two
claims, no stale token did anything, and the next command works at once.
``GITCOORD_SOAK=long`` tries a million claims by 64 processes.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import GitcoordError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings, rollbacks, target_moves
from gitcoord.features.maintain import verify
from gitcoord.features.run import batches
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.program import Git
from tests.soak.chain import Facts, acknowledged_in, attempts_in, check_chain
from tests.soak.engines import ENGINES
from tests.soak.workers import Workers
from tests.support.builders import tasks
from tests.support.versions import BEFORE_PACKS, NOW, source_of
from tests.support.world import environment, found, git

pytestmark = pytest.mark.soak
IS_LONG = os.environ.get("GITCOORD_SOAK") == "long"
IS_SHORT = os.environ.get("GITCOORD_SOAK") == "short"
SECONDS = 20 if IS_SHORT else 90
ATTEMPTS = 1_000_000 if IS_LONG else 0
KILLS = 2_000
ROLLBACKS = 3
WORKERS = 64 if IS_LONG else 12
TASKS = 40
PHASES = 5


def phases_plan() -> str:
    """Write tasks that hand in no commit, in phases that land now and then."""
    head = '[plan]\nlease = "2s"\nheartbeat = "500ms"\nmax_attempts = 1000\n'
    names = [f"p{number}" for number in range(PHASES)]
    rows = [f'[[phase]]\nname = "{name}"\n' for name in names]
    rows += [
        f'[[task]]\nid = "t{number}"\ntitle = "T"\nphase = "{names[number % PHASES]}"\npaths = []\n'
        for number in range(TASKS)
    ]
    return head + "".join(rows)


def orchestrate(work: Workspace, chance: random.Random) -> str:
    """Do one thing that an orchestrator does beside everybody."""
    what = chance.choice(["land", "land", "back", "undo", "checkpoint", "reopen", "reap", "batch"])
    if what == "land":
        for phase in facts.status(work)["phases"]:
            if phase["next"]:
                landings.land(work, phase["id"])
    elif what == "back":
        rollbacks.rollback(
            work, rollbacks.choose(work, steps=chance.randint(1, 30)), code=chance.random() < 0.3
        )
    elif what == "undo":
        rollbacks.undo(work)
    elif what == "checkpoint":
        name = f"c{work.clock.token()[:8]}"
        work.ledger.execute(
            {"op": "checkpoint", "agent": ORCHESTRATOR, "name": name}, agent=ORCHESTRATOR
        )
    elif what == "reap":
        work.ledger.execute({"op": "expire", "agent": ORCHESTRATOR}, agent=ORCHESTRATOR)
    else:
        done = [task["id"] for task in work.ledger.snapshot().tasks() if task["state"] == "done"][
            :6
        ]
        rows = "".join(
            f'{{"op": "cancel", "task": "{name}"}}\n{{"op": "retry", "task": "{name}"}}\n'
            for name in done
        )
        if rows:
            batches.batch(work, batches.parse_lines(rows), agent=ORCHESTRATOR)
    return what


def soak(
    repo: Path,
    top: Path,
    seconds: float,
    disturb: list[list[str]],
    least: int,
    attempts: int = 0,
    sources: Sequence[Path] = (NOW,),
) -> tuple[Facts, dict[str, int], float]:
    """Kill and stop workers at random beside an orchestrator and other gits.

    It goes on for so long, or until so many claims were tried; on a slow machine for longer, until
    the least was acknowledged that says anything.
    """
    workers = Workers(repo, top, rush=40 if attempts else 0, sources=sources)
    chance = random.Random(7)
    counts = {"kills": 0, "stops": 0}
    stopped: list[tuple[float, int]] = []
    for number in range(WORKERS):
        workers.start(number)
    beside = [start_loop(repo, command, workers.errors) for command in disturb]
    works = [opened(repo, engine) for engine in ENGINES]
    end = time.monotonic() + seconds
    at_the_latest = time.monotonic() + 10 * seconds
    turn = time.monotonic() + 1
    try:
        while time.monotonic() < end or attempts or too_little(top, counts, least):
            assert attempts or time.monotonic() < at_the_latest, counts
            time.sleep(0.4 if attempts else 0.05)
            if (
                attempts
                and counts["kills"] >= KILLS
                and counts["kills"] % 50 == 0
                and attempts_in(top) >= attempts
            ):
                break
            number = chance.randrange(WORKERS)
            # A command line needs half a second to get anywhere at all.
            while workers.is_command(number) and chance.random() < 0.8:
                number = chance.randrange(WORKERS)
            if chance.random() < 0.05:
                counts["stops"] += workers.signal(workers.pids[number], signal.SIGSTOP)
                stopped.append((time.monotonic() + chance.choice([0.3, 2.5]), workers.pids[number]))
            else:
                workers.kill(number)
                workers.start(number)
                counts["kills"] += 1
            for when, pid in [one for one in stopped if one[0] <= time.monotonic()]:
                stopped.remove((when, pid))
                workers.signal(pid, signal.SIGCONT)
            if time.monotonic() > turn:
                turn = time.monotonic() + 1.5
                try:
                    what = orchestrate(chance.choice(works), chance)
                    counts[what] = counts.get(what, 0) + 1
                except GitcoordError as error:
                    assert error.code not in {"internal", "corrupt"}, error  # noqa: PT017
                    counts[error.code] = counts.get(error.code, 0) + 1
    finally:
        workers.stop_all()
        for child in beside:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    for work in works:
        work.close()
    begun = time.monotonic()
    after = open_workspace(repo)
    for number in range(WORKERS):
        after.ledger.settle(f"x{number}")
    # The next command works at once: what the dead left is healed by it.
    target_moves.finish_pending(after)
    command = {
        "op": "escalate",
        "agent": ORCHESTRATOR,
        "task": "",
        "kind": "soak",
        "reason": "over",
    }
    after.ledger.execute(command, agent=ORCHESTRATOR)
    healed_s = time.monotonic() - begun
    facts = check_chain(after.ledger.tip() or "", repo, top)
    verify.verify(after)
    after.close()
    assert (top / "errors.txt").read_text() == ""
    assert Git(repo).run("fsck", "--no-dangling", "--no-progress").status == 0
    return facts, counts, healed_s


def too_little(top: Path, counts: dict[str, int], least: int) -> bool:
    """Return whether less was done so far than a soak has to look at."""
    rollbacks_made = counts.get("back", 0) + counts.get("undo", 0)
    return rollbacks_made < ROLLBACKS or acknowledged_in(top) <= least


def opened(repo: Path, engine: str) -> Workspace:
    """Open a repository with an engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITCOORD_ENGINE", engine)
        return open_workspace(repo)


def start_loop(repo: Path, command: list[str], errors: Any) -> subprocess.Popen[bytes]:
    """Run a command of git again and again, whatever it says."""
    shell = 'while :; do "$@" >/dev/null 2>&1; sleep 1; done'
    return subprocess.Popen(
        ["sh", "-c", shell, "sh", *command],
        cwd=repo,
        env=environment(),
        stdout=errors,
        stderr=errors,
        start_new_session=True,
    )


def told(name: str, facts: Facts, counts: dict[str, int], healed_s: float) -> str:
    """Put a soak's figures in a table."""
    rows = {
        "attempts to claim": facts.attempts,
        "acknowledged": facts.acks,
        "entries": facts.entries,
        "applied, never acknowledged": facts.unacked,
        "rollbacks": facts.rollbacks,
        **{f"claims by {engine}": facts.claims[engine] for engine in ENGINES},
        **counts,
    }
    lines = [f"  {key:<28} {value:>8}" for key, value in rows.items()]
    return "\n".join(
        [
            f"\n{name}: 0 lost, 0 double, 0 stale accepted",
            *lines,
            f"  {'next command after':<28} {healed_s:>7.2f}s",
        ]
    )


def test_nothing_acknowledged_is_lost_while_writers_are_killed_and_stopped(
    repo: Path, tmp_path: Path
) -> None:
    found(
        repo, phases_plan(), *(f"x{number}" for number in range(WORKERS)), worktrees=False
    ).close()
    top = tmp_path / "soak"
    top.mkdir()
    begun = time.monotonic()
    facts, counts, healed_s = soak(repo, top, SECONDS, [], 200, ATTEMPTS)
    print(
        told(
            f"soak of {time.monotonic() - begun:.0f} s, {WORKERS} processes",
            facts,
            counts,
            healed_s,
        )
    )
    assert all(facts.claims[engine] > 0 for engine in ENGINES), "both engines were at work"
    assert counts["kills"] > (KILLS if IS_LONG else 100) - 1


GC = {
    "prune default": [["git", "gc", "-q"], ["git", "repack", "-q", "-a", "-d"]],
    "prune now": [["git", "gc", "-q", "--prune=now"], ["git", "repack", "-q", "-a", "-d"]],
    # What `git maintenance` does once an hour or a day.
    "multi-pack index": [
        ["git", "repack", "-q", "-d", "--write-midx"],
        ["git", "multi-pack-index", "repack", "--batch-size=0"],
        ["git", "multi-pack-index", "expire"],
    ],
}
"""What packs the objects of a repository anew beside us."""


@pytest.mark.parametrize("gc", GC)
def test_nothing_is_lost_beside_other_gits(repo: Path, tmp_path: Path, gc: str) -> None:
    found(
        repo, phases_plan(), *(f"x{number}" for number in range(WORKERS)), worktrees=False
    ).close()
    git("remote", "add", "self", str(repo), cwd=repo)
    top = tmp_path / "soak"
    top.mkdir()
    others = [
        *GC[gc],
        ["git", "pack-refs", "--all"],
        ["git", "fetch", "-q", "--prune", "self"],
        ["git", "worktree", "prune"],
        ["git", "status", "--porcelain"],
        [sys.executable, "-m", "gitcoord", "upkeep"],
    ]
    facts, counts, healed_s = soak(repo, top, SECONDS / 2, others, 50)
    print(
        told(
            f"beside gc and repack ({gc}), pack-refs, fetch --prune, status, {SECONDS // 2} s",
            facts,
            counts,
            healed_s,
        )
    )
    assert all(facts.claims[engine] > 0 for engine in ENGINES), "both engines were at work"


def test_nothing_is_lost_or_applied_twice_beside_an_earlier_version(
    repo: Path, tmp_path: Path
) -> None:
    """Each takes along what the other asks for, reads what it packed, and goes on for its dead."""
    sources = [NOW, source_of(BEFORE_PACKS, tmp_path / "earlier")]
    found(
        repo, phases_plan(), *(f"x{number}" for number in range(WORKERS)), worktrees=False
    ).close()
    top = tmp_path / "soak"
    top.mkdir()
    upkeep = [sys.executable, "-m", "gitcoord", "upkeep"]
    others = [["env", f"PYTHONPATH={source}", *upkeep] for source in sources]
    facts, counts, healed_s = soak(repo, top, SECONDS / 2, others, 50, sources=sources)
    print(told(f"beside an earlier version, {SECONDS // 2} s", facts, counts, healed_s))
    assert all(facts.versions[str(source)] > 0 for source in sources), "both were at work"


def test_a_landing_killed_at_random_is_finished_by_the_next(repo: Path) -> None:
    from tests.support.world import do

    work = found(repo, tasks("a", "b", "c"), "x")
    for name in "abc":
        do(work, "x", name)
    chance = random.Random(3)
    before = git("rev-parse", "main", cwd=repo)
    argv = [sys.executable, "-m", "gitcoord", "-C", str(repo), "phase", "land", "default"]
    for _ in range(25):
        process = subprocess.Popen(
            argv,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(chance.uniform(0.2, 0.9))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = git("rev-parse", "main", cwd=repo)
        if now != before:
            break
    done = landings.land(open_workspace(repo), "default")
    assert git("rev-parse", "main", cwd=repo) == done.new
    assert git("status", "--porcelain", cwd=repo) == ""
    assert {path.name for path in repo.iterdir()} >= {"a", "b", "c"}
    verify.verify(work)
    assert facts.status(work)["counts"] == {"landed": 3}
