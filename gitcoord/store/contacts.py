"""Let the processes of one clone share what they hear from the server.

One at a time has the wire. Whoever waited for it while another one fetched or
pushed knows what that one knows, and needs no fetch of its own. The kernel
takes the wire from a process that dies, as soon as the git that it started is
over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock
from gitcoord.host.files import read_file, replace_file
from gitcoord.host.processes import process_of
from gitcoord.store.queue import QueueLock

__all__ = ["Contacts"]

_MAX_BYTES = 4096


class Contacts:
    """The wire of one ledger in one clone, and when the server was last heard."""

    def __init__(self, folder: Path, ledger: str, clock: Clock) -> None:
        self._file = folder / f"{ledger}.json"
        self._wire = QueueLock(folder / f"{ledger}.wire")
        self._clock = clock

    @contextmanager
    def hold(self, seconds: float) -> Iterator[tuple[int, ...]]:
        """Wait for the wire, and yield the handles that hold it.

        Raises:
            UnavailableError: Another process has it for longer than that.

        """
        with self._wire.hold(seconds) as is_held:
            if not is_held:
                holder = process_of(self._wire.holder()) or "another process"
                raise UnavailableError(
                    f"{holder} has talked with the server for more than {seconds:g} seconds",
                    hint="try again",
                )
            yield self._wire.handles

    def note(self, began_ns: int) -> None:
        """Keep when the newest talk began: what stood there then is known here."""
        content = {
            "boot": self._clock.machine_id(),
            "ns": began_ns,
            "ended_ns": self._clock.monotonic_ns(),
            "seconds": self._clock.seconds(),
        }
        with suppress(OSError):
            # Whoever does not find it asks the server once more.
            replace_file(self._file, json.dumps(content, sort_keys=True).encode())

    def last_ns(self) -> int:
        """Return when the newest talk began, in monotonic nanoseconds of this boot; else 0."""
        return self._noted_ns("ns")

    def last_end_ns(self) -> int:
        """Return when the newest talk was over, in monotonic nanoseconds of this boot; else 0."""
        return self._noted_ns("ended_ns")

    def _noted_ns(self, key: str) -> int:
        kept = self._kept()
        if kept.get("boot") != self._clock.machine_id() or type(kept.get(key)) is not int:
            return 0
        return min(int(kept[key]), self._clock.monotonic_ns())

    def age_s(self) -> int | None:
        """Return how old what is known here is, in seconds of the wall clock; None: unknown."""
        seconds = self._kept().get("seconds")
        if type(seconds) is not int:
            return None
        return max(0, self._clock.seconds() - seconds)

    def _kept(self) -> dict[str, Any]:
        try:
            kept = json.loads(read_file(self._file, _MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(kept, dict):
            return {}
        return kept
