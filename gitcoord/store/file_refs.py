"""Read and move refs that are files, by git's own lock protocol.

``<ref>.lock`` is made exclusively, the ref is read under it, the new value
is synced in it, and its rename is the move. That is what git and libgit2 do,
so that all three exclude each other; the order of the steps is what makes
it a compare-and-swap, and the folder is synced afterwards.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from gitcoord.core import ids
from gitcoord.core.errors import CorruptError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.store.loose import Shared, sync_path
from gitcoord.store.protocol import ContendedError, FailedError, LockedError

__all__ = ["FileRefs", "SymbolicRefError", "is_logged", "is_unlogged"]

MAX_REF_BYTES = 4096
MAX_DEPTH = 5
_TRIES = 5
_TRUE = {"true", "yes", "on", "1"}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


class SymbolicRefError(Exception):
    """Raised when a ref is symbolic; nothing moved."""


def is_logged(ref: str, asked: str, bare: str) -> bool:
    """Return whether a ref without a reflog gets one, by git's settings.

    These are ``core.logAllRefUpdates`` and ``core.bare``.
    """
    if asked.lower() == "always":
        return True
    is_wanted = asked.lower() in _TRUE or (not asked and bare.lower() not in _TRUE)
    return is_wanted and (
        ref == "HEAD" or ref.startswith(("refs/heads/", "refs/remotes/", "refs/notes/"))
    )


def is_unlogged(ref: str) -> bool:
    """Return whether a ref never gets a reflog, whatever git's settings say.

    A beat's blob goes as soon as the next one is there, and git calls a
    reflog that names it broken; the other refs there never move.
    """
    return ref.startswith("refs/gitcoord/")


class FileRefs:
    """The refs of a repository that keeps them as files.

    ``log_line`` gives the line of a reflog (old, new) for a ref, or None
    where it gets none.
    """

    def __init__(
        self,
        common_dir: Path,
        shared: Shared,
        log_line: Callable[[str, bool], str | None],
        *,
        is_durable: bool,
    ) -> None:
        self._top = str(common_dir)
        self._shared = shared
        self._log_line = log_line
        self._is_durable = is_durable

    # reading

    def read(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds, through symbolic ones.

        Raises:
            CorruptError: Its file holds neither an oid nor another ref.

        """
        for _ in range(MAX_DEPTH):
            value = self._value(ref)
            if value is None:
                return None
            if not value.startswith("ref:"):
                return Oid(value)
            ref = value[4:].strip()
        raise CorruptError(f"the ref {ref} leads to itself", hint="look at `git symbolic-ref`")

    def has(self, ref: str) -> bool:
        """Return whether a ref is there; its object is not looked for."""
        return self.read(ref) is not None

    def _value(self, ref: str) -> str | None:
        """Return what a ref's file, or else packed-refs, says of it."""
        try:
            text = _start_of(f"{self._top}/{ref}").decode("utf-8", "replace").strip()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            # Looked up afterwards: git packs a ref before it removes its file.
            return self._packed().get(ref)
        except OSError as error:
            raise UnavailableError(
                f"the ref {ref} cannot be read: {error.strerror}",
                hint="check whether .git can be read here, and try again",
            ) from None
        if not (text.startswith("ref:") or ids.is_oid(text)):
            raise CorruptError(
                f"the ref {ref} is broken: it holds {text[:60]!r}",
                hint=f"`git reflog show {ref}` names its earlier values, and `gitcoord doctor "
                "--fix` repairs those of gitcoord's own refs that it can",
            )
        return text

    def _packed(self) -> _PackedRefs:
        try:
            with open(f"{self._top}/packed-refs", "rb") as file:
                return _PackedRefs(b"\n" + file.read())
        except FileNotFoundError:
            return _PackedRefs(b"")

    def list(self, prefix: str) -> dict[str, Oid]:
        """Return every ref whose name starts with a prefix, sorted."""
        names = self._names(prefix)
        oids: dict[str, Oid] = {}
        for name in sorted(names):
            # One broken ref does not hide the others: git lists them so too.
            with suppress(CorruptError):
                oid = self.read(name)
                if oid is not None:
                    oids[name] = oid
        return oids

    def broken(self, prefix: str) -> tuple[str, ...]:
        """Return the refs of a prefix whose files hold neither an oid nor a ref."""
        broken = []
        for name in sorted(self._names(prefix)):
            try:
                self.read(name)
            except CorruptError:
                broken.append(name)
        return tuple(broken)

    def _names(self, prefix: str) -> set[str]:
        names = self._packed().below(prefix)
        for folder, _, files in os.walk(f"{self._top}/{prefix}"):
            below = folder[len(self._top) + 1 :].rstrip("/")
            names |= {f"{below}/{file}" for file in files if not file.endswith(".lock")}
        return names

    # moving

    def repair(self, ref: str, new: Oid) -> None:
        """Set a ref whose file is broken to an oid; one that is not broken is left alone.

        If it fails, the ref is broken as before.

        Raises:
            LockedError: A lock file is in the way; nothing moved.
            FailedError: The disk failed; whether it was repaired has to be read.

        """
        lock = self._lock(ref)
        try:
            self._value(ref)
        except CorruptError:
            try:
                self._move(lock, Oid("0" * len(new)), new)
            except OSError as error:
                raise FailedError(f"{ref}: {error}") from None
        finally:
            lock.release()

    def swap(self, ref: str, wanted: Mapping[str, Oid | None], new: Oid) -> None:
        """Move a ref if every wanted one, itself among them, is as expected.

        Raises:
            ContendedError: One is not; nothing moved.
            LockedError: A lock file is in the way; nothing moved.
            SymbolicRefError: One is symbolic; nothing moved.
            UnavailableError: The place cannot be written; nothing moved.
            FailedError: Something else; whether it moved has to be read.

        """
        locks: list[_Lock] = []
        try:
            for name in sorted(wanted):
                locks.append(self._lock(name))
            # Read under the locks: an earlier move is seen, and a later one
            # waits for us.
            for name, oid in wanted.items():
                value = self._value(name)
                if value is not None and value.startswith("ref:"):
                    raise SymbolicRefError(name)
                if value != oid:
                    raise ContendedError(ref)
            self._move(next(lock for lock in locks if lock.ref == ref), wanted[ref], new)
        except OSError as error:
            raise FailedError(f"{ref}: {error}") from None
        finally:
            for lock in locks:
                lock.release()

    def _lock(self, ref: str) -> _Lock:
        path = f"{self._top}/{ref}.lock"
        made_folder = False
        for _ in range(_TRIES):
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                raise LockedError(Path(path)) from None
            except FileNotFoundError:
                # git removes empty folders beside us: they are made again.
                made_folder = self._make_folders(ref) or made_folder
            except NotADirectoryError:
                raise _in_the_way(ref) from None
            except OSError as error:
                if error.errno in _REFUSED:
                    raise UnavailableError(
                        f"{ref} cannot be written: {error.strerror}",
                        hint="check whether .git can be written here",
                    ) from None
                raise
            else:
                return _Lock(ref, path, handle, made_folder=made_folder)
        raise LockedError(Path(path))

    def _make_folders(self, ref: str) -> bool:
        made = False
        folder = self._top
        for part in ref.split("/")[:-1]:
            folder = f"{folder}/{part}"
            try:
                os.mkdir(folder)
            except FileExistsError:
                continue
            except FileNotFoundError:
                break
            except NotADirectoryError:
                raise _in_the_way(ref) from None
            self._shared.folder(folder)
            made = True
        return made

    def _move(self, lock: _Lock, old: Oid | None, new: Oid) -> None:
        if old is None:
            self._require_room(lock.ref)
        text = f"{new}\n".encode()
        if os.write(lock.handle, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._shared.file(lock.path)
        if self._is_durable:
            os.fsync(lock.handle)
        self._log(lock.ref, old or Oid("0" * len(new)), new)
        try:
            lock.publish()
        except IsADirectoryError:
            self._remove_empty(lock.ref)
            lock.publish()
        if self._is_durable:
            self._sync(lock.ref, is_new=old is None or lock.made_folder)

    def _require_room(self, ref: str) -> None:
        """Refuse a ref that packed ones leave no place for."""
        packed = self._packed()
        parts = ref.split("/")
        above = ["/".join(parts[:count]) for count in range(2, len(parts))]
        if packed.below(ref + "/") or any(packed.get(name) for name in above):
            raise _in_the_way(ref)

    def _remove_empty(self, ref: str) -> None:
        """Remove the empty folders that deleted refs left at a ref's place."""
        for folder, _, _ in os.walk(f"{self._top}/{ref}", topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                raise _in_the_way(ref) from None

    def _sync(self, ref: str, *, is_new: bool) -> None:
        folder = ref.rpartition("/")[0]
        sync_path(f"{self._top}/{folder}")
        while is_new and "/" in folder:
            folder = folder.rpartition("/")[0]
            sync_path(f"{self._top}/{folder}")

    def _log(self, ref: str, old: Oid, new: Oid) -> None:
        """Append to the reflog, where there is one, before the move as git does.

        It is not a promise of ours and is not synced; git does not sync it either.
        """
        for name in (ref, *self._heads_on(ref)):
            path = f"{self._top}/logs/{name}"
            line = self._log_line(name, os.path.isfile(path))
            if line is None:
                continue
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                size = os.fstat(handle).st_size
                text = f"{old} {new} {line}\n".encode("utf-8", "surrogateescape")
                if os.write(handle, text) < len(text):
                    os.ftruncate(handle, size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(handle)
            self._shared.file(path)

    def _heads_on(self, ref: str) -> tuple[str, ...]:
        """Return the main worktree's HEAD, if it moves with a branch."""
        with suppress(OSError), open(f"{self._top}/HEAD", "rb") as file:
            if file.read(MAX_REF_BYTES).strip() == f"ref: {ref}".encode():
                return ("HEAD",)
        return ()


def _in_the_way(ref: str) -> UnavailableError:
    return UnavailableError(
        f"{ref} cannot be made: another ref takes its place or one of its folders",
        hint="`git for-each-ref` lists the refs",
    )


def _start_of(path: str) -> bytes:
    """Read what a ref's file may hold; never wait for a pipe in its place."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(path)
        if not stat.S_ISREG(mode):
            return b""
        return os.read(handle, MAX_REF_BYTES)
    finally:
        os.close(handle)


class _PackedRefs:
    """The text of ``packed-refs``, searched without parsing it all."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    def get(self, ref: str) -> str | None:
        at = self._text.find(f" {ref}\n".encode("utf-8", "surrogateescape"))
        if at < 0:
            return None
        start = self._text.rfind(b"\n", 0, at) + 1
        return self._text[start:at].decode("ascii", "replace")

    def below(self, prefix: str) -> set[str]:
        names: set[str] = set()
        needle = f" {prefix}".encode("utf-8", "surrogateescape")
        at = self._text.find(needle)
        while at >= 0:
            end = self._text.find(b"\n", at)
            start = self._text.rfind(b"\n", 0, at) + 1
            # A line of an oid and a name, not the header that lists features.
            if self._text[start : start + 1] not in {b"#", b"^"}:
                names.add(self._text[at + 1 : end].decode("utf-8", "surrogateescape"))
            at = self._text.find(needle, at + 1)
        return names


class _Lock:
    """One ``<ref>.lock`` that is ours, until it is published or released."""

    __slots__ = ("_is_there", "handle", "made_folder", "path", "ref")

    def __init__(self, ref: str, path: str, handle: int, *, made_folder: bool) -> None:
        self.ref, self.path, self.handle, self.made_folder = ref, path, handle, made_folder
        self._is_there = True

    def publish(self) -> None:
        os.rename(self.path, self.path.removesuffix(".lock"))
        self._is_there = False

    def release(self) -> None:
        """Close the file; remove it unless it became the ref.

        Tried twice: what stays is in the way of every other writer.
        """
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
        if not self._is_there:
            return
        for _ in range(2):
            with suppress(OSError):
                os.unlink(self.path)
                break
        self._is_there = False
