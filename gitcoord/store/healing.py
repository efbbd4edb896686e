"""Remove what a killed writer left in everyone's way.

A process killed between taking ``<ref>.lock`` and renaming it blocks every
later writer, and nothing else ever clears it. Breaking a lock by its age
can corrupt the ref; so every writer records itself before its swap, and a
lock is broken only when no recorded writer lives and it stands still.
"""

from __future__ import annotations

from pathlib import Path

from gitcoord.clock import Clock
from gitcoord.store.processes import identity, is_alive
from gitcoord.store.queue import QueueLock

__all__ = ["heal", "living_writers"]

PATIENCE_S = 0.5
_STEP_S = 0.05


def living_writers(writers: Path) -> list[str]:
    """List the recorded writers, other than this process, that may live."""
    import json

    living = []
    for path in writers.glob("*/*/*.json"):
        try:
            process = str(json.loads(path.read_bytes()).get("process", ""))
        except (OSError, ValueError, AttributeError):
            continue
        if process != identity() and is_alive(process) is not False:
            living.append(process)
    return living


def heal(lock: Path, writers: Path, healing: QueueLock, clock: Clock) -> bool:
    """Remove a dead writer's lock file; True if the way is free now.

    If it fails, or this process dies in between, the file is still there.
    """
    seen = _look(lock)
    if seen is None:
        return True
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
        if not is_held or living_writers(writers) or _look(lock) != seen:
            return _look(lock) is None
        lock.unlink(missing_ok=True)
    return True


def _look(lock: Path) -> tuple[int, int, int] | None:
    try:
        found = lock.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
