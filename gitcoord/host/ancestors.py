"""Look at the processes above ours: which of them started this session."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gitcoord.host.processes import identity
from gitcoord.host.terminals import is_shared_server, terminal_in

__all__ = ["assistant_above_hook", "launcher_of", "session_above_hook"]

MAX_ANCESTORS = 40
_SHELLS = frozenset({"sh", "dash", "bash", "ash", "zsh", "ksh", "mksh", "busybox", "env"})


def launcher_of(variables: Mapping[str, str]) -> str | None:
    """Return the identity of the process that gave us these variables.

    It is the nearest ancestor that was itself started without them: an
    assistant sets them for its children. Where that is a server for all
    terminals, it is the terminal in the current folder. None where neither
    can be seen, as from inside a sandbox with process numbers of its own.
    """
    if sys.platform != "linux":
        return None
    wanted = {
        f"{name}={value}".encode("utf-8", "surrogateescape") for name, value in variables.items()
    }
    for pid in _ancestors():
        try:
            has = set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
        except OSError:
            return None
        if not wanted <= has:
            return _session_process(pid, ".")
    return None


def assistant_above_hook() -> str | None:
    """Return the identity of the assistant whose hook we are.

    It is the nearest ancestor that is not a shell.
    """
    pid = _nearest_program()
    if pid is None:
        return None
    return identity(pid)


def session_above_hook(folder: str) -> str | None:
    """Return the identity of the process that lives as long as a hook's session.

    It is the assistant that started the hook, or the terminal in that folder
    where the assistant is a server for all terminals. None where that
    terminal cannot be told.
    """
    pid = _nearest_program()
    if pid is None:
        return None
    return _session_process(pid, folder)


def _session_process(assistant: int, folder: str) -> str | None:
    """Return the identity of what dies with the session that an assistant works for."""
    if not is_shared_server(assistant):
        return identity(assistant)
    terminal = terminal_in(folder, assistant)
    if terminal is None:
        return None
    return identity(terminal)


def _nearest_program() -> int | None:
    """Return the nearest process above ours that is not a shell."""
    return next((pid for pid in _ancestors() if _name(pid) not in _SHELLS), None)


def _ancestors() -> list[int]:
    """List the processes above ours, nearest first, without the first of all."""
    ancestors: list[int] = []
    pid = os.getppid()
    while pid > 1 and len(ancestors) < MAX_ANCESTORS:
        ancestors.append(pid)
        pid = _parent(pid)
    return ancestors


def _parent(pid: int) -> int:
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return 0
        return int(fields[1])
    return int(_ps(pid, "ppid=") or 0)


def _name(pid: int) -> str:
    """Return the name of a process's program, without its folder."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
        except OSError:
            return ""
    return _ps(pid, "comm=").rpartition("/")[2].lstrip("-")


def _ps(pid: int, column: str) -> str:
    import subprocess

    asked = subprocess.run(
        ["/bin/ps", "-o", column, "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return asked.stdout.strip()
