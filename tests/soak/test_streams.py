"""Agents hand in to a stream and are killed: what passes lands in batches, and nothing else.

``GITCOORD_SOAK=long`` works on 200 tasks with 8 agents; otherwise a fifth of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import GitcoordError
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.chain import entries
from gitcoord.features.land import landings
from gitcoord.features.land.target_moves import finish_pending
from gitcoord.features.maintain import verify
from gitcoord.features.setup import trust
from gitcoord.features.workspace import Workspace
from tests.support.world import environment, found, git, record

pytestmark = pytest.mark.soak
IS_LONG = os.environ.get("GITCOORD_SOAK") == "long"
TASKS, AGENTS = (200, 8) if IS_LONG else (40, 4)
MOST, WAIT_S = 8, 2
BAD = {number for number in range(TASKS) if number % 20 == 7}
"""Tasks of which no result ever passes the gate."""
PLAN = f"""
[plan]
landing = "auto"
max_attempts = 2
lease = "5s"
heartbeat = "1s"
[[phase]]
name = "work"
stream = true
batch = {{ max = {MOST}, wait = "{WAIT_S}s" }}
gates = [{{ name = "tests", run = "! grep -rqx broken out" }}]
[[tasks]]
ids = "0-{TASKS - 1}"
title = "Task {{id}}"
phase = "work"
paths = ["out/{{id}}/"]
"""
WORKER = """
import os, subprocess, sys, time
from pathlib import Path
import gitcoord
from gitcoord.core.errors import GitcoordError, PlanFinishedError
repo, agent, bad = sys.argv[1], sys.argv[2], set(sys.argv[3].split())
place = Path(repo + ".worktrees") / agent
def git(*words, check=True):
    return subprocess.run(["git", *words], cwd=place, check=check, capture_output=True)
with gitcoord.open(repo) as coord:
    while True:
        # What its killed predecessor left half done is its own to clear.
        lock = Path(os.fsdecode(git("rev-parse", "--absolute-git-dir").stdout.strip()))
        (lock / "index.lock").unlink(missing_ok=True)
        git("reset", "-q", "--hard", check=False)
        git("clean", "-qfd", check=False)
        try:
            held = coord.claim(agent)
            name = held.task["id"]
            file = place / "out" / name / "file.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("broken\\n" if name in bad else "fine\\n")
            git("add", "out")
            git("commit", "-qm", "Do " + name, check=False)
            coord.complete(held)
        except GitcoordError as error:
            if error.code in {"internal", "corrupt", "usage"}:
                raise
            time.sleep(0.2)
"""


def is_over(work: Workspace) -> bool:
    """Return whether every task landed or failed."""
    counts: dict[str, int] = facts.status(work)["counts"]
    return counts.keys() <= {"landed", "failed"}


def test_what_passes_lands_in_batches_although_agents_are_killed(
    repo: Path, tmp_path: Path
) -> None:
    agents = [f"x{number}" for number in range(AGENTS)]
    work = found(repo, PLAN, *agents)
    trust.trust(work, work.ledger.snapshot())
    script, errors = tmp_path / "worker.py", (tmp_path / "errors.txt").open("ab")
    script.write_text(WORKER)
    bad = " ".join(map(str, sorted(BAD)))

    def start(agent: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(script), str(repo), agent, bad],
            env=environment(GITCOORD_SESSION=agent),
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )

    chance, kills = random.Random(11), 0
    workers = {agent: start(agent) for agent in agents}
    latest = time.monotonic() + (3000 if IS_LONG else 1200)
    try:
        while not is_over(work):
            assert time.monotonic() < latest, facts.status(work)["counts"]
            time.sleep(chance.uniform(0.5, 3))
            victim = chance.choice(agents)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(workers[victim].pid, signal.SIGKILL)
            workers[victim].wait()
            workers[victim] = start(victim)
            kills += 1
            # What waits for nobody's completion any more, as `run` and `watch` land it.
            try:
                landings.land_automatically(work, "work")
            except GitcoordError as error:
                assert error.code not in {"internal", "corrupt"}, error  # noqa: PT017
    finally:
        for worker in workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        errors.close()
    assert (tmp_path / "errors.txt").read_text() == ""
    finish_pending(work)
    check(work, repo, kills)


def check(work: Workspace, repo: Path, kills: int) -> None:
    """Compare what landed with what passes, and each batch with what the plan says."""
    there = set(git("ls-tree", "-r", "--name-only", "main:out", cwd=repo).split())
    wanted = {f"{number}/file.txt" for number in range(TASKS) if number not in BAD}
    assert there == wanted, "all that passes, and nothing else"
    assert "broken" not in git("grep", "-h", "-e", "fine", "-e", "broken", "main", cwd=repo)
    for number in range(TASKS):
        task = record(work, str(number))
        assert ("landed" in task) == (number not in BAD)
        assert (task["state"] == "failed") == (number in BAD)
    sizes = Counter(size for size in batches(work))
    assert max(sizes) <= MOST
    assert sum(size * count for size, count in sizes.items()) == TASKS - len(BAD)
    verify.verify(work)
    print(f"\n{TASKS} tasks, {AGENTS} agents, {kills} kills; batches by size: {dict(sizes)}")


def batches(work: Workspace) -> list[int]:
    """Return how many results each batch had that landed; each was full, or had waited."""
    sizes: list[int] = []
    pending: dict[str, Any] = {}
    handed_in: dict[str, int] = {}
    tip = work.ledger.tip()
    assert tip is not None
    for event in [link.event for link in entries(work, tip)][::-1]:
        if event["op"] == "complete":
            handed_in[event["task"]] = event["time"]
        elif event["op"] == "land-begin":
            pending = dict(event)
        elif event["op"] == "land-done":
            names = [one for one, _oid in work.ledger.snapshot().json_blob(pending["results"], "")]
            waited_s = pending["time"] - min(handed_in[name] for name in names)
            assert len(names) == MOST or waited_s >= WAIT_S - 1, (names, waited_s)
            sizes.append(len(names))
    return sizes
