"""Write loose objects as durably as libgit2 does, without it.

A content gets its name only after its bytes are on the disk; the folders
that hold new names are synced together, before any ref may name them.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gitcoord.core.errors import UnavailableError
from gitcoord.core.hashing import hash_of
from gitcoord.store.objects import read_loose
from gitcoord.store.protocol import MissingObjectError

__all__ = ["LooseObjects", "Shared", "sync_folder"]

_T = TypeVar("_T")
_TRIES = 3
_LEVEL = 1


def sync_folder(folder: str | Path) -> None:
    """Put the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Shared:
    """What ``core.sharedRepository`` asks of new files and folders."""

    __slots__ = ("_bits", "_is_exact")

    def __init__(self, value: str = "") -> None:
        named = {"group": 0o660, "true": 0o660, "1": 0o660, "all": 0o664, "world": 0o664, "everybody": 0o664, "2": 0o664}
        self._bits = named.get(value.lower(), 0)
        self._is_exact = not self._bits and len(value) > 1 and value.startswith("0") and not value.strip("01234567")
        if self._is_exact:
            self._bits = int(value, 8)

    def file(self, path: str) -> None:
        """Let those in who are to share a file; the others stay out."""
        if self._bits:
            self._adjust(path, 0)

    def folder(self, path: str) -> None:
        """Let those in to a folder too; its files stay the group's."""
        if self._bits:
            self._adjust(path, 0o2000)

    def _adjust(self, path: str, extra: int) -> None:
        mode = os.stat(path).st_mode & 0o7777
        bits = self._bits if mode & 0o200 else self._bits & ~0o222
        if mode & 0o100:
            bits |= (bits & 0o444) >> 2
        os.chmod(path, (mode & ~0o777 if self._is_exact else mode) | bits | extra)


class LooseObjects:
    """The loose objects of one repository."""

    def __init__(self, common_dir: Path, algorithm: str, shared: Shared, *, is_durable: bool) -> None:
        self.folder = str(common_dir / "objects")
        self._hash = hash_of(algorithm)
        self._shared = shared
        self._is_durable = is_durable
        self._unsynced: set[str] = set()

    def hash(self, kind: str, content: bytes) -> str:
        """Return the oid that an object has."""
        return self._hash(b"%s %d\0%s" % (kind.encode(), len(content), content)).hexdigest()

    def path(self, oid: str) -> str:
        """Name the file of an object."""
        return f"{self.folder}/{oid[:2]}/{oid[2:]}"

    def write(self, kind: str, content: bytes) -> str:
        """Write an object and return its oid; ``sync`` makes its name durable.

        Raises:
            UnavailableError: The disk is full, or cannot be written.

        """
        raw = b"%s %d\0%s" % (kind.encode(), len(content), content)
        oid = self._hash(raw).hexdigest()
        # One entry has the same bytes at two places: they are written once.
        if oid not in self._unsynced or not os.path.exists(self.path(oid)):
            if not self._writing(lambda: self._freshen(oid)):
                self._writing(lambda: self._create(oid, raw))
            self._unsynced.add(oid)
        return oid

    def sync(self) -> None:
        """Sync the folders of what was written since the last time.

        ``objects`` itself too, once: a fan-out folder that is there already
        may be another's, who has not synced it or never will.

        Raises:
            UnavailableError: They could not be synced.

        """
        if self._is_durable and self._unsynced:
            self._writing(lambda: sync_folder(self.folder))
            for name in sorted({oid[:2] for oid in self._unsynced}):
                self._writing(lambda name=name: self._sync_fan_out(name))  # type: ignore[misc]
        self._unsynced.clear()

    def _sync_fan_out(self, name: str) -> None:
        try:
            sync_folder(f"{self.folder}/{name}")
        except FileNotFoundError:
            # A gc took the object and the empty folder: who reads the entry
            # back before it is acknowledged writes both again.
            return

    def _writing(self, write: Callable[[], _T]) -> _T:
        """Do something again where a gc removed an empty folder meanwhile."""
        for attempt in range(_TRIES):
            try:
                return write()
            except OSError as error:
                if error.errno == errno.ENOENT and attempt < _TRIES - 1:
                    continue
                raise UnavailableError(
                    f"an object could not be written: {error}",
                    hint="check the space on the disk, and whether .git can be written here; "
                    "in a sandbox without access to .git, run gitcoord outside of it",
                ) from None
        raise AssertionError

    def _freshen(self, oid: str) -> bool:
        """Keep an object that is there, intact, from a prune; sync it again.

        Who wrote it may not have synced it, or not yet.
        """
        path = self.path(oid)
        try:
            if read_loose(self.folder, oid) is None:
                return False
            os.utime(path)
            if self._is_durable:
                sync_folder(path)
        except (MissingObjectError, FileNotFoundError, PermissionError):
            return False
        return True

    def _create(self, oid: str, raw: bytes) -> None:
        temporary = f"{self.folder}/tmp_obj_{os.urandom(8).hex()}"  # noqa: S108 - git prune removes what has this name
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            try:
                packed = zlib.compress(raw, _LEVEL)
                while packed:
                    packed = packed[os.write(handle, packed) :]
                if self._is_durable:
                    os.fsync(handle)
            finally:
                os.close(handle)
            self._shared.file(temporary)
            self._name(temporary, oid)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def _name(self, temporary: str, oid: str) -> None:
        """Give bytes that are on the disk their name, in one step."""
        path = self.path(oid)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            fan_out = path[: -len(oid) + 1]
            with suppress(FileExistsError):
                os.mkdir(fan_out)
                self._shared.folder(fan_out)
            os.rename(temporary, path)
