"""A program that works as a server for all terminals, and terminals of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["SHARED_SERVER", "Terminal", "program_named"]

SHARED_SERVER = ("app-server", "--listen", "unix://")
"""The words that follow such a server's program, as Codex writes them."""

_AT_A_TERMINAL = """
import os, sys
# The leader of a session without a terminal gets the one that it opens.
os.open(os.ttyname(0), os.O_RDWR)
print("up", flush=True)
sys.stdin.readline()
"""


def program_named(folder: Path, name: str) -> Path:
    """Return an interpreter of Python that the kernel calls by another name."""
    program = folder / name
    program.symlink_to(os.path.realpath(sys.executable))
    return program


class Terminal:
    """A process that was started at a terminal of its own, in a folder."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._ours, theirs = os.openpty()
        self.child = subprocess.Popen(
            [program, "-c", _AT_A_TERMINAL],
            cwd=folder,
            stdin=theirs,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(theirs)
        assert self.child.stdout is not None
        assert self.child.stdout.readline() == b"up\n"

    def kill(self) -> None:
        if self.child.returncode is None:
            self.child.kill()
            self.child.communicate()
            os.close(self._ours)
