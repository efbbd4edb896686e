"""Tell whether the writer of a file lives, by a lock that the kernel drops.

A writer holds a lock on its file for as long as it is at work. The kernel
lets go of it when the process ends, whatever ended it and in whatever
container it ran; a process number means nothing in another container, and
is the same for two threads.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.host.files import NO_LOCKS, open_file, replace_file
from gitcoord.host.processes import is_alive

__all__ = ["LiveFile", "has_living_writer", "is_at_work"]

_held: dict[int, tuple[int, int]] = {}
"""The handles of this process's live files, with what each is a file of."""


class LiveFile:
    """A file that says, while it is held, that its writer is at work."""

    __slots__ = ("_handle", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def write(self, content: bytes, *, is_durable: bool = False) -> None:
        """Replace the file, held from before it has its name.

        With ``is_durable`` its content is on the disk by then.

        Raises:
            OSError: It cannot be written; what was there is there.

        """
        try:
            handle = replace_file(self.path, content, is_durable=is_durable, is_held=True)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            # No locks on this file system: the process's number has to do.
            replace_file(self.path, content, is_durable=is_durable)
            handle = None
        self._let_go()
        if handle is not None:
            known = os.fstat(handle)
            _held[handle] = (known.st_dev, known.st_ino)
            self._handle = handle

    def rename(self, path: Path) -> None:
        """Give the file another name; it is held on.

        Raises:
            OSError: It has lost its name, or cannot have that one.

        """
        self.path.rename(path)
        self.path = path

    def touch(self) -> None:
        """Change the file's time to now."""
        place = self.path if self._handle is None else self._handle
        with suppress(OSError):
            os.utime(place)

    def remove(self) -> None:
        """Remove the file, and let go of it; one that stays belongs to nobody."""
        with suppress(OSError):
            self.path.unlink()
        self._let_go()

    def leave(self) -> None:
        """Let go of the file, and leave it there as that of a dead writer."""
        self._let_go()

    def _let_go(self) -> None:
        if self._handle is not None and _held.pop(self._handle, None) is not None:
            os.close(self._handle)
        self._handle = None


def has_living_writer(path: Path | str) -> bool | None:
    """Return whether a file's writer lives; None where no lock can tell."""
    try:
        known = os.lstat(path)
        # Our own, of any thread: where locks belong to processes (NFS), to
        # open and close the file would drop it.
        if (known.st_dev, known.st_ino) in _held.values():
            return True
        handle = open_file(path)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def _forget_parent() -> None:
    """Close what a fork inherited: the parent's life is not the child's."""
    for handle in _held:
        with suppress(OSError):
            os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget_parent)


def is_at_work(path: Path | str, facts: Mapping[str, Any]) -> bool:
    """Return whether the writer of a record may be at work on its refs."""
    lives = has_living_writer(path)
    if lives is None:
        # No lock can tell on this file system.
        return is_alive(str(facts.get("process", ""))) is not False
    return lives
