"""Remove what a killed writer left in everyone's way.

A process killed between taking ``<ref>.lock`` and renaming it blocks every
later writer, and nothing else ever clears it. Breaking a lock by its age
can corrupt the ref; so every writer records itself before its swap and
touches its record before each further try. A lock is broken only when it
stands still and no living writer may have made it: one that touched its
record while the lock stood was not at work on it.
"""

from __future__ import annotations

from pathlib import Path

from gitcoord.core import codec
from gitcoord.core.errors import CorruptError
from gitcoord.core.model import MAX_RECORD_BYTES
from gitcoord.host.clock import Clock
from gitcoord.host.processes import identity, is_alive
from gitcoord.store.queue import QueueLock

__all__ = ["heal", "living_writers"]

PATIENCE_S = 0.5
_STEP_S = 0.05


def living_writers(writers: Path) -> dict[tuple[str, str], int]:
    """Find the recorded writers, other than this process, that may live.

    Gives when each record was last touched, by its process and its path.
    """
    living: dict[tuple[str, str], int] = {}
    for path in writers.glob("*/*/*.json"):
        try:
            touched = path.stat().st_mtime_ns
            process = str(
                codec.load(path.read_bytes(), MAX_RECORD_BYTES, str(path)).get("process", "")
            )
        except (OSError, CorruptError, AttributeError):
            continue
        if process != identity() and is_alive(process) is not False:
            living[process, str(path)] = touched
    return living


def heal(
    lock: Path, writers: Path, healing: QueueLock, clock: Clock, *, only_empty: bool = False
) -> bool:
    """Remove a dead writer's lock file; True if the way is free now.

    With ``only_empty`` one that holds something is left: it is no lock of a
    ref that was only to be verified. If it fails, or this process dies in
    between, the file is still there.
    """
    seen = _look(lock)
    if seen is None:
        return True
    if only_empty and seen[2]:
        return False
    suspects = living_writers(writers)
    waited_s = 0.0
    while waited_s < PATIENCE_S:
        clock.sleep(_STEP_S)
        waited_s += _STEP_S
        now = _look(lock)
        if now != seen:
            return now is None
    with healing.hold(1.0) as is_held:
        # Looked at again under the lock: another healer may have removed the
        # file, and a writer may have made its own since.
        if not is_held or suspects.items() & living_writers(writers).items() or _look(lock) != seen:
            return _look(lock) is None
        lock.unlink(missing_ok=True)
    return True


def _look(lock: Path) -> tuple[int, int, int] | None:
    try:
        found = lock.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
