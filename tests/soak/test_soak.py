"""Many processes, killed and stopped at random, on one ledger.

Afterwards every acknowledged operation is in the chain, no task ever had
two claims, no stale token did anything, and the next command works at
once. ``GITCOORD_SOAK=long`` runs ten minutes instead of ninety seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitcoord.core.messages import parse
from gitcoord.features import claims, landing, reading, verifying
from gitcoord.features.workspace import open_workspace
from gitcoord.git.program import Git
from tests.support.builders import tasks
from tests.support.world import environment, found, git

pytestmark = pytest.mark.soak
SECONDS = 600 if os.environ.get("GITCOORD_SOAK") == "long" else 90
WORKERS = 12
TASKS = 40

API_WORKER = """
import json, os, random, signal, sys, time
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features import claims, holding
from gitcoord.features.workspace import open_workspace
from gitcoord.store import healing, index, libgit, processes
import gitcoord.git.merges, gitcoord.git.results, gitcoord.git.worktrees

# Processes that are killed twenty times a second have to start quickly:
# they are forked from this one, which has imported everything.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    agent = line.strip()
    pid = os.fork()
    if pid == 0:
        break
    print(pid, flush=True)
else:
    sys.exit()
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
os.setsid()
repo, acks = Path(sys.argv[1]), open(Path(sys.argv[2]) / f"acks-{agent}.jsonl", "a", buffering=1)
chance = random.Random(os.getpid())
work = open_workspace(repo, timeout_s=20)
old = []
def ack(op, entry, **more):
    acks.write(json.dumps({"op": op, "entry": entry, "at": time.monotonic_ns(), **more}) + "\\n")
token = task = ""
while True:
    try:
        work.ledger.settle(agent)
        held = claims.claim(work, agent, checkout=False)
        token, task = held.claim["token"], held.task["id"]
        if not held.already or held.reissued:
            ack("claim", held.entry, task=task, token=token)
        for _ in range(chance.randint(0, 2)):
            ack("progress", holding.progress(work, agent, task, token, "on").entry, token=token)
        if chance.random() < 0.3:
            work.ledger.beat(agent, token)
        for stale_task, stale in old[-3:]:
            try:
                entry = holding.progress(work, agent, stale_task, stale, "stale").entry
                ack("stale", entry, token=stale)
            except GitcoordError as error:
                assert error.code == "claim-lost", error
        op = chance.choice(["release", "fail", "release", "release"])
        if op == "release":
            ack("release", holding.release(work, agent, task, token, "soak").entry, token=token)
        else:
            ack("fail", holding.fail(work, agent, task, token, "soak").entry, token=token)
        old.append((task, token))
    except GitcoordError as error:
        if error.code == "claim-lost":
            old.append((task, token))
        acks.write(json.dumps({"op": "refused", "code": error.code}) + "\\n")
        time.sleep(0.01)
"""

CLI_WORKER = """
import json, os, subprocess, sys, time
repo, agent, path = sys.argv[1:4]
acks = open(path, "a", buffering=1)
def call(*args):
    done = subprocess.run([sys.executable, "-m", "gitcoord", "-C", repo, "--agent", agent, "--json", *args], capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"ok": False, "error": {"code": "killed"}}
while True:
    answer = call("claim", "--no-checkout")
    if answer["ok"]:
        token = answer["claim"]["token"]
        acks.write(json.dumps({"op": "claim", "entry": answer["entry"], "token": token}) + "\\n")
        answer = call("release")
        if answer["ok"]:
            acks.write(json.dumps({"op": "release", "entry": answer["entry"], "token": token}) + "\\n")
    if not answer["ok"]:
        acks.write(json.dumps({"op": "refused", "code": answer["error"]["code"]}) + "\\n")
        if answer["error"]["code"] == "internal":
            print(answer, flush=True)
"""


class Workers:
    """Start workers again as they are killed: every fourth a command line."""

    def __init__(self, repo: Path, top: Path) -> None:
        self.repo, self.top = repo, top
        self.script = top / "cli.py"
        self.script.write_text(CLI_WORKER)
        (top / "api.py").write_text(API_WORKER)
        self.errors = (top / "errors.txt").open("ab")
        command = [sys.executable, str(top / "api.py"), str(repo), str(top)]
        self.nursery = subprocess.Popen(command, env=environment(), stderr=self.errors, stdout=subprocess.PIPE,
                                        stdin=subprocess.PIPE, text=True)  # fmt: skip
        self.pids: dict[int, int] = {}
        self.children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int) -> None:
        if number % 4 == 3:
            command = [sys.executable, str(self.script), str(self.repo), f"x{number}", str(self.top / f"acks-x{number}.jsonl")]
            child = subprocess.Popen(command, env=environment(), stderr=self.errors, stdout=self.errors, start_new_session=True)
            self.children[number] = child
            self.pids[number] = child.pid
            return
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(f"x{number}\n")
        self.nursery.stdin.flush()
        self.pids[number] = int(self.nursery.stdout.readline())

    def signal(self, pid: int, number: int) -> bool:
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self, number: int) -> None:
        pid = self.pids[number]
        # A forked worker may not have its own group yet.
        if not self.signal(pid, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if number in self.children:
            self.children.pop(number).wait()

    def stop_all(self) -> None:
        for number in list(self.pids):
            self.kill(number)
        self.nursery.communicate()
        self.errors.close()


def test_nothing_acknowledged_is_lost_while_writers_are_killed_and_stopped(repo: Path, tmp_path: Path) -> None:
    plan = '[plan]\nlease = "2s"\nheartbeat = "500ms"\nmax_attempts = 1000\n' + tasks(*(f"t{number}" for number in range(TASKS)))
    names = [f"x{number}" for number in range(WORKERS)]
    found(repo, plan, *names, worktrees=False).close()
    top = tmp_path / "soak"
    top.mkdir()
    workers = Workers(repo, top)
    chance = random.Random(7)
    kills = stops = 0
    stopped: list[tuple[float, int]] = []
    for number in range(WORKERS):
        workers.start(number)
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            time.sleep(0.05)
            number = chance.randrange(WORKERS)
            # A command line needs half a second to get anywhere at all.
            while number % 4 == 3 and chance.random() < 0.8:
                number = chance.randrange(WORKERS)
            if chance.random() < 0.05:
                stops += workers.signal(workers.pids[number], signal.SIGSTOP)
                stopped.append((time.monotonic() + chance.choice([0.3, 2.5]), workers.pids[number]))
            else:
                workers.kill(number)
                workers.start(number)
                kills += 1
            for when, pid in [one for one in stopped if one[0] <= time.monotonic()]:
                stopped.remove((when, pid))
                workers.signal(pid, signal.SIGCONT)
    finally:
        workers.stop_all()
    begun = time.monotonic()
    work = open_workspace(repo)
    for name in names:
        work.ledger.settle(name)
    # The next command works at once: what the dead left is healed by it.
    command = {"op": "escalate", "agent": "orchestrator", "task": "", "kind": "soak", "reason": "over"}
    work.ledger.execute(command, agent="orchestrator")
    healed_s = time.monotonic() - begun
    facts = check_chain(work.ledger.tip() or "", repo, top)
    entries = verifying.verify(work).entries
    assert (top / "errors.txt").read_text() == ""
    assert Git(repo).run("fsck", "--no-dangling", "--no-progress").status == 0
    print(f"\nsoak {SECONDS} s: {facts['acks']} acknowledged, {entries} entries, {kills} kills, {stops} stops, "
          f"{facts['unacked']} applied but not acknowledged, healed in {healed_s:.2f} s")
    assert facts["acks"] > 200
    assert kills > SECONDS * 5
    # Half a second of patience with a lock, and the work itself.
    assert healed_s < 3


def check_chain(tip: str, repo: Path, top: Path) -> dict[str, int]:
    """Compare what was acknowledged with the chain; follow every token."""
    work = open_workspace(repo)
    entries, oid = [], tip
    while oid:
        entry = work.store.read_entry(oid)
        entries.append((oid, parse(entry.message, oid)))
        oid = entry.parents[0] if entry.parents else ""
    entries.reverse()
    place = {entry: index for index, (entry, _) in enumerate(entries)}
    holder: dict[str, str | None] = {}
    ids = set()
    for _, event in entries:
        assert event["id"] not in ids, "no operation is applied twice"
        ids.add(event["id"])
        for gone in event.get("expired", []):
            assert holder[gone["task"]] == gone["token"]
            holder[gone["task"]] = None
        if event["op"] == "claim":
            taken = event["takeover"]
            assert holder.get(event["task"]) == (taken["token"] if taken else None), "one holder"
            holder[event["task"]] = event["token"]
        elif event["op"] == "reissue":
            assert holder[event["task"]] == event["old"]
            holder[event["task"]] = event["token"]
        elif "token" in event:
            assert holder[event["task"]] == event["token"], "no stale token does anything"
            if event["op"] in {"release", "fail", "complete"}:
                holder[event["task"]] = None
    acked = []
    for path in top.glob("acks-*.jsonl"):
        last = (-1, 0)
        for line in path.read_text().splitlines():
            try:
                ack = json.loads(line)
            except ValueError:
                continue  # the last line of a killed worker
            if ack["op"] == "refused":
                assert ack["code"] != "internal", ack
                continue
            assert ack["op"] != "stale", "a stale token was accepted"
            assert ack["entry"] in place, "what was acknowledged is in the chain"
            # Linear in time: an agent's later answer is a later entry.
            assert place[ack["entry"]] > last[0]
            last = (place[ack["entry"]], 0)
            acked.append(ack["entry"])
    assert len(acked) == len(set(acked))
    return {"acks": len(acked), "unacked": len(entries) - len(set(acked))}


@pytest.mark.skipif(not any((Path(folder) / "strace").exists() for folder in os.environ["PATH"].split(":")), reason="no strace")
@pytest.mark.parametrize("command", ["claim", "release"])
def test_a_command_killed_at_any_changing_system_call_is_healed(repo: Path, tmp_path: Path, command: str) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    if command == "release":
        claims.claim(work, "x", "a", checkout=False)
    work.close()
    import shutil

    saved = tmp_path / "saved"
    shutil.copytree(repo, saved, symlinks=True)
    argv = [sys.executable, "-m", "gitcoord", "-C", str(repo), "--agent", "x", "--json"]
    argv += ["claim", "a", "--no-checkout"] if command == "claim" else ["release"]
    env = environment(GITCOORD_SESSION="soak")
    points = killed = 0
    for call in ("rename", "link", "unlink", "fsync", "pwrite64", "mkdir"):
        for when in range(1, 60):
            shutil.rmtree(repo)
            shutil.copytree(saved, repo, symlinks=True)
            traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"]
            done = subprocess.run([*traced, *argv], env=env, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
            points += 1
            killed += done.returncode in {-9, 137}
            begun = time.monotonic()
            heir = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
            answer = json.loads(heir.stdout)
            took_s = time.monotonic() - begun
            # Done now, or it was done by the killed one, and this says so.
            assert answer["ok"] or answer["error"]["code"] in {"claim-lost", "not-found"}, (call, when, answer)
            checker = open_workspace(repo)
            state = checker.ledger.snapshot().require_task("a")["state"]
            assert state == ("claimed" if command == "claim" else "open"), (call, when)
            verifying.verify(checker)
            checker.close()
            assert took_s < 5
    print(f"\n{command}: {points} kill points, {killed} killed, every one healed by the next command")
    assert killed > 10


def test_a_landing_killed_at_random_is_finished_by_the_next(repo: Path) -> None:
    from tests.support.world import do

    work = found(repo, tasks("a", "b", "c"), "x")
    for name in "abc":
        do(work, "x", name)
    chance = random.Random(3)
    before = git("rev-parse", "main", cwd=repo)
    argv = [sys.executable, "-m", "gitcoord", "-C", str(repo), "phase", "land", "default"]
    for _ in range(25):
        process = subprocess.Popen(argv, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(chance.uniform(0.2, 0.9))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = git("rev-parse", "main", cwd=repo)
        if now != before:
            break
    done = landing.land(open_workspace(repo), "default")
    assert git("rev-parse", "main", cwd=repo) == done.new
    assert git("status", "--porcelain", cwd=repo) == ""
    assert {path.name for path in repo.iterdir()} >= {"a", "b", "c"}
    verifying.verify(work)
    assert reading.status(work)["counts"] == {"landed": 3}
