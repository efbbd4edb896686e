"""Read clocks, draw random values and sleep: the only place that does.

Leases are judged by the monotonic clock. On Linux it stands still while
the machine is suspended, so that a suspended holder loses nothing. The
wall clock is for readers of the history alone.
"""

from __future__ import annotations

import os
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # whoever asks for the time alone needs no ids
    from gitcoord.core.ids import Token

__all__ = ["Clock", "Deadline", "time_offset"]

FIRST_BACKOFF_S = 0.002
MAX_BACKOFF_S = 0.25
LATE_S = 3600
"""How long a time of day may be over, and still be meant."""
# The kernel gives the first time namespace this number.
_FIRST_TIME_NAMESPACE = "time:[4026531834]"


class Clock:
    """The clocks and the chance of this machine."""

    __slots__ = ("_boot_id", "_offset")

    def __init__(self) -> None:
        self._boot_id = ""
        self._offset: str | None = None

    def monotonic_ns(self) -> int:
        """Return the monotonic clock, common to all processes of a boot."""
        return time.monotonic_ns()

    def seconds(self) -> int:
        """Return the wall clock in whole seconds, for reading only."""
        return int(time.time())

    def local_seconds(self, date: tuple[int, int, int, int, int]) -> int | None:
        """Return year, month, day, hour and minute of the local clock in Unix seconds.

        With 0 for the first three it is the next such time of day, or one that
        is over since less than an hour: what names it may be told late. None
        where there is no such time.
        """
        year, month, day, hour, minute = date
        now = time.localtime()
        try:
            if year:
                return int(time.mktime((year, month, day, hour, minute, 0, 0, 0, -1)))
            days = [(now.tm_year, now.tm_mon, now.tm_mday + step) for step in (-1, 0, 1)]
            found = [int(time.mktime((*day, hour, minute, 0, 0, 0, -1))) for day in days]
        except (OverflowError, ValueError):
            return None
        return next((one for one in found if one > time.time() - LATE_S), found[-1])

    def boot_id(self) -> str:
        """Return the name of this boot of this machine."""
        if not self._boot_id:
            self._boot_id = _read_boot_id()
        return self._boot_id

    def machine_id(self) -> str:
        """Return the name of what has one monotonic clock.

        That is a boot, save in a time namespace (of a container, or of a
        restored checkpoint), which shares the boot and not the clock.
        """
        if self._offset is None:
            self._offset = time_offset()
        if not self._offset:
            return self.boot_id()
        return f"{self.boot_id()}+{self._offset}"

    def token(self) -> Token:
        """Draw 128 random bits, in hex."""
        return cast("Token", os.urandom(16).hex())

    def random(self) -> float:
        """Draw a number from 0 to 1, without 1."""
        return (int.from_bytes(os.urandom(7), "big") >> 3) / 2**53

    def sleep(self, seconds: float) -> None:
        """Let others work for a while."""
        time.sleep(seconds)

    def backoff(self, attempt: int) -> float:
        """Draw how long to wait before the next try: exponential, full jitter."""
        return self.random() * float(min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 16)))


class Deadline:
    """A point in monotonic time that a wait does not pass."""

    __slots__ = ("_clock", "_end_ns", "seconds")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self.seconds = seconds
        self._end_ns = clock.monotonic_ns() + int(seconds * 1e9)

    def remaining(self) -> float:
        """Return the seconds that are left, never less than zero."""
        return max(0.0, (self._end_ns - self._clock.monotonic_ns()) / 1e9)

    @property
    def expired(self) -> bool:
        """Whether nothing is left."""
        return self.remaining() <= 0


def time_offset() -> str:
    """Return how far our clocks are from the machine's own, as a name.

    Nothing where they are those of the machine. Where the offsets cannot be
    told (they are those of our children alone), the namespace is named.
    """
    try:
        own = Path("/proc/self/ns/time").readlink()
        if own.name == _FIRST_TIME_NAMESPACE:
            return ""
        if Path("/proc/self/ns/time_for_children").readlink() != own:
            return own.name.strip("time:[]")
        rows = Path("/proc/self/timens_offsets").read_text("utf-8").splitlines()
    except OSError:
        return ""  # a system without time namespaces
    offsets = [".".join(row.split()[1:]) for row in rows]
    if all(offset == "0.0" for offset in offsets):
        return ""
    return "_".join(offsets)


@lru_cache(maxsize=1)
def _read_boot_id() -> str:
    try:
        # Of ASCII alone, whose codec a file would load for it: UTF-8's is there already.
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        pass
    import uuid

    if sys.platform == "darwin":
        import subprocess

        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout.strip().lower()
    return f"host-{uuid.getnode():x}"
