"""Wait until the ledger moves, so that waiting costs nothing.

All waiters of a process share one watcher, and with it one of the user's few
inotify instances. It looks when the system tells that a file of the ref's
folder was replaced, and otherwise at intervals that grow apart, for file
systems that tell nothing. A look changes nothing and opens nothing, so that
no waiter wakes another.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitcoord.core.errors import GitcoordError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.features.workspace import Workspace
from gitcoord.git.places import TABLES
from gitcoord.host.clock import Clock, Deadline

__all__ = ["Watcher", "seconds_until_worth", "wait_for_change"]

FIRST_INTERVAL_S = 1.0
LAST_INTERVAL_S = 5.0
GROWTH = 1.5
PAUSE_S = 0.05
STOP_POLL_S = 1.0
# Whatever else may change what is ready, such as the target branch.
LONGEST_WAIT_S = 300.0
# A server tells nothing: it is asked now and then, by all waiters of a clone together.
ASK_S = 4.0


def seconds_until_worth(error: GitcoordError, clock: Clock) -> float:
    """Return after how long a refused claim is worth another try.

    That is when a lease, a timed lock or a delay ends; whatever else has to
    happen moves the ledger.
    """
    known_s = [jittered(LONGEST_WAIT_S, clock)]
    for name, unit_s in (("changes_after", 1.0), ("lease_ms", 0.001)):
        value = error.facts.get(name)
        if isinstance(value, int | float):
            known_s.append(value * unit_s + PAUSE_S)
    if _waits_for_a_delay(error):
        known_s.append(float(str(error.facts["retry_after"])) + PAUSE_S)
    return min(known_s)


def _waits_for_a_delay(error: GitcoordError) -> bool:
    """Return whether only the delay after a failure keeps the named task."""
    items = error.facts.get("waiting_for")
    if "changes_after" in error.facts or not isinstance(items, list):
        return False
    return [one["kind"] for one in items if isinstance(one, dict)] == ["delay"]


def grown(interval_s: float) -> float:
    """Return the time to the next look after one that saw nothing."""
    return min(LAST_INTERVAL_S, interval_s * GROWTH)


def jittered(seconds: float, clock: Clock) -> float:
    """Return a time near another: processes that began together part."""
    return seconds * (0.75 + clock.random() / 2)


def wait_for_change(
    work: Workspace, tip: Oid | None, seconds: float, stop: threading.Event | None = None
) -> bool:
    """Wait until the ledger is no longer at ``tip``; False when time is up."""
    if seconds <= 0:
        return work.ledger.tip() != tip
    deadline = Deadline(work.clock, seconds)
    with _watching(work.place.common_dir, work.ledger.ref) as watcher:
        while stop is None or not stop.is_set():
            moves = watcher.moves
            # Looked at after the watch began: what moved before is not missed.
            if _has_moved(work, tip):
                return True
            if deadline.expired:
                return False
            left_s = min(deadline.remaining(), LONGEST_WAIT_S)
            if work.remote is not None:
                left_s = min(left_s, jittered(ASK_S, work.clock))
            watcher.wait(moves, left_s if stop is None else min(left_s, STOP_POLL_S))
    return False


def _has_moved(work: Workspace, tip: Oid | None) -> bool:
    """Return whether the ledger is elsewhere; who waits outlasts a server that is away."""
    try:
        return work.ledger.tip() != tip
    except UnavailableError:
        if work.remote is None:
            raise
        return False


_watchers: dict[tuple[int, Path, str], Watcher] = {}
_guard = threading.Lock()


@contextmanager
def _watching(common_dir: Path, ref: str) -> Iterator[Watcher]:
    """Share this process's watcher of a ref with its other waiters."""
    key = (os.getpid(), common_dir, ref)
    with _guard:
        watcher = _watchers.get(key) or _watchers.setdefault(key, Watcher(common_dir, ref))
        watcher.waiters += 1
    try:
        yield watcher
    finally:
        with _guard:
            watcher.waiters -= 1
            if not watcher.waiters:
                del _watchers[key]
                watcher.end()


class Watcher:
    """Looks at one ref for every waiter of a process."""

    def __init__(self, common_dir: Path, ref: str) -> None:
        self._folders = [(common_dir / ref).parent, common_dir / TABLES]
        self._files = [
            common_dir / ref,
            common_dir / "packed-refs",
            common_dir / TABLES / "tables.list",
        ]
        self._clock = Clock()
        self._moved = threading.Condition()
        self._woken = threading.Event()
        self._is_over = False
        self.waiters = 0
        self.moves = 0
        self.looks = 0
        # Before the first waiter reads the ref: what moves later is seen.
        self._seen = self._look()
        threading.Thread(target=self._run, name="gitcoord-watch", daemon=True).start()

    def wait(self, moves: int, seconds: float) -> None:
        """Wait until the ref has moved since that count, or the time is up."""
        with self._moved:
            self._moved.wait_for(lambda: self.moves != moves, seconds)

    def wake(self) -> None:
        """Look at once."""
        self._woken.set()

    def end(self) -> None:
        """Stop looking."""
        self._is_over = True
        self._woken.set()

    def _run(self) -> None:
        events = _Events(self._folders, self.wake)
        interval_s = FIRST_INTERVAL_S
        while not self._is_over:
            events.keep_watching()
            self._woken.wait(jittered(interval_s, self._clock))
            self._woken.clear()
            now = self._look()
            if now == self._seen:
                interval_s = grown(interval_s)
                continue
            self._seen = now
            interval_s = FIRST_INTERVAL_S
            with self._moved:
                self.moves += 1
                self._moved.notify_all()
            # Entries that come in a row are one change to whoever waits.
            self._clock.sleep(PAUSE_S)
        events.end()

    def _look(self) -> list[tuple[int, int, int] | None]:
        self.looks += 1
        return [_identity(file) for file in self._files]


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        known = os.lstat(path)
    except OSError:
        return None
    return known.st_ino, known.st_mtime_ns, known.st_size


class _Events:
    """What the system tells of folders, where it does."""

    def __init__(self, folders: list[Path], wake: Callable[[], None]) -> None:
        self._folders = folders
        self._wake = wake
        self._observer: Any = None
        self._watched: list[int | None] = []

    def keep_watching(self) -> None:
        """Watch the folders that are there now; git removes empty ones."""
        present = [_inode(folder) for folder in self._folders]
        if present == self._watched:
            return
        self.end()
        self._watched = present
        self._observer = _observe(
            [folder for folder in self._folders if folder.is_dir()], self._wake
        )

    def end(self) -> None:
        """Give the system's handles back."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(1.0)
            self._observer = None


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None


def _observe(folders: list[Path], wake: Callable[[], None]) -> Any:
    """Start telling of files that are made or renamed; None where nothing tells.

    Only these: who asked for everything would be woken by each reader.
    """
    from watchdog.events import (
        FileCreatedEvent,
        FileMovedEvent,
        FileSystemEvent,
        FileSystemEventHandler,
    )
    from watchdog.observers import Observer

    # What it has to say about its own end is not for people.
    logging.getLogger("watchdog").addHandler(logging.NullHandler())
    logging.getLogger("watchdog").propagate = False

    class Wake(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            wake()

    observer = Observer()
    try:
        for folder in folders:
            observer.schedule(Wake(), str(folder), event_filter=[FileMovedEvent, FileCreatedEvent])
        observer.start()
    except OSError:
        # The user's inotify instances or watches are used up.
        observer.unschedule_all()
        return None
    return observer
