"""Let go, in time, of what commands left in worktrees and git could not commit.

It lies below ``gitcoord/kept/`` and is the only copy. So age decides first:
what is older than the attic's own goes, and what is young stays however
large it is. In between the oldest goes while all together are too large.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gitcoord.core.shapes import NamedTuple

__all__ = ["MAX_KEPT_BYTES", "YOUNG_S", "clear_kept"]

YOUNG_S = 7 * 86400
MAX_KEPT_BYTES = 1024 * 1024 * 1024


class _Attempt(NamedTuple):
    """What one attempt left: when it was moved there, and how large it is."""

    since: float
    size: int
    folder: Path


def clear_kept(folder: Path, now: float, keep_s: float | None) -> list[Path]:
    """Remove what was kept for long enough, the oldest first; list what went.

    ``keep_s`` is for how long it is kept at most, None for ever. No link is
    followed. If it fails, the rest is there for the next time.
    """
    if keep_s is None:
        return []
    found = sorted(_attempts(folder))
    total = sum(one.size for one in found)
    gone = []
    for one in found:
        age = now - one.since
        is_due = age > keep_s
        is_too_much = age > YOUNG_S and total > MAX_KEPT_BYTES
        if not is_due and not is_too_much:
            continue
        with suppress(OSError):
            shutil.rmtree(one.folder)
            total -= one.size
            gone.append(one.folder)
            one.folder.parent.rmdir()
    return gone


def _attempts(folder: Path) -> Iterator[_Attempt]:
    for task in _folders(folder):
        for attempt in _folders(task):
            with suppress(OSError):
                yield _Attempt(attempt.lstat().st_mtime, _size_of(attempt), attempt)


def _folders(folder: Path) -> list[Path]:
    """List the folders of a folder that are not links."""
    with suppress(OSError):
        return [path for path in folder.iterdir() if stat.S_ISDIR(path.lstat().st_mode)]
    return []


def _size_of(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += Path(place, name).lstat().st_size
    return size
