"""Serve the plumbing engine with what only the git program can do.

Objects in packs come through one ``git cat-file`` that is started when the
first of them is asked for and lives as long as the store; it finds packs
that were made later by itself. Nothing is fetched behind anybody's back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitcoord.core.errors import UnavailableError
from gitcoord.git.config import UserConfig
from gitcoord.git.program import DURABLE, LONG_S, Git, GitError, Place
from gitcoord.store.loose import sync_path
from gitcoord.store.protocol import ContendedError, FailedError, LockedError, MissingObjectError

if TYPE_CHECKING:
    import subprocess

__all__ = ["GitProgram", "require_own"]

_TRIES = 2
_LOCK_MARK = ".lock': File exists"
# Git before 2.45 knows no such variable: there the fetch is started and may
# use no protocol.
_NO_FETCH = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}


class GitProgram:
    """The git program, as the plumbing engine's ``Program``."""

    def __init__(self, common_dir: Path) -> None:
        self._common_dir = common_dir
        self._git = Git(common_dir, common_dir)
        self._config = UserConfig(common_dir, self._asked)
        self._reader: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def _asked(self, key: str) -> str:
        return self._git.run("config", "--get", key, check=False).text

    def setting(self, section: str, key: str) -> str:
        """Return a value of git's configuration, or nothing."""
        return self._config.get(section, key)

    # objects

    def read_object(self, oid: str, most: Mapping[str, int]) -> tuple[str, bytes] | None:
        """Return an object's kind and bytes, wherever it is; None: nowhere.

        Raises:
            MissingObjectError: It has more bytes than its kind may have.

        """
        answer = self._talk("contents", oid)
        if answer is None:
            return None
        kind, size = answer
        if size > most.get(kind, 0):
            self.end()
            raise MissingObjectError(f"{oid} is too large for a {kind}")
        assert self._reader is not None
        assert self._reader.stdout is not None
        content = self._reader.stdout.read(size + 1)
        if len(content) != size + 1:
            self.end()
            raise MissingObjectError(f"{oid} is cut off")
        return kind, content[:-1]

    def has_object(self, oid: str) -> bool:
        """Say whether an object is in the repository."""
        return self._talk("info", oid) is not None

    def _talk(self, verb: str, oid: str) -> tuple[str, int] | None:
        """Ask for an object's kind and size; a reader that died is replaced."""
        for _ in range(_TRIES):
            reader = self._running()
            assert reader.stdin is not None
            assert reader.stdout is not None
            try:
                reader.stdin.write(f"{verb} {oid}\n".encode())
                reader.stdin.flush()
                words = reader.stdout.readline().split()
            except BrokenPipeError:
                words = []
            if len(words) == 3:
                return words[1].decode(), int(words[2])
            if len(words) == 2:
                return None
            # It died: killed by somebody, or on an object that is damaged or
            # that a partial clone would have to fetch.
            self.end()
        return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._reader is not None and self._owner != os.getpid():
            self._reader = None  # a fork must not talk into its parent's pipes
        if self._reader is None:
            self._reader = self._git.start("cat-file", "--batch-command", env=_NO_FETCH)
            self._owner = os.getpid()
        return self._reader

    def end(self) -> None:
        """End the reader; the next object starts another one."""
        reader, self._reader = self._reader, None
        if reader is None or self._owner != os.getpid():
            return
        for stream in (reader.stdin, reader.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        reader.kill()
        reader.wait()

    def keep_pack(self, stream: bytes) -> None:
        """Store a pack, synced."""
        from gitcoord.git.packs import keep_pack

        keep_pack(self._git, stream)

    # refs

    def read_refs(self, pattern: str) -> dict[str, str]:
        """Return the refs that a full name, or a folder of names, matches."""
        try:
            lines = self._git.run(
                "for-each-ref", "--format=%(objectname) %(refname)", "--", pattern
            ).text.splitlines()
        except GitError as error:
            raise UnavailableError(
                f"git cannot read the refs: {error.stderr.strip()[-200:]}",
                hint="see what `git for-each-ref` says; reftable needs git 2.45 or newer",
            ) from None
        return {name: oid for oid, _, name in (line.partition(" ") for line in lines)}

    def transact(self, ref: str, lines: list[str]) -> None:
        """Run one ref transaction, and sync what git leaves unsynced.

        Raises:
            ContendedError: A ref is not where it was expected; nothing moved.
            LockedError: A lock file is in the way; nothing moved.
            FailedError: git failed otherwise; whether it moved has to be read.

        """
        from gitcoord.git.refs import is_moved, ref_line, sync_folders

        checked = [ref_line(*line.split(" ")) for line in lines]
        script = "\n".join(["start", *checked, "prepare", "commit", ""]).encode()
        done = self._git.run(
            *DURABLE, "update-ref", "--stdin", stdin=script, check=False, timeout_s=LONG_S
        )
        if done.status == 0:
            tables = self._common_dir / "reftable"
            try:
                sync_folders(self._git, ref)
                if tables.is_dir():
                    sync_path(tables)
            except OSError as error:
                raise FailedError(f"{ref}: {error}") from None
            return
        said = done.stderr.strip()
        if _LOCK_MARK in said:
            path = said.partition(_LOCK_MARK)[0].rpartition("'")[2] + ".lock"
            raise LockedError(self._common_dir / path)
        if is_moved(said):
            raise ContendedError(ref)
        raise FailedError(f"{ref}: {said[-300:]}")


def require_own(place: Place) -> None:
    """Refuse another user's repository, as git and libgit2 do.

    Raises:
        UnavailableError: git does not trust it (``safe.directory``).

    """
    us = os.geteuid()
    owners = {place.common_dir.stat().st_uid, place.git_dir.stat().st_uid}
    if place.worktree is not None:
        owners.add(place.worktree.stat().st_uid)
    if owners == {us}:
        return
    asked = Git(place.worktree or place.common_dir).run("rev-parse", "--git-dir", check=False)
    if asked.status != 0:
        raise UnavailableError(
            f"{place.common_dir} belongs to another user: {asked.stderr.strip()[:200]}",
            hint="check who owns the repository, and what `git status` says there",
        )
