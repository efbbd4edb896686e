"""Name processes so that a dead one is never taken for a living one.

An identity is ``boot:namespace:pid:start``: a pid alone is used again, and
means nothing after a reboot or in another container.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

from gitcoord.host.clock import Clock, time_offset

__all__ = ["command_of", "identity", "is_alive", "process_of", "session_identity", "shown"]

_BOOT_ID = Clock().boot_id
_DEAD_STATES = {"Z", "X", "x"}
MAX_SHOWN_CHARS = 120


@lru_cache(maxsize=1)
def _boot_id() -> str:
    return _BOOT_ID()


@lru_cache(maxsize=1)
def _namespace() -> str:
    """Return the namespaces in which a pid and a start time mean something."""
    try:
        numbered = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return "0"
    offset = time_offset()
    if not offset:
        return numbered
    return f"{numbered}+{offset}"


def _stat(pid: int) -> tuple[str, str] | None:
    """Return a process's state and start time, or None where it is gone."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return fields[0].decode(), fields[19].decode()
    import subprocess

    asked = subprocess.run(
        ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    state, _, start = asked.stdout.strip().partition(" ")
    if not state:
        return None
    return state[:1], "-".join(start.split()).replace(":", ".")


def _identity(pid: int) -> str:
    start = "gone"
    running = _stat(pid)
    if running is not None:
        _, start = running
    return f"{_boot_id()}:{_namespace()}:{pid}:{start}"


def identity(pid: int | None = None) -> str:
    """Return the identity of a process, by default of this one."""
    if pid is None:
        return _lasting_identity(os.getpid())
    return _identity(pid)


@lru_cache(maxsize=2)
def _lasting_identity(pid: int) -> str:
    """Return the identity of a process whose number no other can have while this one lives."""
    return _identity(pid)


def session_identity() -> str:
    """Return the identity of the leader of this session (the shell, mostly)."""
    return _lasting_identity(os.getsid(0))


def is_alive(known: str) -> bool | None:
    """Return whether a process lives; None where that cannot be told from here.

    A process of another boot is dead. One of another pid namespace (a
    container) cannot be looked at. A zombie is dead.
    """
    parts = known.split(":")
    if len(parts) != 4 or not (parts[2].isascii() and parts[2].isdecimal() and len(parts[2]) <= 10):
        return False
    boot, namespace, pid, start = parts
    if boot != _boot_id():
        return False
    if namespace != _namespace():
        return None
    running = _stat(int(pid))
    if running is None:
        return False
    state, actual_start = running
    return state not in _DEAD_STATES and actual_start == start


def command_of(pid: int) -> str:
    """Return the command line of a process, or nothing where it cannot be seen."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return words.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        pass
    import subprocess

    try:
        asked = subprocess.run(
            ["/bin/ps", "-o", "command=", "-p", str(pid)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()


def shown(pid: int) -> str:
    """Return a process as messages name it: its number, and its command line."""
    from gitcoord.core.codec import printable

    command = printable(command_of(pid))
    if not command:
        return f"process {pid}"
    if len(command) > MAX_SHOWN_CHARS:
        command = command[:MAX_SHOWN_CHARS] + "..."
    return f"process {pid} ({command})"


def process_of(known: str) -> str:
    """Return the process of an identity as messages name it, or nothing where it is dead."""
    lives = is_alive(known)
    if lives is False:
        return ""
    pid = int(known.split(":")[2])
    if lives is None:
        # Of another container: its number is another process's here.
        return f"process {pid}"
    return shown(pid)
