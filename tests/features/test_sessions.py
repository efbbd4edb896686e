"""Which session asks, and whether it lives: with real processes and variables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.hook_calls import read_call
from gitcoord.core.sessions import named_session, with_own
from gitcoord.features.assist import hook
from gitcoord.features.sessions import SessionFiles
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.terminals import SHARED_SERVER, Terminal, program_named
from tests.support.world import environment, found

ASSISTANT = """
import subprocess, sys
for line in sys.stdin:
    words = line.split()
    named = dict(pair.split("=", 1) for pair in words[0].split(","))
    environment = {**__import__("os").environ, **named}
    done = subprocess.run(words[1:], env=environment, capture_output=True, start_new_session=True)
    print(done.returncode, (done.stdout or done.stderr).decode().replace(chr(10), " "), flush=True)
"""


class Assistant:
    """A process that starts each command in a session of its own, as assistants do."""

    def __init__(self, cwd: Path, *program: str | Path, **variables: str) -> None:
        self.variables = ",".join(f"{name}={value}" for name, value in variables.items())
        interpreter, *words = program or (sys.executable,)
        self.child = subprocess.Popen(
            [interpreter, "-c", ASSISTANT, *words],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def gitcoord(self, *args: str) -> tuple[int, Any]:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        words = [self.variables, sys.executable, "-m", "gitcoord", *args, "--json"]
        self.child.stdin.write(" ".join(words) + "\n")
        self.child.stdin.flush()
        status, _, text = self.child.stdout.readline().partition(" ")
        return int(status), json.loads(text)

    def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        self.child.communicate()


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b"), "builder")
    yield work
    work.close()


@pytest.fixture
def start(work: Workspace) -> Iterator[Any]:
    started = []

    def one(**variables: str) -> Assistant:
        place = work.worktree_of("builder")
        assert place is not None
        started.append(Assistant(place, **variables))
        return started[-1]

    yield one
    for assistant in started:
        assistant.kill()


@pytest.mark.parametrize(
    "variable", ["CLAUDE_CODE_SESSION_ID", "CODEX_SESSION_ID", "COPILOT_AGENT_SESSION_ID"]
)
def test_each_shell_command_of_one_assistant_is_the_same_session(start: Any, variable: str) -> None:
    one = start(**{variable: "s1"})
    status, first = one.gitcoord("claim")
    assert status == 0
    status, again = one.gitcoord("claim")
    assert status == 0
    assert (again["already"], again["reissued"]) == (True, False)
    assert again["claim"]["token"] == first["claim"]["token"]


def test_a_second_living_assistant_under_one_id_is_refused(start: Any) -> None:
    one, other = start(CLAUDE_CODE_SESSION_ID="s1"), start(CLAUDE_CODE_SESSION_ID="s2")
    assert one.gitcoord("claim")[0] == 0
    status, answer = other.gitcoord("claim")
    assert (status, answer["error"]["code"]) == (12, "conflict")


def test_a_killed_assistant_that_is_started_anew_gets_its_claim_back_at_once(start: Any) -> None:
    one = start(CODEX_SESSION_ID="s1")
    first = one.gitcoord("claim")[1]
    one.kill()
    status, again = start(CODEX_SESSION_ID="s2").gitcoord("claim")
    assert status == 0
    assert again["reissued"] is True
    assert again["task"]["id"] == first["task"]["id"]
    assert again["branch"] == first["branch"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the terminal in /proc")
def test_a_killed_terminal_whose_server_goes_on_gives_its_claim_to_the_next(
    work: Workspace, tmp_path: Path
) -> None:
    place = work.worktree_of("builder")
    assert place is not None
    program = program_named(tmp_path, "codex")
    terminal = Terminal(program, place)
    server = Assistant(place, program, *SHARED_SERVER, CODEX_SESSION_ID="s1")
    try:
        assert server.gitcoord("claim")[0] == 0
        server.variables = "CODEX_SESSION_ID=s2"
        assert server.gitcoord("claim")[0] == 12, "the first terminal is still there"
        terminal.kill()
        terminal = Terminal(program, place)
        status, again = server.gitcoord("claim")
        assert (status, again["reissued"]) == (0, True)
    finally:
        server.kill()
        terminal.kill()


def test_a_session_that_begins_writes_down_which_before_it_are_over(
    start: Any, work: Workspace
) -> None:
    # A shell in a sandbox with process numbers of its own sees no process, but reads this.
    one, place = start(CODEX_SESSION_ID="s1"), work.worktree_of("builder")
    assert one.gitcoord("claim")[0] == 0
    call = {"hook_event_name": "SessionStart", "cwd": str(place), "source": "startup"}
    folder = SessionFiles(work.place.common_dir).folder

    def begun(session: str) -> set[str]:
        event = json.dumps({**call, "session_id": session}).encode()
        hook.answer(read_call(event), "codex", str(place))
        known = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        return {one["session"] for one in known if one.get("is_over")}

    assert begun("s2") == set()
    one.kill()
    assert begun("s3") == {"assistant:codex=s1"}


def test_an_assistant_that_told_its_end_gives_its_claim_to_the_next(
    start: Any, work: Workspace
) -> None:
    one = start(CLAUDE_CODE_SESSION_ID="s1")
    assert one.gitcoord("claim")[0] == 0
    SessionFiles(work.place.common_dir).end("assistant:claude=s1")
    status, again = start(CLAUDE_CODE_SESSION_ID="s2").gitcoord("claim")
    assert (status, again["reissued"]) == (0, True)


def test_a_session_that_is_resumed_after_its_end_is_at_work_again(
    start: Any, work: Workspace
) -> None:
    SessionFiles(work.place.common_dir).end("assistant:claude=s1")
    assert start(CLAUDE_CODE_SESSION_ID="s1").gitcoord("claim")[0] == 0
    status, _ = start(CLAUDE_CODE_SESSION_ID="s2").gitcoord("claim")
    assert status == 12


def test_claude_started_by_codex_is_a_session_of_its_own(start: Any) -> None:
    outer = start(CODEX_SESSION_ID="c1")
    inner = start(CODEX_SESSION_ID="c1", CLAUDE_CODE_SESSION_ID="s1")
    assert outer.gitcoord("claim")[0] == 0
    assert inner.gitcoord("claim")[0] == 12
    outer.kill()
    assert inner.gitcoord("claim")[1]["reissued"] is True


def test_a_process_that_cannot_be_seen_leaves_it_to_the_lease(work: Workspace) -> None:
    files = SessionFiles(work.place.common_dir)
    assert files.is_over("assistant:codex=unseen") is None
    files.record("assistant:codex=unseen", None)
    assert files.is_over("assistant:codex=unseen") is None
    files.record("assistant:codex=unseen", "gone-boot:1:1:1")
    files.record("assistant:codex=unseen", None)
    assert files.is_over("assistant:codex=unseen") is True


def test_the_folder_of_sessions_stays_small(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gitcoord.features.sessions.MAX_FILES", 10)
    files = SessionFiles(work.place.common_dir)
    for number in range(40):
        files.record(f"assistant:claude=s{number}", None)
    assert len(list(files.folder.iterdir())) <= 10


def test_names_of_sessions() -> None:
    assert named_session({}) is None
    assert named_session({"GITCOORD_SESSION": "x", "CODEX_SESSION_ID": "c"}) == "named:x"
    both = {"CODEX_SESSION_ID": "c", "CLAUDE_CODE_SESSION_ID": "s"}
    assert named_session(both) == "assistant:claude=s+codex=c"
    assert named_session(with_own({"CLAUDE_CODE_SESSION_ID": "s"}, "codex", "c")) == named_session(
        both
    )
    assert named_session(with_own({}, "codex", "c")) == named_session({"CODEX_SESSION_ID": "c"})
    long = named_session({"CLAUDE_CODE_SESSION_ID": "x" * 5000}) or ""
    assert len(long) < 200
    assert os.environ.get("CLAUDE_CODE_SESSION_ID") is None
