"""Remove what a killed writer left in everyone's way.

A process killed between taking ``<ref>.lock`` and renaming it blocks every
later writer, and nothing else ever clears it. Breaking a lock by its age
can corrupt the ref; so every writer holds a record of itself from before its
swap, and touches it before each further try. A lock is broken only when it
stands still, no process has it open, and no living writer may have made it:
one that touched its record while the lock stood was not at work on it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError, UnavailableError
from gitcoord.host.clock import Clock
from gitcoord.host.files import read_file
from gitcoord.host.live_files import is_at_work
from gitcoord.store.queue import QueueLock

__all__ = ["is_empty_lock", "living_writers", "record_files", "remove_stale_lock"]

PATIENCE_S = 0.5
_STEP_S = 0.05
MAX_FACTS_BYTES = 1024 * 1024
_NO_ONE: AbstractSet[Path] = frozenset()


def record_files(folder: Path, depth: int) -> Iterator[Path]:
    """List the records that lie so many folders below; no link is followed."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listed:
        if depth and entry.is_dir(follow_symlinks=False):
            yield from record_files(folder / entry.name, depth - 1)
        is_record = entry.name.endswith(".json") and not entry.name.startswith(".")
        if not depth and is_record and entry.is_file(follow_symlinks=False):
            yield folder / entry.name


def living_writers(writers: Path, own: AbstractSet[Path] = _NO_ONE) -> dict[Path, tuple[int, str]]:
    """Find the recorded writers that may live, but for our own records.

    Returns when each record was last touched, and its process.
    """
    living: dict[Path, tuple[int, str]] = {}
    for path in record_files(writers, depth=2):
        if path in own:
            continue
        try:
            touched_ns = path.lstat().st_mtime_ns
        except OSError:
            continue
        facts = _facts_of(path)
        if is_at_work(path, facts):
            living[path] = (touched_ns, str(facts.get("process", "")))
    return living


def _facts_of(path: Path) -> dict[str, Any]:
    try:
        facts = codec.load(read_file(path, MAX_FACTS_BYTES), MAX_FACTS_BYTES, str(path))
    except (OSError, CorruptError):
        return {}
    if not isinstance(facts, dict):
        return {}
    return facts


def remove_stale_lock(
    lock: Path,
    writers: Path,
    healing: QueueLock,
    clock: Clock,
    *,
    own: AbstractSet[Path] = _NO_ONE,
    only_empty: bool = False,
) -> bool:
    """Remove a dead writer's lock file; return whether the way is free now.

    ``own`` are the records of the caller, who is not at work on the lock.
    With ``only_empty`` one that holds something is left: it is not the lock
    of a ref that was only to be verified. If it fails, or this process dies
    in between, the file is still there.

    Raises:
        UnavailableError: What is in the way is not a file.

    """
    seen = _look(lock)
    if seen is None:
        return True
    if only_empty and seen[2]:
        return False
    suspects = living_writers(writers, own)
    if not _stands_still(lock, seen, clock):
        return _look(lock) is None
    with healing.hold(1.0) as is_held:
        # Looked at again under the lock: another process may have removed the
        # file, and a writer may have made its own since.
        is_suspected = bool(suspects.items() & living_writers(writers, own).items())
        if not is_held or _may_be_held(lock, is_suspected=is_suspected) or _look(lock) != seen:
            return _look(lock) is None
        with suppress(FileNotFoundError):
            lock.unlink()
    return True


def _stands_still(lock: Path, seen: tuple[int, int, int], clock: Clock) -> bool:
    """Return whether a lock file stays as it was seen, for as long as we are patient."""
    waited_s = 0.0
    while waited_s < PATIENCE_S:
        clock.sleep(_STEP_S)
        waited_s += _STEP_S
        if _look(lock) != seen:
            return False
    return True


def _may_be_held(lock: Path, *, is_suspected: bool) -> bool:
    """Return whether a living process may be at work on a lock.

    The lock of a list of tables may be any git's, which records nothing; but
    git has it open until it is done, and that the kernel can tell.
    """
    from gitcoord.git.places import TABLES
    from gitcoord.host.open_files import is_open_for_writing

    is_open = is_open_for_writing(lock)
    if lock.parent.name == TABLES:
        return is_open is not False
    return is_suspected or bool(is_open)


def is_empty_lock(lock: Path) -> bool:
    """Return whether a lock file is there that holds nothing."""
    try:
        known = lock.lstat()
    except OSError:
        return False
    return stat.S_ISREG(known.st_mode) and not known.st_size


def _look(lock: Path) -> tuple[int, int, int] | None:
    """Return what tells a lock file from another one; None where there is none."""
    try:
        known = lock.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(known.st_mode):
        raise UnavailableError(
            f"{lock} is in the way, and is not a lock file of git",
            hint="find out what made it, and move it away",
        )
    return known.st_ino, known.st_mtime_ns, known.st_size
