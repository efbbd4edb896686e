"""Hold numbered seats: each is one living process's, and free when that is gone.

A seat is a lock on a file of its own, which the kernel drops with the
process, whatever ended it. Nothing is written into the file, and an empty
one that stays behind is a free seat.
"""

from __future__ import annotations

import errno
import fcntl
import os
from itertools import count
from pathlib import Path

from gitcoord.core.shapes import NamedTuple
from gitcoord.host.files import NO_LOCKS, open_file

__all__ = ["Seat", "machine_seats", "take_seat"]

MAX_SEATS = 4096


class Seat(NamedTuple):
    """A seat that this process holds until it leaves it, or ends."""

    number: int
    handle: int

    def leave(self) -> None:
        """Let another have it."""
        os.close(self.handle)


def take_seat(folder: Path, prefix: str = "", first: int = 1) -> Seat:
    """Take the lowest free seat in a folder.

    Two of one process have different seats too. Where the file system
    knows no locks every seat seems free: then one process alone may use it.

    Raises:
        OSError: The folder cannot be written, or has too many taken seats.

    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(first):
        if number - first >= MAX_SEATS:
            raise OSError(errno.EAGAIN, "every seat is taken", str(folder))
        handle = open_file(folder / f"{prefix}{number}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in NO_LOCKS:
                return Seat(number, handle)
            os.close(handle)
            if not isinstance(error, BlockingIOError):
                raise
        else:
            return Seat(number, handle)
    raise AssertionError  # count() does not end


def machine_seats() -> Path:
    """Return the folder of the seats that all runs of this user share on this machine."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "gitcoord" / "slots"
