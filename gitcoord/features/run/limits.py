"""Know until when each assistant of a run has reached its usage limit, and wait it out.

A limit is not a failure. For as long as the plan's ``limit_wait`` the claim is
kept beating; then, or at once where the limit is known to last longer, the
task is given back with its session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from gitcoord.core.assistant_output import Told
from gitcoord.core.model import PlanRecord
from gitcoord.core.plan_limits import LIMIT_WAIT_MS
from gitcoord.core.times import instant
from gitcoord.host.clock import Clock

__all__ = ["Limits", "Patience", "until_of"]

POLL_S = 0.5
MINUTE_S = 60
FIRST_TRY_S = 60.0
"""After how long a session is tried again where nobody says when its limit ends."""


class Limits:
    """Until when each assistant of a run is at its limit, for all workers of the run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, int] = {}

    def note(self, assistant: str, until: int) -> None:
        """Note that an assistant has reached its limit, until a time in Unix seconds."""
        with self._lock:
            self._until[assistant] = max(until, self._until.get(assistant, 0))

    def left_s(self, assistant: str, clock: Clock) -> float:
        """Return for how many seconds an assistant has nothing left; 0 where it has."""
        with self._lock:
            return max(0, self._until.get(assistant, 0) - clock.seconds())

    def told(self, assistant: str, others: Collection[str], clock: Clock) -> str:
        """Return when an assistant goes on, and who goes on meanwhile."""
        with self._lock:
            until = self._until.get(assistant, 0)
        free = sorted(name for name in others if not self.left_s(name, clock))
        meanwhile = ""
        if free:
            meanwhile = f"; until then {' and '.join(free)} alone"
        return (
            f"{assistant} has reached its usage limit, and goes on at {instant(until)}{meanwhile}"
        )


class Patience:
    """For how long one attempt still waits at a limit, with its claim kept."""

    def __init__(self, plan: PlanRecord, clock: Clock) -> None:
        self._clock = clock
        self._end = clock.monotonic_ns() + plan.get("limit_wait_ms", LIMIT_WAIT_MS) * 1_000_000
        self._next_s = FIRST_TRY_S

    def seconds(self, until: int | None) -> float | None:
        """Return how long to wait before the next try; None where that is too long.

        ``until`` is when the limit ends, in Unix seconds, None where nobody knows.
        """
        left_s = (self._end - self._clock.monotonic_ns()) / 1e9
        wait_s = min(self._next_s, left_s)
        if until is None:
            self._next_s *= 2
        else:
            wait_s = max(0, until - self._clock.seconds()) + POLL_S
        if left_s <= 0 or wait_s > left_s:
            return None
        return wait_s

    def sleep(self, seconds: float, is_over: Callable[[], bool]) -> bool:
        """Wait; False where it is over before that."""
        end = self._clock.monotonic_ns() + int(seconds * 1e9)
        while self._clock.monotonic_ns() < end:
            if is_over():
                return False
            self._clock.sleep(min(POLL_S, seconds))
        return True


def until_of(told: Told, clock: Clock) -> int | None:
    """Return when a limit ends, in Unix seconds, as far as the session told it."""
    if told.until is not None:
        return told.until
    if told.until_local is None:
        return None
    found = clock.local_seconds(told.until_local)
    if found is None:
        return None
    # A sentence names the minute in which it ends: tried before its end it would refuse again.
    return found + MINUTE_S
