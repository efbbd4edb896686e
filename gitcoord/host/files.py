"""Open private files as the input that they are, and replace them whole.

Anyone who can write ``.git`` can put anything in a file's place: a link that
leads elsewhere, a pipe that nobody writes to, a folder, a device. So no
link is followed, nothing is waited for, and only a regular file counts.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

__all__ = ["IrregularFileError", "create_file", "open_file", "read_file", "replace_file"]


class IrregularFileError(OSError):
    """Raised when what lies in a file's place is not a regular file."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(errno.EINVAL, "it is not a regular file", str(path))


def open_file(path: Path | str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a regular file, and return its handle.

    Raises:
        IrregularFileError: Something else lies there; it was not touched.
        OSError: It cannot be opened.

    """
    safely = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | safely, mode)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EMLINK}:
            raise IrregularFileError(path) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise IrregularFileError(path)
    return handle


def read_file(path: Path | str, limit: int) -> bytes:
    """Return a file's bytes, up to ``limit`` of them.

    Raises:
        IrregularFileError: Something else lies there.
        OSError: It cannot be read, or is larger (``EFBIG``).

    """
    handle = open_file(path)
    try:
        content = b""
        while len(content) <= limit:
            more = os.read(handle, limit + 1 - len(content))
            if not more:
                return content
            content += more
    finally:
        os.close(handle)
    raise OSError(errno.EFBIG, f"it has more than {limit} bytes", str(path))


def create_file(path: Path | str) -> int:
    """Open a file for writing from its start, and return its handle.

    Its folder is made where it is missing. A link is not followed.

    Raises:
        IrregularFileError: Something else lies there; it was not touched.
        OSError: It cannot be written.

    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        return open_file(path, flags)
    except FileNotFoundError:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_file(path, flags)


def replace_file(
    path: Path, content: bytes, *, is_durable: bool = False, is_held: bool = False
) -> int | None:
    """Replace a file in one step; the old content stays if it fails.

    With ``is_durable`` its content is on the disk before its name is. With
    ``is_held`` the new file is locked before it has its name, and the handle
    that holds the lock is returned.

    Raises:
        OSError: It cannot be written.

    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
    handle = _create_new(temporary)
    try:
        if is_held:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while content:
            content = content[os.write(handle, content) :]
        if is_durable:
            os.fsync(handle)
        temporary.replace(path)
    except BaseException:
        os.close(handle)
        temporary.unlink(missing_ok=True)
        raise
    if is_held:
        return handle
    os.close(handle)
    return None


def _create_new(path: Path) -> int:
    """Create a file that nobody else has, in a folder that may be missing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return open_file(path, flags)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_file(path, flags)
