"""Wait until the ledger moves, without a busy loop.

watchdog tells when the ref's file is replaced; where a file system gives
no events a slow poll finds it. Our own reads never wake us: only a new,
moved or changed file of the ledger's name does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from gitcoord.features.workspace import Workspace
from gitcoord.host.clock import Deadline

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

__all__ = ["wait_for_change"]

POLL_S = 1.0


def wait_for_change(
    work: Workspace, tip: str | None, seconds: float, stop: threading.Event | None = None
) -> bool:
    """Wait until the ledger is no longer at ``tip``; False when time is up."""
    if seconds <= 0:
        return work.ledger.tip() != tip
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    woken = threading.Event()
    name = work.ledger.name

    class Wake(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in {"created", "moved", "modified"} and (
                str(event.src_path).endswith(("/" + name, "/packed-refs"))
                or str(event.dest_path).endswith("/" + name)
            ):
                woken.set()

    observer: Any = Observer()
    folder = work.place.common_dir / "refs" / "heads" / "gitcoord"
    try:
        if folder.is_dir():
            observer.schedule(Wake(), str(folder))
        observer.start()
    except OSError:
        observer = None
    deadline = Deadline(work.clock, seconds)
    try:
        while not (stop is not None and stop.is_set()):
            # Looked at after the watch began: what moved before is not missed.
            if work.ledger.tip() != tip:
                return True
            if deadline.expired:
                return False
            woken.wait(min(POLL_S, deadline.remaining()))
            woken.clear()
        return False
    finally:
        if observer is not None:
            observer.stop()
            observer.join(1.0)
