"""Start workers that claim, report and give back, and that may be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.versions import NOW
from tests.support.world import environment

__all__ = ["Workers"]

# Every process draws the engine that it works with, whether it shares turns, and
# how many objects it makes one pack of, so that all are at work on one repository
# at the same time.
API_WORKER = """
import json, os, random, signal, sys, time
from pathlib import Path
from gitcoord.core.errors import GitcoordError
from gitcoord.features.work import claims, results
from tests.soak.engines import ENGINES
from gitcoord.features.workspace import open_workspace
from gitcoord.host import processes
from gitcoord.store import disk_store, index, libgit, plumbing, stale_locks
import gitcoord.git.merges, gitcoord.store.git_refs, gitcoord.git.results, gitcoord.git.worktrees

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
engine = os.environ["GITCOORD_ENGINE"] = chance.choice(ENGINES)
os.environ["GITCOORD_TURNS"] = chance.choice(["shared", "shared", "shared", "single"])
disk_store.MIN_PACKED = chance.choice([1, 12, 48])  # an earlier version has no packs
work = open_workspace(repo, timeout_s=20)
rush = int(sys.argv[3])
names = [task["id"] for task in work.ledger.snapshot().tasks()]
old = []
begun = 0
def ack(op, entry, **more):
    global begun
    now = time.monotonic_ns()
    acks.write(json.dumps({"op": op, "entry": entry, "begun": begun, "at": now, **more}) + "\\n")
    begun = now
token = task = ""
parent = os.getppid()
while os.getppid() == parent:
    try:
        work.ledger.settle(agent)
        begun = time.monotonic_ns()
        held, refused = None, {}
        for _ in range(rush):
            # What is asked for by name is mostly held by another.
            try:
                name = chance.choice(names)
                held = claims.claim(work, agent, name, checkout=False, is_waiting=True)
                break
            except GitcoordError as error:
                refused[error.code] = refused.get(error.code, 0) + 1
                begun = time.monotonic_ns()
                if error.code == "refused":
                    break  # it holds one already
        for code, count in refused.items():
            acks.write(json.dumps({"op": "refused", "code": code, "count": count}) + "\\n")
        held = held or claims.claim(work, agent, checkout=False)
        token, task = held.claim["token"], held.task["id"]
        if not held.already or held.reissued:
            version = os.environ["PYTHONPATH"]
            ack("claim", held.entry, task=task, token=token, engine=engine, version=version)
        for _ in range(chance.randint(0, 2)):
            ack("progress", results.progress(work, agent, task, token, "on").entry, token=token)
        if chance.random() < 0.3:
            work.ledger.beat(agent, token)
        for stale_task, stale in old[-3:]:
            try:
                entry = results.progress(work, agent, stale_task, stale, "stale").entry
                ack("stale", entry, token=stale)
            except GitcoordError as error:
                assert error.code == "claim-lost", error
        op = chance.choice(["release", "fail", "release", "complete"])
        begun = time.monotonic_ns()
        if op == "complete":
            done = results.complete(work, agent, task, token, no_result=True)
            ack("complete", done.entry, token=token)
        elif op == "release":
            ack("release", results.release(work, agent, task, token, "soak").entry, token=token)
        else:
            ack("fail", results.fail(work, agent, task, token, "soak").entry, token=token)
        old.append((task, token))
    except GitcoordError as error:
        if error.code == "claim-lost":
            old.append((task, token))
        acks.write(json.dumps({"op": "refused", "code": error.code, "text": error.message}) + "\\n")
        time.sleep(0.01)
"""

CLI_WORKER = """
import json, os, random, subprocess, sys, time
from tests.soak.engines import ENGINES
repo, agent, path = sys.argv[1:4]
acks = open(path, "a", buffering=1)
chance = random.Random(os.getpid())
def call(engine, *args):
    command = [sys.executable, "-m", "gitcoord", "-C", repo, "--agent", agent, "--json", *args]
    turns = chance.choice(["shared", "single"])
    environment = {**os.environ, "GITCOORD_ENGINE": engine, "GITCOORD_TURNS": turns}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"ok": False, "error": {"code": "killed"}}
parent = os.getppid()
while os.getppid() == parent:
    engine = chance.choice(ENGINES)
    answer = call(engine, "claim", "--no-checkout")
    if answer["ok"]:
        token = answer["claim"]["token"]
        # A claim that it has already names the newest entry, which may be another's.
        if not answer["already"] or answer["reissued"]:
            said = {"op": "claim", "entry": answer["entry"], "token": token, "engine": engine}
            version = os.environ["PYTHONPATH"]
            acks.write(json.dumps({**said, "version": version}) + "\\n")
        answer = call(chance.choice(ENGINES), "release")
        if answer["ok"]:
            said = {"op": "release", "entry": answer["entry"], "token": token}
            acks.write(json.dumps(said) + "\\n")
    if not answer["ok"]:
        acks.write(json.dumps({"op": "refused", "code": answer["error"]["code"]}) + "\\n")
        if answer["error"]["code"] == "internal":
            print(answer, flush=True)
"""


class Workers:
    """Start workers again as they are killed: every fourth a command line.

    They are shared out among the ``sources``: folders with a version of gitcoord each.
    """

    def __init__(
        self, repo: Path, top: Path, *, rush: int = 0, sources: Sequence[Path] = (NOW,)
    ) -> None:
        self.repo, self.top, self.rush = repo, top, rush
        self.script = top / "cli.py"
        self.script.write_text(CLI_WORKER)
        (top / "api.py").write_text(API_WORKER)
        self.errors = (top / "errors.txt").open("ab")
        self.sources = sources
        self.nurseries = [self._nursery(source) for source in sources]
        self.pids: dict[int, int] = {}
        self.children: dict[int, subprocess.Popen[bytes]] = {}

    def _nursery(self, source: Path) -> subprocess.Popen[str]:
        """Start the process from which the workers of one version are forked."""
        script = str(self.top / "api.py")
        return subprocess.Popen(
            [sys.executable, script, str(self.repo), str(self.top), str(self.rush)],
            env=environment(PYTHONPATH=str(source)),
            stderr=self.errors,
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )

    def version_of(self, number: int) -> int:
        """Return which version a worker has; each has those of the command line too."""
        return (number + number // 4) % len(self.sources)

    def is_command(self, number: int) -> bool:
        """Say whether a worker goes through the command line: one of four.

        In a rush it is one of thirty-two, for starting processes is slow.
        """
        return number % (32 if self.rush else 4) == 3

    def start(self, number: int) -> None:
        if self.is_command(number):
            command = [
                sys.executable,
                str(self.script),
                str(self.repo),
                f"x{number}",
                str(self.top / f"acks-x{number}.jsonl"),
            ]
            child = subprocess.Popen(
                command,
                env=environment(PYTHONPATH=str(self.sources[self.version_of(number)])),
                stderr=self.errors,
                stdout=self.errors,
                start_new_session=True,
            )
            self.children[number] = child
            self.pids[number] = child.pid
            return
        nursery = self.nurseries[self.version_of(number)]
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        nursery.stdin.write(f"x{number}\n")
        nursery.stdin.flush()
        self.pids[number] = int(nursery.stdout.readline())

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
        for nursery in self.nurseries:
            nursery.communicate()
        self.errors.close()
