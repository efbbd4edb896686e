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
SLOWER = 1.02
"""By which the quickest fetch counts for longer with each: a clone may move to a slower line."""


class Contacts:
    """The wire of one ledger in one clone, and when the server was last heard."""

    def __init__(self, folder: Path, ledger: str, clock: Clock) -> None:
        self._file = folder / f"{ledger}.json"
        self._met = folder / f"{ledger}.met"
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

    def is_busy(self) -> bool:
        """Return whether a process has the wire now, or a git that it started."""
        wire = QueueLock(self._wire.path)
        is_free = wire.is_taken_now()
        wire.release()
        wire.forget()
        return not is_free

    def note(self, began_ns: int, *, is_fetch: bool = True) -> None:
        """Keep when the newest talk began: what stood there then is known here."""
        ended_ns = self._clock.monotonic_ns()
        took_ns = 0
        if is_fetch:
            took_ns = ended_ns - began_ns
        content = {
            "boot": self._clock.machine_id(),
            "ns": began_ns,
            "ended_ns": ended_ns,
            "seconds": self._clock.seconds(),
            **self._fetches(took_ns),
        }
        with suppress(OSError):
            # Whoever does not find it asks the server once more.
            replace_file(self._file, json.dumps(content, sort_keys=True).encode())

    def _fetches(self, took_ns: int) -> dict[str, int]:
        """Return how long the newest fetch took, and the quickest; 0: there was none anew."""
        newest_ns, quickest_ns = (self._kept_ns(key) for key in ("fetch_ns", "quickest_ns"))
        if took_ns:
            newest_ns = took_ns
            quickest_ns = min(took_ns, int(quickest_ns * SLOWER) or took_ns)
        return {"fetch_ns": newest_ns, "quickest_ns": quickest_ns}

    def last_ns(self) -> int:
        """Return when the newest talk began, in monotonic nanoseconds of this boot; else 0."""
        return self._noted_ns("ns")

    def last_end_ns(self) -> int:
        """Return when the newest talk was over, in monotonic nanoseconds of this boot; else 0."""
        return self._noted_ns("ended_ns")

    def _noted_ns(self, key: str) -> int:
        return self._ns_of(self._kept(), key)

    def _ns_of(self, kept: dict[str, Any], key: str) -> int:
        if kept.get("boot") != self._clock.machine_id() or type(kept.get(key)) is not int:
            return 0
        return min(int(kept[key]), self._clock.monotonic_ns())

    def round_s(self) -> float:
        """Return what a fetch and a push take, by the newest fetch, in seconds; 0: unknown."""
        return 2 * self._kept_ns("fetch_ns") / 1e9

    def quickest_s(self) -> float:
        """Return what a fetch and a push took at best, not long ago, in seconds; 0: unknown."""
        return 2 * self._kept_ns("quickest_ns") / 1e9

    def _kept_ns(self, key: str) -> int:
        kept_ns = self._kept().get(key)
        if type(kept_ns) is not int:
            return 0
        return max(0, kept_ns)

    def age_s(self) -> int | None:
        """Return how old what is known here is, in seconds of the wall clock; None: unknown."""
        seconds = self._kept().get("seconds")
        if type(seconds) is not int:
            return None
        return max(0, self._clock.seconds() - seconds)

    def met_ns(self) -> int:
        """Return when this clone last met others at the ledger's ref; 0: not in this boot.

        In monotonic nanoseconds.
        """
        return self._ns_of(_read(self._met), "ns")

    def note_met(self) -> None:
        """Keep that this clone meets others now."""
        content = {"boot": self._clock.machine_id(), "ns": self._clock.monotonic_ns()}
        with suppress(OSError):
            # Whoever does not find it loses one more push.
            replace_file(self._met, json.dumps(content, sort_keys=True).encode())

    def forget_met(self) -> None:
        """Keep that nobody else is about."""
        with suppress(OSError):
            self._met.unlink(missing_ok=True)

    def _kept(self) -> dict[str, Any]:
        return _read(self._file)


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(read_file(file, _MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return kept
