"""Run a shell command of the plan's that the user trusted."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from gitcoord.git.program import end_child, inherited
from gitcoord.host.files import create_file

__all__ = ["run_shell"]


def run_shell(command: str, cwd: Path, log: Path | IO[bytes], timeout_s: float) -> int:
    """Run a trusted shell command in its own process group, output to a log.

    Returns its status; 124 after a timeout, when the group was killed.
    """
    with ExitStack() as opened:
        output = log
        if isinstance(output, Path):
            output = opened.enter_context(os.fdopen(create_file(output), "wb"))
        child = subprocess.Popen(  # noqa: S602 - the user trusted exactly this command
            command,
            shell=True,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=inherited(),
            start_new_session=True,
        )
        try:
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            end_child(child, is_group=True)
            return 124
        except BaseException:
            end_child(child, is_group=True)
            raise
