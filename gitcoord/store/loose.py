"""Write loose objects as durably as libgit2 does, without it.

What an entry is made of is gathered in memory and put on the disk at once:
every file is written before the first is synced, so that the disk works on
all of them at the same time and its journal needs few commits.
A content gets its name only after its bytes are on the disk, and the folders
that hold new names are synced before any ref may name them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.hashing import hash_of
from gitcoord.core.ids import Oid
from gitcoord.host.remedies import remedy
from gitcoord.store.objects import read_loose
from gitcoord.store.protocol import MissingObjectError

__all__ = ["LooseObjects", "Shared", "begun_file", "sync_path"]

_TRIES = 3
# git prune removes what has this name.
_TEMPORARY = "tmp_obj_"
_LEVEL = 1
# What takes a block or two of the disk in any case is not compressed: its
# pack will be.
_MAX_STORED_BYTES = 16 * 1024
_MAX_WAITING = 512
_MAX_WAITING_BYTES = 4 * 1024 * 1024
_MAX_OPEN = 64


def sync_path(path: str | Path) -> None:
    """Put the bytes of a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _begin_writing(handle: int) -> None:
    """Let the disk begin with a file's bytes, which a sync waits for later.

    Linux takes this advice so, on dirty pages; elsewhere the sync does all.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _told() -> Iterator[None]:
    """Raise what the disk said as an error of ours."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"an object could not be written: {error}",
            hint=remedy(error),
        ) from None


class Shared:
    """What ``core.sharedRepository`` asks of new files and folders."""

    __slots__ = ("_bits", "_is_exact")

    def __init__(self, value: str = "") -> None:
        named = {
            "group": 0o660,
            "true": 0o660,
            "1": 0o660,
            "all": 0o664,
            "world": 0o664,
            "everybody": 0o664,
            "2": 0o664,
        }
        self._bits = named.get(value.lower(), 0)
        self._is_exact = (
            not self._bits
            and len(value) > 1
            and value.startswith("0")
            and not value.strip("01234567")
        )
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
        bits = self._bits
        if not mode & 0o200:
            bits &= ~0o222
        if mode & 0o100:
            bits |= (bits & 0o444) >> 2
        kept = mode & ~0o777 if self._is_exact else mode
        wanted = kept | bits | extra
        if wanted != mode:
            # One that another user made is theirs to open.
            with suppress(PermissionError):
                os.chmod(path, wanted)


def begun_file(path: str, content: bytes, shared: Shared, *, is_durable: bool) -> int:
    """Write a new file that nobody may change any more, and return its handle.

    The disk has begun with its bytes; to sync the handle waits for them.

    Raises:
        OSError: It cannot be written; nothing is left of it.

    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        while content:
            content = content[os.write(handle, content) :]
        shared.file(path)
        if is_durable:
            _begin_writing(handle)
    except BaseException:
        os.close(handle)
        with suppress(OSError):
            os.unlink(path)
        raise
    return handle


class LooseObjects:
    """The loose objects of one repository."""

    def __init__(
        self, common_dir: Path, algorithm: str, shared: Shared, *, is_durable: bool
    ) -> None:
        self.folder = str(common_dir / "objects")
        self._hash = hash_of(algorithm)
        self._shared = shared
        self._is_durable = is_durable
        # Not on the disk yet, by oid.
        self._waiting: dict[Oid, bytes] = {}
        self._waiting_bytes = 0
        # Named, in folders that are not synced yet.
        self._unsynced: set[Oid] = set()

    def hash(self, kind: str, content: bytes) -> Oid:
        """Return the oid that an object has."""
        raw = b"%s %d\0%s" % (kind.encode(), len(content), content)
        return Oid(self._hash(raw).hexdigest())

    def path(self, oid: Oid) -> str:
        """Return the path of an object's file."""
        return f"{self.folder}/{oid[:2]}/{oid[2:]}"

    def read(self, oid: Oid) -> tuple[str, bytes] | None:
        """Return the kind and the bytes of an object; None if it is not loose here.

        Raises:
            MissingObjectError: The file is damaged.

        """
        raw = self._waiting.get(oid)
        if raw is None:
            return read_loose(self.folder, oid)
        head, _, body = raw.partition(b"\0")
        return head.partition(b" ")[0].decode("ascii"), body

    def write(self, kind: str, content: bytes) -> Oid:
        """Write an object and return its oid; ``sync`` puts it on the disk.

        Until then it may be there for this process alone.

        Raises:
            UnavailableError: The disk is full, or cannot be written.

        """
        raw = b"%s %d\0%s" % (kind.encode(), len(content), content)
        oid = Oid(self._hash(raw).hexdigest())
        # One entry has the same bytes at two places: they are written once.
        if oid not in self._waiting and not (
            oid in self._unsynced and os.path.exists(self.path(oid))
        ):
            self._waiting[oid] = raw
            self._waiting_bytes += len(raw)
            if len(self._waiting) >= _MAX_WAITING or self._waiting_bytes >= _MAX_WAITING_BYTES:
                self._put()
        return oid

    @property
    def waiting(self) -> Mapping[Oid, bytes]:
        """What is not on the disk yet: objects with their headers, by oid."""
        return self._waiting

    def forget_waiting(self) -> None:
        """Write no file for what waits: it is on the disk in another way."""
        self._waiting, self._waiting_bytes = {}, 0

    def sync(self) -> None:
        """Put what was written on the disk, with its names.

        ``objects`` itself too, once: a fan-out folder that is there already
        may be another's, who has not synced it or never will.

        Raises:
            UnavailableError: It could not be; what has a name has its bytes.

        """
        self._put()
        if self._is_durable and self._unsynced:
            with _told():
                sync_path(self.folder)
                for name in sorted({oid[:2] for oid in self._unsynced}):
                    # A gc took the object and the empty folder: who reads the
                    # entry back before it is acknowledged writes both again.
                    with suppress(FileNotFoundError):
                        sync_path(f"{self.folder}/{name}")
        self._unsynced.clear()

    def _put(self) -> None:
        """Put the bytes of all that waits on the disk, then give them their names."""
        waiting = [*self._waiting.items()]
        self.forget_waiting()
        for start in range(0, len(waiting), _MAX_OPEN):
            self._put_some(waiting[start : start + _MAX_OPEN])

    def _put_some(self, waiting: Iterable[tuple[Oid, bytes]]) -> None:
        """Put as many as may be open at the same time."""
        made: dict[Oid, tuple[str, int]] = {}
        try:
            with _told():
                for oid, raw in waiting:
                    if self._freshen(oid):
                        self._unsynced.add(oid)
                    else:
                        made[oid] = self._create(raw)
                if self._is_durable:
                    for _, handle in made.values():
                        os.fsync(handle)
                for oid, (temporary, _) in list(made.items()):
                    self._name(temporary, oid)
                    self._unsynced.add(oid)
                    os.close(made.pop(oid)[1])
        finally:
            for temporary, handle in made.values():
                with suppress(OSError):
                    os.close(handle)
                with suppress(OSError):
                    os.unlink(temporary)

    def _freshen(self, oid: Oid) -> bool:
        """Keep an object that is there, intact, from a prune; sync it again.

        Who wrote it may not have synced it, or not yet.
        """
        path = self.path(oid)
        try:
            if not os.path.exists(path) or read_loose(self.folder, oid) is None:
                return False
            os.utime(path)
            if self._is_durable:
                sync_path(path)
        except (MissingObjectError, UnavailableError, FileNotFoundError, PermissionError):
            return False
        return True

    def _create(self, raw: bytes) -> tuple[str, int]:
        """Write an object to a file that has no name yet; return its path and its handle."""
        temporary = f"{self.folder}/{_TEMPORARY}{os.urandom(8).hex()}"
        level = _LEVEL if len(raw) > _MAX_STORED_BYTES else 0
        content = zlib.compress(raw, level)
        return temporary, begun_file(temporary, content, self._shared, is_durable=self._is_durable)

    def _name(self, temporary: str, oid: Oid) -> None:
        """Give bytes that are on the disk their name, in one step."""
        path = self.path(oid)
        for attempt in range(_TRIES):
            try:
                os.rename(temporary, path)
            except FileNotFoundError:
                # Not there yet, or a gc removed the empty folder beside us.
                if attempt == _TRIES - 1:
                    raise
                fan_out = path[: -len(oid) + 1]
                with suppress(FileExistsError):
                    os.mkdir(fan_out)
                    self._shared.folder(fan_out)
            else:
                return
