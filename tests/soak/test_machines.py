"""Clones that race through a real ssh daemon, while processes are killed.

In some of them several agents share pushes, in one those of an earlier version too. Of
those that are killed every second one loses its git as well, in the middle of what that
sends. It ends by the clock: a busy machine kills fewer, and no run waits for a number of
kills. ``GITCOORD_SOAK=long`` is the form with 16 clones, and with 16 agents in two.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.machines import joined, made, server
from tests.support.servers import sshd
from tests.support.versions import BEFORE_PACKS, NOW, source_of
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
settled = open(log + ".settled", "a", buffering=1)
while True:
    work = open_workspace(Path(repo))
    try:
        for one in work.ledger.settle(agent):
            print(one.entry_id, one.is_applied, file=settled)
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
SHAPES = [(16, 1), (2, 8)] if LONG else [(3, 1), (1, 5)]
"""How many clones, and how many agents in each."""
SECONDS, ENOUGH = (300.0, 400) if LONG else (25.0, 8)
"""For how many seconds it goes on; it ends earlier with enough kills."""
PATIENT_S = 120.0
"""How long the last command may wait for what killed processes left at work."""


@pytest.mark.parametrize(
    ("count", "each", "is_mixed"), [*((*shape, False) for shape in SHAPES), (*SHAPES[-1], True)]
)
def test_what_was_acknowledged_over_ssh_is_in_the_chain_once_whoever_was_killed(
    repo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    each: int,
    is_mixed: bool,
) -> None:
    sources = [NOW]
    if is_mixed:
        sources.append(source_of(BEFORE_PACKS, tmp_path / "earlier"))
    bare = server(tmp_path)
    names = [f"x{number}" for number in range(count * each)]
    with sshd(tmp_path / "sshd", monkeypatch) as start:
        url = f"{start}{bare}"
        plan = tasks(*(f"t{number}" for number in range(len(names) * 2)))
        work = made(repo, url, plan, *names, worktrees=False)
        clones = [tmp_path / f"clone{number}" for number in range(count)]
        for place in clones:
            joined(url, place).close()
        script = tmp_path / "worker.py"
        script.write_text(WORKER)
        before = facts.status(work)["tip"]
        pushes = _counting_pushes(bare)
        kills = _race(script, clones, names, tmp_path, sources)
        chance = random.Random(7)
        last = open_workspace(chance.choice(clones), timeout_s=PATIENT_S)
        claims.claim(last, names[0], checkout=False, session="last")
        verify.verify(last)
        chain = [entry["entry"] for entry in facts.history(last, last.ledger.tip(), limit=10**6)]
    told = [line for name in names for line in (tmp_path / name).read_text().split()]
    settled = [
        line.split()
        for name in names
        for line in (tmp_path / f"{name}.settled").read_text().splitlines()
    ]
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
    assert [line for line in settled if (line[0] in ids) != (line[1] == "True")] == []
    work.close()
    figures = {
        "clones": count,
        "agents in each": each,
        "versions": len(sources),
        "kills": kills,
        "told": len(told),
        "settled": len(settled),
        "entries": chain.index(before),
        "pushes": len(pushes.read_text().splitlines()),
    }
    print(json.dumps(figures))


def _counting_pushes(bare: Path) -> Path:
    """Let the server note each push that it takes of the ledger; return where."""
    counted = bare / "pushes"
    counted.touch()
    hook = bare / "hooks" / "post-receive"
    hook.write_text(f'#!/bin/sh\ngrep refs/heads/gitcoord/ledger >> "{counted}"\n')
    hook.chmod(0o755)
    return counted


def _kill_what_it_started(pid: int) -> None:
    """Kill the git that a worker talks with the server through, and its ssh."""
    with suppress(OSError, ValueError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            _kill_what_it_started(int(child))
            os.kill(int(child), signal.SIGKILL)


def _acknowledged(folder: Path, names: list[str]) -> int:
    return sum(len((folder / name).read_text().split()) for name in names)


def _race(
    script: Path, clones: list[Path], names: list[str], folder: Path, sources: list[Path]
) -> int:
    """Let every agent work, kill one after another at random, and start it again.

    The agents of each clone are shared out among the ``sources`` of gitcoord.
    """
    chance = random.Random(11)

    def started(number: int) -> subprocess.Popen[bytes]:
        place, name = clones[number % len(clones)], names[number]
        source = sources[number // len(clones) % len(sources)]
        with (folder / f"{name}.stderr").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, str(script), str(place), name, str(folder / name)],
                env=environment(**{**os.environ, "PYTHONPATH": str(source)}),
                stderr=said,
            )

    for name in names:
        (folder / name).touch()
        (folder / f"{name}.settled").touch()
    workers = [started(number) for number in range(len(names))]
    of_version: list[list[str]] = [[] for _ in sources]
    for number, name in enumerate(names):
        of_version[number // len(clones) % len(sources)].append(name)
    kills = told = 0
    end = time.monotonic() + SECONDS

    def is_over() -> bool:
        are_all_at_work = all(_acknowledged(folder, some) for some in of_version)
        assert are_all_at_work or time.monotonic() < end + PATIENT_S
        return are_all_at_work and (kills >= ENOUGH or time.monotonic() > end)

    while not is_over():
        # One is killed for each entry or two, so that a busy machine gets on, too.
        time.sleep(chance.uniform(0.0, 0.5))
        if _acknowledged(folder, names) <= told:
            continue
        told = _acknowledged(folder, names)
        victim = chance.randrange(len(workers))
        if workers[victim].poll() is not None:
            raise AssertionError((folder / f"{names[victim]}.stderr").read_text())
        if kills % 2:
            # Stopped first, so that it starts no other and answers nobody.
            workers[victim].send_signal(signal.SIGSTOP)
            _kill_what_it_started(workers[victim].pid)
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].wait()
        kills += 1
        workers[victim] = started(victim)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    return kills
