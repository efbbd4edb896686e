"""Fork gitcoord's commands from a process that has imported it and done nothing else.

To start the interpreter and to import gitcoord costs more than most commands
do, and under a tracer several times as much. Neither changes anything in
a repository, so that a fault has nothing to strike at there. Every command
starts from the same memory: the ordinals of its calls are the same each time.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn

__all__ = ["Forks"]

TIMEOUT_S = 120
NOT_RUN = 70


class Forks:
    """A process of its own that runs one command after another, each in a fork."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What a buffer held of the next answer, no wait would see.
            bufsize=0,
        )

    def start(
        self, argv: tuple[str, ...], folder: Path, env: Mapping[str, str], *, stopped: bool = False
    ) -> int:
        """Start a command, whose output goes into a folder; return its pid.

        One that is ``stopped`` waits for a SIGCONT before it does anything.
        """
        assert self._process.stdin is not None
        job = {"argv": argv, "folder": str(folder), "env": dict(env), "stopped": stopped}
        _write_all(self._process.stdin, json.dumps(job).encode() + b"\n")
        pid = self._read()
        while stopped and _state_of(pid) != "T":
            time.sleep(0.001)
        return pid

    def wait(self) -> int:
        """Wait for the command's end; return its status, negative where a signal ended it."""
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _read(self) -> int:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], TIMEOUT_S)
        assert ready, f"a command took longer than {TIMEOUT_S} s"
        return int(self._process.stdout.readline())


def _write_all(pipe: IO[bytes], content: bytes) -> None:
    while content:
        content = content[pipe.write(content) :]


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _serve() -> None:
    """Answer each job on stdin with its pid, and with its status when it is over."""
    import gitcoord

    for module in pkgutil.walk_packages(gitcoord.__path__, "gitcoord."):
        # No row is about the tools over MCP, and their library takes seconds.
        if "mcp" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(job["argv"], Path(job["folder"]), job["env"], stopped=job["stopped"])
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(argv: list[str], folder: Path, env: Mapping[str, str], *, stopped: bool) -> NoReturn:
    """Be the command: the leader of a session, with its output in files."""
    try:
        os.setsid()
        os.environ.update(env)
        os.environ["FAULT_LEADER"] = str(os.getpid())
        handles = [os.open(os.devnull, os.O_RDONLY)]
        for name in ("stdout", "stderr"):
            handles.append(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        for number, handle in enumerate(handles):
            os.dup2(handle, number)
        sys.argv = ["gitcoord", *argv]
        from gitcoord.__main__ import main

        if stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        main()
    finally:
        os._exit(NOT_RUN)


if __name__ == "__main__":
    _serve()
