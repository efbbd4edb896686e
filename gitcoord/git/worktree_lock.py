"""Let one process at a time change the list of worktrees.

The lock file is never removed: the kernel lets go of it when the last
process that has it open is gone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from gitcoord.core.errors import UnavailableError
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.files import note_holder, open_file
from gitcoord.host.processes import shown

__all__ = ["exclusive"]


@contextmanager
def exclusive(git: Git, timeout_s: float) -> Iterator[int]:
    """Hold the worktrees' lock, and give its handle.

    A git that inherits the handle holds the lock on after our death.

    Raises:
        UnavailableError: It was not free in time, or cannot be opened.

    """
    path = discover(git.cwd).common_dir / "gitcoord" / "worktrees.lock"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be opened: {error.strerror}", hint="check whether .git can be written"
        ) from None
    try:
        _wait_for(handle, timeout_s)
        note_holder(handle, f"{os.getpid():<20}")
        yield handle
    finally:
        os.close(handle)


def _wait_for(handle: int, timeout_s: float) -> None:
    clock = Clock()
    deadline = Deadline(clock, timeout_s)
    attempt = 0
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if deadline.expired:
                raise UnavailableError(
                    f"{_holder_of(handle)} is busy with the worktrees", hint="try again"
                ) from None
            attempt += 1
            clock.sleep(clock.backoff(attempt))
        else:
            return


def _holder_of(handle: int) -> str:
    pid = os.pread(handle, 20, 0).strip()
    if not pid.isdigit():
        return "another process"
    return shown(int(pid))
