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
from contextlib import suppress
from pathlib import Path

__all__ = [
    "NO_LOCKS",
    "PRIVATE",
    "IrregularFileError",
    "copy_content",
    "copy_file",
    "create_file",
    "note_holder",
    "open_file",
    "open_in_new_folder",
    "read_file",
    "replace_file",
]

PRIVATE = 0o600
NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system says that knows no locks."""
_CHUNK_BYTES = 8 * 1024 * 1024
_CANNOT_SHARE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


class IrregularFileError(OSError):
    """Raised when what lies in a file's place is not a regular file."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(errno.EINVAL, "it is not a regular file", str(path))


def open_file(path: Path | str, flags: int = os.O_RDONLY, mode: int = PRIVATE) -> int:
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


def create_file(path: Path | str, *, is_appended: bool = False) -> int:
    """Open an empty file that is its owner's alone, and return its handle.

    Its folder is made where it is missing. A link is not followed. A file
    that has other names, too, keeps its content under those. With
    ``is_appended`` it can be read, and all writers write at its end.

    Raises:
        IrregularFileError: Something else lies there; it was not touched.
        OSError: It cannot be written.

    """
    flags = os.O_WRONLY | os.O_CREAT
    if is_appended:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    handle = open_in_new_folder(path, flags, PRIVATE)
    try:
        facts = os.fstat(handle)
        if facts.st_nlink > 1:
            os.close(handle)
            Path(path).unlink()
            return open_file(path, flags | os.O_EXCL, PRIVATE)
        if stat.S_IMODE(facts.st_mode) != PRIVATE:
            with suppress(PermissionError):  # a file system without modes
                os.fchmod(handle, PRIVATE)
        os.ftruncate(handle, 0)
    except BaseException:
        with suppress(OSError):
            os.close(handle)
        raise
    return handle


def note_holder(handle: int, text: str) -> None:
    """Write who holds a lock into its file, for messages alone.

    A full disk keeps nobody out, and what is a hard link to somebody's
    file is not written to.
    """
    with suppress(OSError):
        if os.fstat(handle).st_nlink == 1:
            os.pwrite(handle, text.encode(), 0)


def copy_file(origin: Path, goal: Path) -> None:
    """Copy a file to a name that is ours: what lies there is removed, not followed.

    Raises:
        OSError: It cannot be read or written; a part of it may be there.

    """
    import shutil

    goal.unlink(missing_ok=True)
    with open(open_file(origin), "rb") as reading:
        target = open_file(goal, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with open(target, "wb") as writing:
            shutil.copyfileobj(reading, writing)


def copy_content(source: int, goal: int) -> None:
    """Copy a file from handle to handle; the disk shares the blocks where it can.

    The kernel does that on Btrfs, XFS and the like, and copies elsewhere.

    Raises:
        OSError: It cannot be read or written; a part of it may be there.

    """
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(source, goal, _CHUNK_BYTES):
                pass
        except OSError as error:
            if error.errno not in _CANNOT_SHARE:
                raise
    # From where it stopped; some file systems end at once without having copied.
    while chunk := os.read(source, _CHUNK_BYTES):
        _write_whole(goal, chunk)


def _write_whole(goal: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(goal, left) :]


def replace_file(
    path: Path | str,
    content: bytes,
    *,
    is_durable: bool = False,
    is_held: bool = False,
    mode: int = PRIVATE,
    kept_mode: int | None = None,
) -> int | None:
    """Replace a file in one step; the old content stays if it fails.

    Nobody can know the temporary file's name before, or have put a link there.
    The umask applies to ``mode``, and not to a ``kept_mode``. With ``is_durable``
    its content is on the disk before its name is. With ``is_held`` the new file
    is locked before it has its name, and the handle that holds the lock is
    returned.

    Raises:
        OSError: It cannot be written.

    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.new")
    handle = open_in_new_folder(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        if is_held:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while content:
            content = content[os.write(handle, content) :]
        if kept_mode is not None:
            os.fchmod(handle, kept_mode)
        if is_durable:
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        os.close(handle)
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if is_held:
        return handle
    os.close(handle)
    return None


def open_in_new_folder(path: Path | str, flags: int, mode: int = PRIVATE) -> int:
    """Open a file as ``open_file`` does; its folder is made where it is missing."""
    try:
        return open_file(path, flags, mode)
    except FileNotFoundError:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_file(path, flags, mode)
