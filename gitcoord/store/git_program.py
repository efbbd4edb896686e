"""Serve the engines with what only the git program can do.

Objects in packs come through one ``git cat-file`` that is started when the
first of them is asked for and lives as long as the store; it finds packs
that were made later by itself. Nothing is fetched behind anybody's back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git.config import UserConfig
from gitcoord.host.remedies import remedy
from gitcoord.store.loose import sync_path
from gitcoord.store.protocol import MissingObjectError

if TYPE_CHECKING:
    import subprocess

    from gitcoord.git.program import Git

__all__ = ["GitProgram", "end_process", "keep_pack"]

_TRIES = 2
# Git before 2.45 knows no such variable: there the fetch is started and may
# use no protocol.
_NO_FETCH = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}


class GitProgram:
    """The git program and its configuration, for one repository."""

    def __init__(self, common_dir: Path) -> None:
        self._common_dir = common_dir
        # No circle: the reader ends with the last mention of this object.
        self._config = UserConfig(common_dir, partial(_asked, common_dir))
        self._reader: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def setting(self, section: str, key: str) -> str:
        """Return a value of git's configuration, or nothing."""
        return self._config.get(section, key)

    # objects

    def read_object(self, oid: Oid, max_bytes: Mapping[str, int]) -> tuple[str, bytes] | None:
        """Return an object's kind and bytes, wherever it is; None: nowhere.

        Raises:
            MissingObjectError: It has more bytes than its kind may have.

        """
        answer = self._talk("contents", oid)
        if answer is None:
            return None
        _, kind, size = answer
        if size > max_bytes.get(kind, 0):
            self.end()
            raise MissingObjectError(f"{oid} is too large for a {kind}")
        assert self._reader is not None
        assert self._reader.stdout is not None
        content = self._reader.stdout.read(size + 1)
        if len(content) != size + 1:
            self.end()
            raise MissingObjectError(f"{oid} is cut off")
        return kind, content[:-1]

    def has_object(self, oid: Oid) -> bool:
        """Return whether an object is in the repository."""
        return self._talk("info", oid) is not None

    def resolve(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds; None where it, or its object, is not there."""
        answer = self._talk("info", ref)
        return answer and answer[0]

    def _talk(self, verb: str, name: str) -> tuple[Oid, str, int] | None:
        """Ask for an object's oid, kind and size; a reader that died is replaced."""
        for _ in range(_TRIES):
            reader = self._running()
            assert reader.stdin is not None
            assert reader.stdout is not None
            try:
                reader.stdin.write(f"{verb} {name}\n".encode("utf-8", "surrogateescape"))
                reader.stdin.flush()
                words = reader.stdout.readline().split()
            except BrokenPipeError:
                words = []
            if len(words) == 3:
                return Oid(words[0].decode()), words[1].decode(), int(words[2])
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
            self._reader = _git(self._common_dir).start(
                "cat-file", "--batch-command", env=_NO_FETCH
            )
            self._owner = os.getpid()
        return self._reader

    def end(self) -> None:
        """End the reader; the next object starts another one."""
        reader, self._reader = self._reader, None
        if reader is not None and self._owner == os.getpid():
            end_process(reader)

    def __del__(self) -> None:
        """End it also where the store was forgotten, and not closed."""
        self.end()


def _git(common_dir: Path) -> Git:
    """Return the git program, which a command that finds all in loose files does without."""
    from gitcoord.git.program import Git

    return Git(common_dir, common_dir)


def _asked(common_dir: Path, key: str) -> str:
    return _git(common_dir).run("config", "--get", key, check=False).text


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a git that is talked with, wherever it is."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    process.kill()
    process.wait()


def keep_pack(common_dir: Path, stream: bytes) -> None:
    """Store a pack, synced, with its index.

    Raises:
        UnavailableError: It could not be written; nothing was kept.

    """
    from gitcoord.git.program import DURABLE, LONG_S

    git = _git(common_dir)
    done = git.run(*DURABLE, "index-pack", "--stdin", stdin=stream, check=False, timeout_s=LONG_S)
    if done.status != 0:
        raise UnavailableError(
            f"a pack could not be written: {done.stderr.strip()[-300:]}",
            hint=remedy(done.stderr),
        )
    sync_path(common_dir / "objects" / "pack")
