"""Results that no ref reaches yet are handed in, given back and landed beside a gc that prunes.

``git gc --prune=now`` goes round and round. What it takes before a ref keeps it
is refused and made again; what was acknowledged is there when all is over.
Each agent waits for one gc more before each of its results: otherwise a fast
machine would be done before gc had gone round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.maintain import verify
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.world import environment, found, git

pytestmark = pytest.mark.soak
IS_LONG = os.environ.get("GITCOORD_SOAK") == "long"
TASKS = 120 if IS_LONG else 8
AGENTS = ("x", "y", "z")

WORKER = """
import json, random, subprocess, sys
from pathlib import Path
from gitcoord.core.errors import GitcoordError, NothingReadyError, PlanFinishedError
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from tests.git.building import commit_tree, git

repo, agent, prunes = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
acknowledged = 0
chance, work = random.Random(agent), open_workspace(repo)
while True:
    try:
        held = claims.claim(work, agent, checkout=False)
    except PlanFinishedError:
        break
    except NothingReadyError:
        work.clock.sleep(0.2)
        continue
    except GitcoordError as error:
        assert error.code == "unavailable", error
        continue
    task, token, base = held.task["id"], held.claim["token"], held.claim["base"]
    try:
        if chance.random() < 0.25:
            results.release(work, agent, task, token, "another time")
            continue
        while len(prunes.read_text().splitlines()) <= acknowledged:
            work.clock.sleep(0.05)
        blob = git(repo, "hash-object", "-w", "--stdin", stdin=token.encode())
        listing = f"{git(repo, 'ls-tree', base)}\\n100644 blob {blob}\\t{task}.txt\\n"
        made = commit_tree(repo, git(repo, "mktree", stdin=listing.encode()), base)
        done = results.complete(work, agent, task, token, result=made)
    except (AssertionError, GitcoordError) as error:
        # It was pruned before anything kept it, or a prune goes on for too long, or
        # the rollback was undone: the task that was claimed in between is done again.
        code = getattr(error, "code", "git")
        assert code in {"claim-lost", "git", "not-found", "refused", "unavailable"}, error
        continue
    acknowledged += 1
    print(json.dumps({"task": task, "result": made, "entry": done.entry}), flush=True)
"""


def orchestrate(work: Workspace) -> None:
    """Land what is whole; the first landing is rolled back and made again."""
    for phase in facts.status(work)["phases"]:
        if phase["next"] and phase["state"] != "landed":
            landings.land(work, phase["id"])
            if not rollbacks.rollbacks(work):
                rollbacks.rollback(work, rollbacks.choose(work, phase=phase["id"]), code=True)
                rollbacks.undo(work)


def test_what_was_acknowledged_beside_a_gc_that_prunes_is_there(repo: Path, tmp_path: Path) -> None:
    rows = [f'[[phase]]\nname = "p{number}"\n' for number in range(4)]
    for number in range(TASKS):
        rows.append(f'[[task]]\nid = "t{number}"\ntitle = "T"\n')
        rows.append(f'phase = "p{number % 4}"\npaths = ["t{number}.txt"]\n')
    work = found(repo, "[plan]\nmax_attempts = 1000\n" + "".join(rows), *AGENTS, worktrees=False)
    env = environment()
    done, over = tmp_path / "prunes", tmp_path / "over"
    done.touch()
    once = f'git -c gc.reflogExpire=now gc -q --prune=now && echo done >>"{done}"'
    pruning = subprocess.Popen(
        ["sh", "-c", f'while [ ! -e "{over}" ]; do {once}; sleep 1; done'],
        cwd=repo,
        env=env,
        stderr=subprocess.DEVNULL,
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(repo), agent, str(done)],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for agent in AGENTS
    ]
    try:
        while any(worker.poll() is None for worker in workers):
            with suppress(UnavailableError):
                orchestrate(work)
            work.clock.sleep(0.2)
        said = [
            json.loads(line) for worker in workers for line in worker.communicate()[0].splitlines()
        ]
    finally:
        for worker in workers:
            worker.kill()
        over.touch()
        pruning.wait()
    prunes = len(done.read_text().splitlines())
    assert [worker.returncode for worker in workers] == [0] * len(AGENTS)
    assert prunes > 2
    after = open_workspace(repo)
    orchestrate(after)
    assert {phase["state"] for phase in after.ledger.snapshot().phases()} == {"landed"}
    verify.verify(after)
    git("gc", "-q", "--prune=now", cwd=repo)
    git("fsck", "--no-dangling", "--no-progress", cwd=repo)
    assert len({one["task"] for one in said}) == TASKS
    held = {one["task"]: one["result"] for one in said}
    for task, oid in held.items():
        assert git("cat-file", "-t", f"{oid}:{task}.txt", cwd=repo) == "blob"
    print(f"\n{len(said)} results beside {prunes} prunes, {TASKS} landed")
