"""A stream that is closed from the start is neither a bug nor another file's number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.world import environment, found

CLOSED = ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-")
STREAMS = """
import os, subprocess, sys
if None in {sys.stdin, sys.stdout, sys.stderr}:
    from gitcoord.host.standard_streams import open_missing
    open_missing()
sys.stdin.read()
print("to nobody", file=sys.stdout)
print("to nobody", file=sys.stderr)
with open("file", "wb") as file:
    assert file.fileno() > 2
    subprocess.run(["sh", "-c", "echo from a child; echo from a child >&2"], check=True)
assert os.path.getsize("file") == 0
"""


def _sh(cwd: Path, text: str, *args: str) -> int:
    command = [sys.executable, *args]
    line = f'exec "$@" {text}'
    return subprocess.run(
        ["sh", "-c", line, "sh", *command],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.parametrize("closed", CLOSED)
def test_what_is_opened_next_gets_no_streams_number(tmp_path: Path, closed: str) -> None:
    assert _sh(tmp_path, closed, "-c", STREAMS) == 0


def test_a_command_without_streams_answers_by_its_status(repo: Path) -> None:
    found(repo, tasks("a")).close()
    assert _sh(repo, CLOSED[-1], "-m", "gitcoord", "status") == 0
    assert _sh(repo, CLOSED[-1], "-m", "gitcoord", "show", "nothing") == 2
    assert _sh(repo, "<&-", "-m", "gitcoord", "plan", "check", "-") == 0
    assert not list((repo / ".git" / "gitcoord").rglob("gitcoord-bug-*"))
