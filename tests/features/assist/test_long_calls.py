"""One tool call that takes longer than a lease keeps it, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.processes import is_alive
from gitcoord.ledger.files import read_json
from tests.support.builders import tasks
from tests.support.world import LONGER, environment, found

# A process that lives as an assistant does: it runs a hook when it is told, and waits.
HOST = """
import subprocess, sys
for line in sys.stdin:
    words = ["sh", "-c", '"$@" || exit 2', "sh", sys.executable, "-m", "gitcoord", "hook", "claude"]
    done = subprocess.run([*words, sys.argv[1]], input=line.encode(), stdout=subprocess.PIPE)
    print(done.returncode, flush=True)
"""


class Host:
    """An assistant's process in an agent's worktree."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOST, str(place)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tells(self, event: str, **more: Any) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        call = {"hook_event_name": event, "session_id": "s", "cwd": str(self.place), **more}
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "0\n"

    def runs(self, command: str, number: str = "t1", event: str = "PreToolUse") -> None:
        self.tells(event, tool_name="Bash", tool_use_id=number, tool_input={"command": command})

    def dies(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", head=LONGER), "one", "two")
    yield work
    work.close()


@pytest.fixture
def host(work: Workspace) -> Iterator[Host]:
    host = Host(Path(claims.claim(work, "one", "a").worktree or ""))
    yield host
    host.dies()


def kept(work: Workspace) -> Path:
    return work.private_dir("one") / "assist"


def watcher(work: Workspace) -> str:
    return str((read_json(kept(work) / "watch.json") or {}).get("process", ""))


def until(holds: Callable[[], bool]) -> None:
    clock = Clock()
    deadline = Deadline(clock, 30)
    while not holds():
        assert not deadline.expired
        clock.sleep(0.02)


def beat(work: Workspace) -> str | None:
    return work.store.read_ref("refs/gitcoord/ledger/beats/one")


def test_the_lease_is_renewed_while_a_call_goes_on_and_not_after(
    work: Workspace, host: Host
) -> None:
    host.runs("make all")
    process = watcher(work)
    assert is_alive(process)
    first = beat(work)
    until(lambda: beat(work) != first)
    second = beat(work)
    until(lambda: beat(work) != second)
    host.runs("make all", event="PostToolUse")
    until(lambda: not is_alive(process))
    assert not (kept(work) / "watch.json").exists()
    assert list((kept(work) / "calls").iterdir()) == []


def test_the_watcher_ends_with_the_assistant(work: Workspace, host: Host) -> None:
    host.runs("make all")
    process = watcher(work)
    assert is_alive(process)
    host.dies()
    until(lambda: not is_alive(process))


@pytest.mark.parametrize("event", ["Stop", "SessionEnd", "PostToolUseFailure"])
def test_what_ends_the_call_ends_the_watcher(work: Workspace, host: Host, event: str) -> None:
    host.runs("make all")
    process = watcher(work)
    if event == "PostToolUseFailure":
        host.runs("make all", event=event)
    else:
        host.tells(event)
    until(lambda: not is_alive(process))


def test_two_calls_at_once_have_one_watcher_until_both_are_over(
    work: Workspace, host: Host
) -> None:
    host.runs("make one", "t1")
    process = watcher(work)
    host.runs("make two", "t2")
    assert watcher(work) == process
    host.runs("make one", "t1", event="PostToolUse")
    first = beat(work)
    until(lambda: beat(work) != first)
    assert is_alive(process)
    host.runs("make two", "t2", event="PostToolUse")
    until(lambda: not is_alive(process))


def test_a_watcher_that_was_killed_is_followed_by_another(work: Workspace, host: Host) -> None:
    host.runs("make one", "t1")
    process = watcher(work)
    os.kill(int(process.split(":")[2]), signal.SIGKILL)
    until(lambda: not is_alive(process))
    host.runs("make two", "t2")
    assert watcher(work) != process
    assert is_alive(watcher(work))


def test_a_call_that_is_short_or_refused_has_none(work: Workspace, host: Host) -> None:
    edit = {"tool_name": "Write", "tool_use_id": "t1", "tool_input": {"file_path": "a/x"}}
    host.tells("PreToolUse", **edit)
    host.tells("PreToolUse", tool_name="Read", tool_input={"file_path": "a/x"})
    host.tells(
        "PreToolUse", agent_id="sub", tool_name="Bash", tool_input={"command": "gitcoord claim"}
    )
    assert watcher(work) == ""
