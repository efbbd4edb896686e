"""Tell whether a living process has a file open, whatever container it runs in.

A pid says nothing across pid namespaces, and the age of a file says nothing
at all. The kernel knows who has a file open, and drops that with the process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["is_open_for_writing", "writers_of"]

_LSOF_S = 10


def is_open_for_writing(path: Path) -> bool | None:
    """Return whether any process has a file open for writing.

    None where neither the kernel nor the list of processes can tell. A file
    that is not there is not open.
    """
    if sys.platform != "linux":
        return _listed_by_lsof(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return _listed_by_proc(path)
    try:
        return _leased(handle)
    except OSError:
        return _listed_by_proc(path)
    finally:
        os.close(handle)


def _leased(handle: int) -> bool:
    """Ask for a read lease, which the kernel refuses while anybody may write.

    It is given back at once. A process that opened the file in that moment
    would have us signalled, with a signal that is ignored by default.
    """
    import signal

    fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return True
        raise
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def writers_of(path: Path) -> list[int]:
    """Return the processes that have a file open for writing, as far as they can be seen."""
    if sys.platform != "linux":
        return _asked_of_lsof(path) or []
    pids, _ = _seen_in_proc(path)
    return pids


def _listed_by_proc(path: Path) -> bool | None:
    """Return whether a process has a file open; None where not all could be looked at."""
    pids, is_whole = _seen_in_proc(path)
    if not pids and not is_whole:
        return None
    return bool(pids)


def _seen_in_proc(path: Path) -> tuple[list[int], bool]:
    """Look at the handles of the processes that can be seen; return whether all could be."""
    wanted = f"{os.path.realpath(path.parent)}/{path.name}"
    pids = []
    is_whole = True
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if _has_open(process, wanted):
                pids.append(int(process.name))
        except FileNotFoundError:
            continue
        except PermissionError:
            is_whole = False
    return pids, is_whole


def _has_open(process: Path, wanted: str) -> bool:
    for handle in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            if str(handle.readlink()) == wanted and _may_write(process, handle.name):
                return True
    return False


def _may_write(process: Path, handle: str) -> bool:
    """Return whether a process has a handle open for writing."""
    for line in (process / "fdinfo" / handle).read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return bool(int(value, 8) & (os.O_WRONLY | os.O_RDWR))
    return True


def _listed_by_lsof(path: Path) -> bool | None:
    pids = _asked_of_lsof(path)
    if pids is None:
        return None
    return bool(pids)


def _asked_of_lsof(path: Path) -> list[int] | None:
    import subprocess

    try:
        asked = subprocess.run(
            ["lsof", "-t", "--", str(path)], capture_output=True, check=False, timeout=_LSOF_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return [int(word) for word in asked.stdout.split() if word.isdigit()]
