"""Look at the processes above ours: which of them started this session."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gitcoord.host.processes import identity

__all__ = ["assistant_above_hook", "launcher_of"]

MAX_ANCESTORS = 40
_SHELLS = frozenset({"sh", "dash", "bash", "ash", "zsh", "ksh", "mksh", "busybox", "env"})


def launcher_of(variables: Mapping[str, str]) -> str | None:
    """Return the identity of the process that gave us these variables.

    It is the nearest ancestor that was itself started without them: an
    assistant sets them for its children. None where that cannot be seen, as
    from inside a sandbox with process numbers of its own.
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
            return identity(pid)
    return None


def assistant_above_hook() -> str | None:
    """Return the identity of the assistant whose hook we are.

    It is the nearest ancestor that is not a shell.
    """
    for pid in _ancestors():
        if _name(pid) not in _SHELLS:
            return identity(pid)
    return None


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
