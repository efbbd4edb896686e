"""Ten thousand stale attempts, by every way to come by a stale token."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, ConflictError, GitcoordError, NotFoundError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import TARGET, PureLedger, tasks
from tests.support.formats import lock_of
from tests.support.world import environment, found, git, record, write

SHORT = '[plan]\nlease = "1s"\nheartbeat = "300ms"\nmax_attempts = 1000\n'
STALE = 10_000


def stale_commands(token: str, agent: str, task: str) -> list[dict[str, object]]:
    """List every operation that a token allows."""
    held = {"agent": agent, "task": task, "token": token}
    result: dict[str, object] = {
        "oid": None,
        "tree": None,
        "base": TARGET,
        "built_on": {},
        "commits": 0,
        "files": 0,
    }
    return [
        {"op": "progress", **held, "message": "on", "percent": None},
        {"op": "complete", **held, "result": result},
        {"op": "fail", **held, "kind": "transient", "reason": "no"},
        {"op": "release", **held, "reason": ""},
        {"op": "reissue", "agent": agent, "task": task, "session": "s", "old": token},
    ]


@pytest.mark.long
def test_of_ten_thousand_stale_attempts_none_is_accepted() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(
        tasks("a", "b", "c", head='[plan]\nlease = "10s"\nheartbeat = "3s"\nmax_attempts = 1000\n')
    )
    for name in ("x", "y", "z"):
        pure.agent(name)
    chance = random.Random(11)
    stale: list[tuple[str, str, str]] = []
    tried = 0
    while tried < STALE:
        live = {
            task["claim"]["token"]: (task["claim"]["agent"], task["id"])
            for task in pure.snapshot.live()
            if task["claim"]
        }
        step = chance.choice(["claim", "claim", "takeover", "assign", "cancel", "back"])
        try:
            if step == "claim":
                pure.claim(chance.choice("xyz"), chance.choice("abc"))
            elif step == "takeover":
                pure.now_ns += 11 * 10**9
                pure.claim(chance.choice("xyz"), chance.choice("abc"))
            elif step == "assign":
                pure.run({"op": "assign", "task": chance.choice("abc"), "to": None, "reason": ""})
            elif step == "cancel":
                task = chance.choice("abc")
                if pure.state(task) != "failed":
                    pure.run({"op": "cancel", "task": task, "reason": ""})
                pure.run({"op": "retry", "task": task, "reason": ""})
            elif len(pure.past) > 12:
                pure.rollback(len(pure.past) - chance.randint(1, 6))
        except GitcoordError:
            pass
        now = {task["claim"]["token"] for task in pure.snapshot.live() if task["claim"]}
        stale += [(token, *live[token]) for token in live.keys() - now]
        for token, agent, task in chance.sample(stale, min(len(stale), 4)):
            before = dict(pure.files)
            for command in stale_commands(token, agent, task):
                with pytest.raises(ClaimLostError):
                    pure.run(command)
                tried += 1
            assert pure.files == before
    assert len(stale) > 50


def refused_everywhere(work: Workspace, agent: str, task: str, token: str) -> None:
    tip = work.ledger.tip()
    for attempt in (
        lambda: results.progress(work, agent, task, token, "on"),
        lambda: results.complete(work, agent, task, token, no_result=True),
        lambda: results.fail(work, agent, task, token, "no"),
        lambda: results.release(work, agent, task, token),
        lambda: work.ledger.beat(agent, token),
    ):
        with pytest.raises(ClaimLostError):
            attempt()
    assert work.ledger.tip() == tip


def test_a_restored_backup_of_an_agents_files_revives_nothing(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    old = record(work, "a")["claim"]["token"]
    backup = tmp_path / "backup"
    shutil.copytree(work.private_dir("x"), backup)
    work.ledger.execute({"op": "assign", "task": "a", "to": None, "reason": ""}, agent=ORCHESTRATOR)
    claims.claim(work, "x", "b", checkout=False)
    shutil.rmtree(work.private_dir("x"))
    shutil.copytree(backup, work.private_dir("x"))
    refused_everywhere(work, "x", "a", old)
    # The backup knows nothing of the claim on b: it is reissued, not lost.
    again = claims.claim(work, "x", checkout=False)
    assert again.reissued
    assert again.task["id"] == "b"


def test_a_copied_worktree_is_fenced_with_its_original(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a", head=SHORT), "x", "y")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    write(place, "a/file.txt")
    copy = tmp_path / "copy"
    shutil.copytree(place, copy, symlinks=True)
    time.sleep(1.1)
    claims.claim(work, "y", "a", checkout=False)
    for folder in (place, copy):
        done = subprocess.run(
            [sys.executable, "-m", "gitcoord", "--agent", "x", "complete"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 13, done.stderr
    assert record(work, "a")["claim"]["agent"] == "y"


HOLDER = """
import sys
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
work = open_workspace(Path(sys.argv[1]))
held = claims.claim(work, "x", "a", checkout=False)
print("held", flush=True)
codes = set()
while True:
    try:
        results.progress(work, "x", "a", held.claim["token"], "on")
        print("on", flush=True)
    except GitcoordError as error:
        print(error.code, flush=True)
        break
"""


def stop_between_writes(child: subprocess.Popen[str], repo: Path) -> None:
    """Stop a writer where it holds no ref's lock: nobody takes that from a writer that lives."""
    lock = lock_of(repo / ".git", "refs/heads/gitcoord/ledger")
    while True:
        os.kill(child.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        if not lock.exists():
            return
        os.kill(child.pid, signal.SIGCONT)
        time.sleep(0.01)


def test_a_holder_stopped_past_its_lease_wakes_up_fenced(repo: Path) -> None:
    work = found(repo, tasks("a", head=SHORT), "x", "y", worktrees=False)
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(repo)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert child.stdout.readline() == "on\n"
    stop_between_writes(child, repo)
    while True:
        try:
            taken = claims.claim(work, "y", "a", checkout=False)
            break
        except (ConflictError, GitcoordError):
            time.sleep(0.1)
    os.kill(child.pid, signal.SIGCONT)
    said = child.communicate(timeout=30)[0].splitlines()
    assert said[-1] == "claim-lost"
    assert record(work, "a")["claim"]["token"] == taken.claim["token"]
    log = git("log", "--format=%s", "gitcoord/ledger", cwd=repo).splitlines()
    # Whatever it reported, it reported before the takeover.
    assert log[0].startswith("claim a by y, taken over from x")


def test_two_processes_under_one_id_cannot_both_work(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    first = claims.claim(work, "x", "a", checkout=False, session="named:one")
    with pytest.raises(ConflictError):
        claims.claim(work, "x", checkout=False, session="named:two")
    with pytest.raises(ConflictError):
        claims.claim(work, "x", "a", checkout=False, session="named:two")
    results.progress(work, "x", "a", first.claim["token"], "still mine")


def test_a_token_of_another_task_or_agent_opens_nothing(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    claims.claim(work, "y", "b", checkout=False)
    mine, theirs = (record(work, name)["claim"]["token"] for name in "ab")
    for agent, task, token in (("x", "a", theirs), ("y", "a", mine), ("x", "b", mine)):
        with pytest.raises((ClaimLostError, NotFoundError)):
            results.progress(work, agent, task, token, "on")
