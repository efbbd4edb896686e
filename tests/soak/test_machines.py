"""Clones that race through a real ssh daemon, while processes are killed.

It ends by the clock: a busy machine kills fewer, and no run waits for a number of kills.
``GITCOORD_SOAK=long`` is the form with 16 clones.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.machines import joined, made, server
from tests.support.servers import sshd
from tests.support.world import environment, git

WORKER = """
import sys
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
repo, agent, log = sys.argv[1:]
told = open(log, "a", buffering=1)
while True:
    work = open_workspace(Path(repo))
    try:
        begin_as_agent(work, agent)
        held = claims.claim(work, agent, checkout=False, session=agent)
        # A claim that it has already names the newest entry, which may be another's.
        if not held.already or held.reissued:
            told.write(held.entry + "\\n")
        done = results.release(work, agent, held.task["id"], held.claim["token"])
        told.write(done.entry + "\\n")
    except GitcoordError as error:
        if error.code in {"internal", "corrupt"}:
            raise
    finally:
        work.close()
"""

pytestmark = pytest.mark.soak
LONG = os.environ.get("GITCOORD_SOAK") == "long"
CLONES, SECONDS, ENOUGH = (16, 300.0, 400) if LONG else (4, 40.0, 12)
"""For how many seconds it goes on; it ends earlier with enough kills."""
PATIENT_S = 120.0
"""How long the last command may wait for what killed processes left at work."""


def test_what_was_acknowledged_over_ssh_is_in_the_chain_once_whoever_was_killed(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = server(tmp_path)
    names = [f"x{number}" for number in range(CLONES)]
    with sshd(tmp_path / "sshd", monkeypatch) as start:
        url = f"{start}{bare}"
        plan = tasks(*(f"t{number}" for number in range(len(names) * 2)))
        work = made(repo, url, plan, *names, worktrees=False)
        clones = [tmp_path / f"clone{number}" for number in range(CLONES)]
        for place in clones:
            joined(url, place).close()
        script = tmp_path / "worker.py"
        script.write_text(WORKER)
        kills = _race(script, clones, names, tmp_path)
        chance = random.Random(7)
        last = open_workspace(chance.choice(clones), timeout_s=PATIENT_S)
        claims.claim(last, names[0], checkout=False, session="last")
        verify.verify(last)
        chain = [entry["entry"] for entry in facts.history(last, last.ledger.tip(), limit=10**6)]
    told = [line for name in names for line in (tmp_path / name).read_text().split()]
    assert kills
    assert told
    assert len(set(told)) == len(told)
    assert set(told) <= set(chain)
    ids = git(
        "log",
        "--format=%(trailers:key=Gitcoord-Id,valueonly,separator=)",
        "gitcoord/ledger",
        cwd=bare,
    ).split()
    assert len(ids) == len(set(ids)) == len(chain)
    work.close()
    print(json.dumps({"clones": CLONES, "kills": kills, "told": len(told), "chain": len(chain)}))


def _acknowledged(folder: Path, names: list[str]) -> int:
    return sum(len((folder / name).read_text().split()) for name in names)


def _race(script: Path, clones: list[Path], names: list[str], folder: Path) -> int:
    """Let every agent work, kill one after another at random, and start it again."""
    chance = random.Random(11)

    def started(number: int) -> subprocess.Popen[bytes]:
        place, name = clones[number % len(clones)], names[number]
        with (folder / f"{name}.stderr").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, str(script), str(place), name, str(folder / name)],
                env=environment(**dict(os.environ)),
                stderr=said,
            )

    for name in names:
        (folder / name).touch()
    workers = [started(number) for number in range(len(names))]
    kills = told = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and kills < ENOUGH:
        # One is killed for each entry or two, so that a busy machine gets on, too.
        time.sleep(chance.uniform(0.0, 0.5))
        if _acknowledged(folder, names) <= told:
            continue
        told = _acknowledged(folder, names)
        victim = chance.randrange(len(workers))
        if workers[victim].poll() is not None:
            raise AssertionError((folder / f"{names[victim]}.stderr").read_text())
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].wait()
        kills += 1
        workers[victim] = started(victim)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    return kills
