"""Draw numbers by chance from a seed: the same everywhere, for estimates alone.

What has to be hard to guess is drawn by ``host.clock``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Chance"]

_T = TypeVar("_T")
_END = 1 << 64
_MASK = _END - 1
_STEP = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Chance:
    """A sequence of numbers that follows from its seed (SplitMix64)."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def random(self) -> float:
        """Return a number from 0 up to but not including 1."""
        self._state = (self._state + _STEP) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * _FIRST) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * _SECOND) & _MASK
        return (mixed ^ (mixed >> 31)) / _END

    def choices(self, values: Sequence[_T], count: int) -> list[_T]:
        """Return so many of some values, as ``choice`` would one after another."""
        state, number, drawn = self._state, len(values), []
        for _ in range(count):
            state = (state + _STEP) & _MASK
            mixed = ((state ^ (state >> 30)) * _FIRST) & _MASK
            mixed = ((mixed ^ (mixed >> 27)) * _SECOND) & _MASK
            drawn.append(values[int((mixed ^ (mixed >> 31)) / _END * number)])
        self._state = state
        return drawn

    def choice(self, values: Sequence[_T]) -> _T:
        """Return one of some values, each as likely."""
        return values[int(self.random() * len(values))]
