"""Hold a lock file, so that one process at a time does something.

The file is never removed: the kernel lets go of it when the last process
that has it open is gone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.files import NO_LOCKS, note_holder, open_in_new_folder
from gitcoord.host.processes import shown

__all__ = ["locked"]


@contextmanager
def locked(path: Path, timeout_s: float, what: str, hint: str) -> Iterator[int]:
    """Hold a lock file, and yield its handle; its folder is made where it is missing.

    ``what`` is what its holder is busy with, and ``hint`` what to do where the
    file cannot be opened. A program that inherits the handle holds the lock on
    after our death. Where the file system knows no locks nobody is waited for.

    Raises:
        UnavailableError: It was not free in time, or cannot be opened.

    """
    try:
        handle = open_in_new_folder(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be opened: {error.strerror}", hint=hint) from None
    try:
        _wait_for(handle, timeout_s, what)
        note_holder(handle, f"{os.getpid():<20}")
        yield handle
    finally:
        os.close(handle)


def _wait_for(handle: int, timeout_s: float, what: str) -> None:
    clock = Clock()
    deadline = Deadline(clock, timeout_s)
    attempt = 0
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.expired:
                raise UnavailableError(
                    f"{_holder_of(handle)} is busy with {what}", hint="try again"
                ) from None
            attempt += 1
            clock.sleep(clock.backoff(attempt))
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return
        else:
            return


def _holder_of(handle: int) -> str:
    pid = os.pread(handle, 20, 0).strip()
    if not pid.isdigit():
        return "another process"
    return shown(int(pid))
