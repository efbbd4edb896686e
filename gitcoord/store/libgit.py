"""Reach objects and refs beside libgit2, which reads packs: the first engine.

Loose objects and refs are written as the other engine writes them: libgit2
syncs a reflog too, which nothing that we promise needs, and each object's
folder by itself, which makes the disk's journal commit once for each. What
pygit2 says about contention, where it removes a ref, is translated here.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pygit2
from pygit2.enums import RepositoryOpenFlag

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.host.clock import Clock
from gitcoord.store.disk_store import NO_USER, DiskStore
from gitcoord.store.objects import max_bytes
from gitcoord.store.protocol import (
    ContendedError,
    FailedError,
    LockedError,
    MissingObjectError,
)

__all__ = ["LibgitStore"]

_LOCK_FILE = re.compile(r"'([^']*\.lock)'")
_LOCK_TEXTS = ("failed to lock file", "failed to create locked file")
_CONTENDED_TEXTS = ("old reference value does not match", "failed to rename lockfile")
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
TRIES = 4
FIRST_BACKOFF = 4
T = TypeVar("T")


_TRUSTING = threading.Lock()


@contextmanager
def _trusted() -> Iterator[None]:
    """Open a repository that git was asked about: libgit2 would judge by files alone."""
    with _TRUSTING:
        was = pygit2.settings.owner_validation
        pygit2.settings.owner_validation = False
        try:
            yield
        finally:
            pygit2.settings.owner_validation = was


def _opened(common_dir: Path) -> pygit2.Repository:
    """Open the repository that git names, and search for none.

    Some sandboxes put a ``.git`` into ``.git``, which libgit2 would look
    into first.
    """
    flags = RepositoryOpenFlag.NO_SEARCH | RepositoryOpenFlag.NO_DOTGIT
    return pygit2.Repository(str(common_dir), flags)


class LibgitStore(DiskStore):
    """One repository, opened by libgit2. Not for use by two threads at once."""

    def __init__(self, common_dir: Path, *, is_durable: bool = True) -> None:
        """Open a repository.

        Raises:
            UnavailableError: libgit2 cannot open it.

        """
        pygit2.settings.enable_fsync_gitdir(is_durable)
        try:
            with _trusted():
                self._repo = _opened(common_dir)
        except pygit2.GitError as error:
            raise UnavailableError(
                f"libgit2 cannot open {common_dir}: {error}",
                hint="check who owns the repository, and what `git status` says there",
            ) from None
        super().__init__(common_dir, "sha1", is_durable=is_durable)

    def _setting(self, section: str, key: str) -> str:
        try:
            return str(self._repo.config[f"{section}.{key}"])
        except KeyError:
            return ""
        except (OSError, pygit2.GitError) as error:
            raise UnavailableError(
                f"git's configuration cannot be read: {error}",
                hint="`git config --list` shows where it is broken",
            ) from None

    def _identity(self) -> tuple[str, str]:
        try:
            own = self._repo.default_signature
        except (KeyError, OSError, pygit2.GitError):
            return NO_USER
        return own.name, own.email

    # objects

    def _read_packed(self, oid: Oid, kind: str) -> tuple[str, bytes]:

        def read() -> tuple[int, bytes]:
            if self._repo.odb.read_header(oid)[1] > max_bytes(kind):
                raise MissingObjectError(f"{oid} is too large for a {kind}")
            return self._repo.read(oid)

        try:
            number, content = self._again(read)
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise MissingObjectError(f"{oid}: {error}") from None
        return _KINDS.get(number, "unknown"), content

    def _is_packed(self, oid: Oid) -> bool:
        return self._again(lambda: oid in self._repo)

    def _again(self, read: Callable[[], T]) -> T:
        """Read what is packed; where that fails, open the packs anew and try again.

        A concurrent repack removes packs that libgit2 has just found, and
        writes others: libgit2 reports that as one error or another.

        Raises:
            UnavailableError: The disk, or a pack, cannot be read now.

        """
        clock = Clock()
        for attempt in range(TRIES):
            try:
                return read()
            except (OSError, pygit2.GitError) as error:
                if attempt == TRIES - 1:
                    if isinstance(error, pygit2.GitError):
                        raise
                    raise UnavailableError(
                        f"the packs of {self.common_dir} cannot be read: {error}",
                        hint="try again; `git fsck` looks at the packs",
                    ) from None
            clock.sleep(clock.backoff(attempt + FIRST_BACKOFF))
            self._reopen()
        raise AssertionError("a try ends the loop")

    def _reopen(self) -> None:
        """Open the repository anew: what is cached of its packs is forgotten."""
        with suppress(pygit2.GitError, OSError):
            fresh = _opened(self.common_dir)
            self._repo.free()
            self._repo = fresh

    def _keep_pack(self, stream: bytes) -> None:
        from gitcoord.store.git_program import keep_pack

        keep_pack(self.common_dir, stream)

    # refs

    def delete_ref(self, ref: str, expected: Oid) -> None:
        """Remove a ref that holds ``expected``."""
        try:
            with self._repo.transaction() as transaction:
                transaction.lock_ref(ref)
                if self.read_ref(ref) != expected:
                    raise ContendedError(ref)
                transaction.remove(ref)
        except (OSError, pygit2.GitError) as error:
            raise self._translated(error, ref) from None

    def _translated(self, error: Exception, ref: str) -> Exception:
        text = str(error)
        if any(known in text for known in _CONTENDED_TEXTS):
            return ContendedError(ref)
        if any(known in text for known in _LOCK_TEXTS):
            named = _LOCK_FILE.search(text)
            path = Path(named[1]) if named else self.common_dir / f"{ref}.lock"
            folder = path.parent if path.parent.exists() else self.common_dir
            if path.exists() or os.access(folder, os.W_OK):
                return LockedError(path)
            return UnavailableError(
                f"{ref} cannot be written: {text}", hint="check whether .git can be written here"
            )
        return FailedError(f"{ref}: {text}")

    def close(self) -> None:
        """Give back file handles."""
        super().close()
        self._repo.free()
