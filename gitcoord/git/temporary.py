"""Make a folder that is gone with the process that made it.

Its maker holds a lock beside it, which the kernel drops when the maker dies.
So the next call knows the folders of dead processes, and removes them.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock

__all__ = ["temporary_folder"]

_LOCK = ".lock"


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Make an empty folder below ``parent``, and remove it at the end.

    Raises:
        UnavailableError: It cannot be made; nothing is left of it.

    """
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not stat.S_ISDIR(parent.lstat().st_mode):
            raise NotADirectoryError(f"{parent} is not a folder")
        _remove_dead(parent)
        lock, handle = _new_lock(parent)
    except OSError as error:
        raise UnavailableError(
            f"no folder can be made in {parent}: {error.strerror or error}",
            hint="check the space on the disk, and whether .git can be written here",
        ) from None
    try:
        folder = lock.with_suffix("")
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        _remove(lock)
        os.close(handle)


def _new_lock(parent: Path) -> tuple[Path, int]:
    """Make a lock file, and hold it.

    A remover that takes it before we do keeps it: then we use another name.
    """
    while True:
        lock = parent / f"{Clock().token()[:12]}{_LOCK}"
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if _is_held(lock, handle):
            return lock, handle
        os.close(handle)


def _is_held(lock: Path, handle: int) -> bool:
    """Take a lock if nobody has it; return whether its file is still that one."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), lock.lstat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _remove_dead(parent: Path) -> None:
    """Remove the folders whose makers died."""
    for lock in parent.glob(f"*{_LOCK}"):
        with suppress(OSError):
            handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if _is_held(lock, handle):
                    _remove(lock)
            finally:
                os.close(handle)


def _remove(lock: Path) -> None:
    """Remove a folder and then its lock, whose holder we are."""
    import shutil  # a hook that needs no folder starts without it

    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    with suppress(OSError):
        lock.unlink()
