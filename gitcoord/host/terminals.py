"""Find the terminal of a session whose assistant works through a server.

Such a server, one for all terminals of a user, starts the hooks and the
shell commands, and goes on when a terminal is closed or killed: what tells
whether a session lives is the terminal's own process.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

__all__ = ["is_shared_server", "terminal_in"]

_SERVER_WORD = b"app-server"
_SHARED = (b"unix:", b"ws:", b"wss:")
"""Addresses at which more than one terminal can reach a server."""
_TERMINAL_FIELD = 4
"""Which field after the name in ``/proc/PID/stat`` is the controlling terminal."""


def is_shared_server(pid: int) -> bool:
    """Return whether a process is a server that outlives the terminals it serves."""
    words = _words_of(pid)
    if _SERVER_WORD not in words:
        return False
    return any(
        option == b"--listen" and address.startswith(_SHARED) for option, address in pairwise(words)
    )


def terminal_in(folder: str, server: int) -> int | None:
    """Return the process at a terminal that works in a folder through a server.

    It runs the server's program, has a terminal, and was started in that
    folder. None where none is seen, or more than one: which of them is meant
    cannot be told from here.
    """
    name = _name_of(server)
    if not name:
        return None
    folder = os.path.realpath(folder)
    found = [
        pid
        for pid in _processes()
        if _name_of(pid) == name and _has_terminal(pid) and _folder_of(pid) == folder
    ]
    if len(found) != 1:
        return None
    return found[0]


def _processes() -> list[int]:
    try:
        return [int(place.name) for place in Path("/proc").iterdir() if place.name.isdecimal()]
    except OSError:
        return []


def _words_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _name_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/comm").read_bytes()
    except OSError:
        return b""


def _has_terminal(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return fields[_TERMINAL_FIELD] != b"0"


def _folder_of(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""
