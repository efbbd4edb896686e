"""A command kept alive by beats, and ended when its claim is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    NothingReadyError,
)
from gitcoord.features.work import claims
from gitcoord.features.work.keepalive import Child
from tests.support.builders import tasks
from tests.support.world import LONGER, environment, found, record


def test_keepalive_beats_passes_the_status_on_and_ends_a_lost_command(repo: Path) -> None:
    work = found(repo, LONGER + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    base = [sys.executable, "-m", "gitcoord", "-C", str(repo), "--agent", "x", "keepalive", "--"]
    env = environment(GITCOORD_CLAIM=held.claim["token"])
    assert (
        subprocess.run([*base, "sh", "-c", "sleep 6; exit 7"], env=env, check=False).returncode == 7
    )
    assert record(work, "a")["claim"] is not None
    with pytest.raises(NothingReadyError):
        claims.claim(work, "y")
    process = subprocess.Popen([*base, "sleep", "60"], env=env, stderr=subprocess.PIPE)
    time.sleep(0.5)
    work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent="orchestrator")
    assert process.wait(timeout=20) == 13
    process.communicate()


STARTER = """
import os, signal, subprocess, sys
from pathlib import Path
from gitcoord.features.work.keepalive import Child

left = int(sys.argv[1])

class Counted(subprocess.Popen):
    def __init__(self, *args, **more):
        global left
        super().__init__(*args, **more)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Counted
with open(sys.argv[2], "wb") as output:
    child = Child(["sleep", "600"], Path.cwd(), {**os.environ, "MARK": sys.argv[2]}, output)
print(child.wait(0.1), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="nothing lists processes")
@pytest.mark.parametrize("last", [1, 2, 3])
def test_a_command_ends_with_its_runner_whenever_that_is_killed(last: int, tmp_path: Path) -> None:
    """After each process that the runner starts, and when all of them are there."""
    mark = tmp_path / "output"
    argv = [sys.executable, "-c", STARTER, str(last), str(mark)]
    done = subprocess.run(argv, env=environment(), check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "None\n" if last == 3 else "")
    deadline = time.monotonic() + 30
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert marked(mark) == []


def marked(mark: Path) -> list[int]:
    """Return the living processes that carry a mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"MARK={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def test_what_a_command_reads_and_says_is_its_own(tmp_path: Path) -> None:
    with (tmp_path / "output").open("w+b") as output:
        argv = ["sh", "-c", 'cat; echo "$1"; env; exit 7', "sh", "two words"]
        child = Child(argv, tmp_path, {"MARK": "m"}, output)
        assert child.wait(30) == 7
        output.seek(0)
        first, *variables = output.read().decode().splitlines()
    assert first == "two words"
    assert set(variables) - {f"PWD={tmp_path}", "OLDPWD=/", "SHLVL=0"} == {"MARK=m"}
