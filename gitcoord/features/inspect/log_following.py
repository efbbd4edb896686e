"""Follow the output of a task's attempt while it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from gitcoord.core import codec
from gitcoord.core.ids import TaskId
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.names import named_task
from gitcoord.features.workspace import Workspace
from gitcoord.host.files import open_file

__all__ = ["LogPart", "Reader", "follow_log"]

POLL_S = 0.2
CHUNK = 64 * 1024
FIRST_BYTES = 256 * 1024
"""How much of a long log is shown before what comes."""


class LogPart(NamedTuple):
    """What came next in a log: the log's place, and the text."""

    log: str
    text: str


def follow_log(work: Workspace, task: TaskId) -> Iterator[LogPart]:
    """Tell the newest attempt's output, and go on until that attempt is over.

    Where no attempt is at work now it ends with what there is. An attempt
    that has printed nothing yet is waited for; one that another machine
    works on prints nothing here.

    Raises:
        NotFoundError: There is no such task.

    """
    name = named_task(work, work.ledger.snapshot(), task)["id"]
    seen: dict[Path, Reader] = {}
    while True:
        # Asked before reading: what an attempt printed before it ended is read.
        is_over = not _is_at_work(work, name)
        for path in _newest(work, name):
            reader = seen.setdefault(path, Reader(path))
            for text in reader.read(is_last=is_over):
                yield LogPart(str(path), text)
        if is_over:
            return
        work.clock.sleep(POLL_S)


def _is_at_work(work: Workspace, task: TaskId) -> bool:
    record = work.ledger.snapshot().require_task(task)
    return record["claim"] is not None or any(one["verdict"] is None for one in record["reviews"])


def _newest(work: Workspace, task: TaskId) -> list[Path]:
    """Return the logs of the newest attempt that left any here."""
    known = work.logs.attempts_of(task)
    if not known:
        return []
    return [path for path in known if path.parent == known[-1].parent]


class Reader:
    """Reads one log from where it stopped, though its middle may be cut out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at: int | None = None
        self._rest = b""

    def read(self, *, is_last: bool = False) -> Iterator[str]:
        """Return the lines that came since; an unfinished one waits, unless it is the last."""
        try:
            handle = open_file(self._path)
        except OSError:
            return
        try:
            size = os.fstat(handle).st_size
            if self._at is None:
                self._at = max(0, size - FIRST_BYTES)
            elif size < self._at:
                # Its middle was cut out to bound it: what is left of the end was read.
                self._at = size
            os.lseek(handle, self._at, os.SEEK_SET)
            while chunk := os.read(handle, CHUNK):
                self._at += len(chunk)
                whole, newline, self._rest = (self._rest + chunk).rpartition(b"\n")
                if newline:
                    yield codec.printable(whole.decode("utf-8", "replace"), lines=True)
            if is_last and self._rest:
                yield codec.printable(self._rest.decode("utf-8", "replace"), lines=True)
        finally:
            os.close(handle)
