"""Run the command line: in this process, or as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitcoord.cli.main import run
from tests.support.world import environment


class Cli:
    """Run gitcoord in this process, as one agent or another."""

    def __init__(self, repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.repo = repo
        self.capsys = capsys
        self.out = ""
        self.err = ""

    def status_of(self, *args: str) -> int:
        """Run a command, and return its status, whatever it is."""
        status = run(["-C", str(self.repo), *args])
        self.out, self.err = self.capsys.readouterr()
        return status

    def __call__(self, *args: str, status: int = 0) -> str:
        self.capsys.readouterr()
        got = run(["-C", str(self.repo), *args])
        out, err = self.capsys.readouterr()
        assert got == status, out + err
        self.err = err
        return out

    def json(self, *args: str, status: int = 0) -> Any:
        answer = json.loads(self(*args, "--json", status=status))
        return answer if status == 0 else answer["error"]


def gitcoord(cwd: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gitcoord", *args],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        input=stdin,
    )
