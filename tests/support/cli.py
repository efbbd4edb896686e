"""Run the command line: in this process, or as a program."""

from __future__ import annotations

import json
import re
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

    def __call__(self, *args: str, status: int = 0, cwd: Path | None = None) -> str:
        self.capsys.readouterr()
        got = run(["-C", str(cwd or self.repo), *args])
        out, err = self.capsys.readouterr()
        assert got == status, out + err
        self.err = err
        return out

    def json(self, *args: str, status: int = 0, cwd: Path | None = None) -> Any:
        """Return a command's answer, or the error in it."""
        answer = json.loads(self(*args, "--json", status=status, cwd=cwd))
        assert answer["schema"] == 1
        assert isinstance(answer["notices"], list)
        # Findings have a status of their own, and are an answer all the same.
        return answer.get("error", answer)


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


def clean(text: str) -> str:
    """Put what differs from run to run into a fixed form."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"task/(\w+)/(\d)-[0-9a-f]{6}", r"task/\1/\2-TOKEN", text)
    text = re.sub(r"\b[0-9a-f]{10,40}\b", "OID", text)
    return re.sub(r"/\S*/repo", "REPO", text)
