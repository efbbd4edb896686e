"""Cut the power of a mounted file system under working agents.

What was acknowledged went to another file system, and has to be in the
ledger after the journal was replayed. Some write packs, and merge them.
``GITCOORD_SOAK=long`` runs fifty
trials on each file system instead of a few.
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
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.loop_disk import LoopDisk, why_not
from tests.support.world import environment, found, git

pytestmark = pytest.mark.soak
TRIALS = int(
    os.environ.get("GITCOORD_CUTS", "50" if os.environ.get("GITCOORD_SOAK") == "long" else "3")
)
SECONDS = (0.4, 1.5)
WORKERS = 4

WORKER = """
import json, os, random, sys
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.maintain import upkeep
from gitcoord.features.work import claims, results
from gitcoord.store import disk_store
from gitcoord.store.open import ENGINES
from gitcoord.features.workspace import open_workspace

# So few are at work here that their turns are small.
disk_store.MIN_PACKED = random.choice([1, 12, disk_store.MIN_PACKED])
os.environ["GITCOORD_ENGINE"] = random.choice(ENGINES)
os.environ["GITCOORD_TURNS"] = random.choice(["shared", "shared", "single"])
repo, agent = Path(sys.argv[1]), sys.argv[2]
acks = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
work = open_workspace(repo, timeout_s=20)
alive = repo / f"alive-{agent}"
def ack(entry, **more):
    # A disk that is gone may still answer a sync with success: xfs does at about every
    # cut of a loop of four writers. So an answer counts only if it takes a change after it.
    alive.mkdir()
    alive.rmdir()
    os.write(acks, (json.dumps({"entry": entry, **more}) + "\\n").encode())
os.write(acks, b"\\n")
while True:
    try:
        done = claims.claim(work, agent, checkout=False, session="s")
        token, task = done.claim["token"], done.task["id"]
        ack(done.entry, task=task, token=token)
        ack(results.progress(work, agent, task, token, "on").entry)
        ack(results.release(work, agent, task, token).entry, over=token)
        if random.random() < 0.1:
            upkeep.upkeep(work, by_itself=True)
    except GitcoordError as error:
        if error.code not in {"nothing-ready", "conflict"}:
            sys.exit()
"""


@pytest.fixture(params=["ext4", "xfs"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    reason = why_not(request.param, tmp_path)
    if reason:
        pytest.skip(f"no power can be cut on {request.param} here: {reason}")
    return str(request.param)


def test_what_was_acknowledged_survives_a_power_cut(kind: str, tmp_path: Path) -> None:
    chance = random.Random(11)
    acked = claims_held = 0
    for trial in range(TRIALS):
        disk = LoopDisk(kind, tmp_path)
        disk.mount()
        repo = disk.top / "repo"
        acks = make_repository(repo, tmp_path, trial)
        os.sync()
        cut_under_work(disk, repo, acks, chance.uniform(*SECONDS))
        disk.unmount()
        disk.mount()
        try:
            told = check(repo, acks)
        finally:
            disk.unmount()
        disk.check()
        acked += told[0]
        claims_held += told[1]
    print(
        f"\n{kind}: {TRIALS} power cuts, {acked} acknowledged entries, {claims_held} held tokens, "
        "0 lost, 0 broken"
    )
    assert acked > TRIALS


def make_repository(repo: Path, tmp_path: Path, trial: int) -> list[Path]:
    repo.mkdir()
    git("init", "-q", "-b", "main", "--template=", cwd=repo)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=repo)
    names = [f"x{number}" for number in range(WORKERS)]
    found(repo, tasks(*(f"t{number}" for number in range(8))), *names, worktrees=False).close()
    return [tmp_path / f"acks-{trial}-{name}" for name in names]


def cut_under_work(disk: LoopDisk, repo: Path, acks: list[Path], after_s: float) -> None:
    script = repo.parent.parent / "worker.py"
    script.write_text(WORKER)
    workers = [
        subprocess.Popen(
            [sys.executable, str(script), str(repo), path.name.rpartition("-")[2], str(path)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        for path in acks
    ]
    try:
        while not all(path.exists() and path.read_text() for path in acks):
            assert all(worker.poll() is None for worker in workers)
            time.sleep(0.01)
        time.sleep(after_s)
        disk.cut_power()
    finally:
        for worker in workers:
            # Its gits as well, which would hold the disk that has no power.
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def check(repo: Path, acks: list[Path]) -> tuple[int, int]:
    """Look for every acknowledged entry, and for the tokens still held."""
    work = open_workspace(repo)
    try:
        verify.verify(work)
        snapshot = work.ledger.snapshot()
        chain = {entry["entry"] for entry in facts.history(work, snapshot.oid, limit=1_000_000)}
        live = {task["claim"]["token"] for task in snapshot.live() if task["claim"]}
        acked = held = 0
        for path in acks:
            agent = path.name.rpartition("-")[2]
            kept = {one["token"] for one in work.tokens(agent).all()}
            for line in path.read_text().split("\n"):
                if not line.strip():
                    continue
                ack = json.loads(line)
                assert ack["entry"] in chain, f"{ack['entry']} was acknowledged and is lost"
                acked += 1
                if ack.get("token") in live:
                    assert ack["token"] in kept, (
                        f"the token of the acknowledged claim on {ack['task']} is lost"
                    )
                    held += 1
        return acked, held
    finally:
        work.close()
        git("fsck", "--no-dangling", "--no-progress", cwd=repo)
