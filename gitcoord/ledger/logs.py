"""Keep what the commands of a plan print, on this machine alone.

One file for each command of each attempt, and for each run of a gate.
They are written while the command runs, so that others can follow. The
ledger keeps only the end of what failed: it is shared. Secrets that the
user names are taken out before anything is written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal, Self

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId, Token
from gitcoord.host.files import create_file, open_file

__all__ = ["MAX_LOG_BYTES", "Kind", "LogFile", "Logs"]

Kind = Literal["run", "check", "review"]

MAX_LOG_BYTES = 8 * 1024 * 1024
MAX_TOTAL_BYTES = 512 * 1024 * 1024
_CHUNK = 64 * 1024
LINGER_S = 2.0
_HALF = MAX_LOG_BYTES // 2 - 64


class LogFile:
    """One log that is being written, by us or by a child that has its handle.

    While it is open, or a child has it open, it is not removed to make
    room for others.
    """

    def __init__(self, path: Path) -> None:
        import threading  # who only looks for logs starts none

        from gitcoord.ledger.redaction import redactor

        self._redactor = redactor()
        handle = create_file(path, is_appended=True)
        fcntl.flock(handle, fcntl.LOCK_SH)
        self.path = path
        self.file: IO[bytes] = os.fdopen(handle, "r+b", buffering=0)
        self._cut = 0
        self._unbound = 0
        self._guard = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def write(self, chunk: bytes) -> bytes:
        """Write a part of what came, and return it as it is kept: redacted.

        A full disk only makes the log shorter.
        """
        return self._keep(self._redactor.feed(chunk))

    def finish(self) -> bytes:
        """Write, and return, what waits for the end of its line."""
        return self._keep(self._redactor.end())

    def _keep(self, kept: bytes) -> bytes:
        with self._guard:
            with suppress(OSError):
                self.file.write(kept)
                self._unbound += len(kept)
            if self._unbound > MAX_LOG_BYTES:
                self.bound()
        return kept

    @contextmanager
    def receiving(self) -> Iterator[IO[bytes]]:
        """Yield where a child writes: the file itself, or a pipe to what redacts.

        Afterwards what came through the pipe is in the file. A process that
        outlives the child and holds the pipe is not waited for.
        """
        if not self._redactor.is_needed:
            yield self.file
            return
        import threading

        reads, writes = os.pipe()
        thread = threading.Thread(target=self._pump, args=(reads,), daemon=True)
        thread.start()
        try:
            with os.fdopen(writes, "wb", buffering=0) as output:
                yield output
        finally:
            thread.join(LINGER_S)

    def _pump(self, reads: int) -> None:
        with os.fdopen(reads, "rb", buffering=0) as pipe:
            while chunk := pipe.read(_CHUNK):
                self.write(chunk)
        self.finish()

    def bound(self) -> None:
        """Cut the middle out of a log that has become too long.

        Its writers append, so they go on at the new end. What they write in
        this very moment may be cut too. If it fails the log is only longer.
        """
        with self._guard:
            self._unbound = 0
            size = self.file.seek(0, os.SEEK_END)
            if size > MAX_LOG_BYTES:
                self._cut_middle(size)

    def _cut_middle(self, size: int) -> None:
        with suppress(OSError):
            self.file.seek(size - _HALF)
            tail = self.file.read(_HALF)
            self._cut += size - 2 * _HALF
            self.file.truncate(_HALF)
            self.file.write(f"\n[{self._cut} bytes cut here]\n".encode() + tail)

    def tail(self, count: int) -> bytes:
        """Return the last bytes of what was written."""
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(max(0, size - count))
        return self.file.read(count)

    def close(self) -> None:
        """Write what waits for the end of its line, and give the handle back."""
        with self._guard:
            self.finish()
            self.bound()
            self.file.close()


class Logs:
    """Where one ledger's logs lie on this machine."""

    def __init__(self, root: Path, ledger: str) -> None:
        self.folder = root / "logs" / ledger

    def of_attempt(self, task: TaskId, attempt: int, token: Token, kind: Kind) -> Path:
        """Return the path of a log of one attempt at a task."""
        return self.folder / "tasks" / task / f"{attempt}-{token[:6]}" / f"{kind}.log"

    def of_gate(self, phase: PhaseId, gate: str, tree: Oid) -> Path:
        """Return the path of the log of a gate's run on one tree."""
        return self.folder / "gates" / phase / f"{gate}-{tree[:12]}.log"

    def of_setup(self, agent: AgentId) -> Path:
        """Return the path of the log of a worktree's setup."""
        return self.folder / "setup" / f"{agent}.log"

    def attempts_of(self, task: TaskId) -> list[Path]:
        """Return the logs of a task, the newest attempt's last."""
        logs = (self.folder / "tasks" / task).glob("*/*.log")
        return sorted(logs, key=_age)

    def open(self, path: Path) -> LogFile:
        """Begin a log, and make room for it.

        Raises:
            OSError: It cannot be written.

        """
        self.make_room()
        return LogFile(path)

    def append(self, path: Path, more: bytes) -> None:
        """Add to a log that is there, redacted; one that cannot be written stays as it is."""
        from gitcoord.ledger.redaction import redactor

        more = redactor().redacted(more)
        with suppress(OSError):
            handle = open_file(path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(handle, more)
            finally:
                os.close(handle)

    def make_room(self) -> None:
        """Remove the oldest logs while all together are too large.

        Those that are being written stay. If it fails some log stays.
        """
        known = list(self._all())
        total = sum(facts.st_size for _, facts in known)
        known.sort(key=lambda log: log[1].st_mtime_ns)
        for path, facts in known:
            if total <= MAX_TOTAL_BYTES - MAX_LOG_BYTES:
                return
            if _remove_finished(path):
                total -= facts.st_size

    def _all(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.rglob("*.log"):
            with suppress(FileNotFoundError):  # another made room just now
                yield path, path.lstat()


def _age(path: Path) -> tuple[int, str]:
    attempt = path.parent.name.partition("-")[0]
    number = int(attempt) if attempt.isdecimal() else 0
    return number, path.name


def _remove_finished(path: Path) -> bool:
    """Remove a log that nobody writes; return whether it is gone."""
    try:
        handle = open_file(path)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        with suppress(OSError):
            path.parent.rmdir()
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)
