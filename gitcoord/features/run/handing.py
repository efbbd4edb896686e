"""Let a run tell what was handed in before it tells what landed with it.

Whoever hands in is told that it is done a moment after everyone else can
see it in the ledger, and another agent may land the phase meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gitcoord.core.ids import TaskId

__all__ = ["Handing"]

LONGEST_S = 10.0


class Handing:
    """The tasks of a run whose results are being handed in now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tasks: set[TaskId] = set()

    @contextmanager
    def of(self, task: TaskId) -> Iterator[None]:
        """Hand in the result of a task, and tell it."""
        with self._changed:
            self._tasks.add(task)
        try:
            yield
        finally:
            with self._changed:
                self._tasks.discard(task)
                self._changed.notify_all()

    def now(self) -> list[TaskId]:
        """Return the tasks whose results are being handed in."""
        with self._changed:
            return sorted(self._tasks)

    def wait(self, tasks: Iterable[TaskId]) -> None:
        """Wait until none of these is being handed in; not for ever, as it is for the eye alone."""
        named = set(tasks)
        with self._changed:
            self._changed.wait_for(lambda: not self._tasks & named, LONGEST_S)
