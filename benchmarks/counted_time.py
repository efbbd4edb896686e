"""A clock that is only counted, and seats that are waited for, for models in memory."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from typing import TypeVar

__all__ = ["Seats", "Step", "Time"]

_T = TypeVar("_T")


class Seats:
    """Something of which so many can be had at a time; the others wait in line."""

    def __init__(self, count: int) -> None:
        self.free = count
        self.line: deque[Step[object]] = deque()


Step = Generator[float | Seats, None, _T]
"""What goes on as time does: it yields seconds to wait, or the seats that it wants one of."""


class Time:
    """Runs what waits, in the order in which it is due."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, Step[object]]] = []
        self._count = 0

    def begin(self, step: Step[object], after_s: float = 0.0) -> None:
        """Let something begin, or go on, after so many seconds."""
        self._count += 1
        heapq.heappush(self._due, (self.now_s + after_s, self._count, step))

    def leave(self, seats: Seats) -> None:
        """Give a seat back; whoever waits the longest has it."""
        if seats.line:
            self.begin(seats.line.popleft())
        else:
            seats.free += 1

    def run(self, until_s: float) -> None:
        """Run all that is due until then."""
        while self._due and self._due[0][0] <= until_s:
            self.now_s, _, step = heapq.heappop(self._due)
            self._go_on(step)
        self.now_s = until_s

    def _go_on(self, step: Step[object]) -> None:
        for wanted in step:
            if not isinstance(wanted, Seats):
                self.begin(step, wanted)
                return
            if wanted.free == 0:
                wanted.line.append(step)
                return
            wanted.free -= 1
