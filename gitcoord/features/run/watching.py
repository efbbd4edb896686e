"""Watch a command of a run: whether its time is over, and whether it hangs."""

from __future__ import annotations

from gitcoord.core import ids
from gitcoord.core.hanging import hung_ms
from gitcoord.core.ids import TaskId, Token
from gitcoord.core.model import Said, TaskSpec
from gitcoord.core.sentences import said
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.inspect.idleness import idle_ms
from gitcoord.features.workspace import Workspace
from gitcoord.host.clock import Deadline

__all__ = ["NO_LIMIT", "TimeLimit", "Watch"]

MAX_LOOK_S = 5.0


class TimeLimit(NamedTuple):
    """How long a command may take: a time, or so many times the task's estimate.

    Where both are given the estimate decides, and the time is for tasks without one.
    """

    limit_ms: int | None = None
    estimates: float | None = None

    def of(self, spec: TaskSpec) -> int | None:
        """Return the limit for a task in milliseconds; None where there is none."""
        if self.estimates and spec["estimate_ms"]:
            return round(self.estimates * spec["estimate_ms"])
        return self.limit_ms


NO_LIMIT = TimeLimit()


class Watch:
    """Watches one command while it works on one claim."""

    def __init__(
        self, work: Workspace, task: TaskId, token: Token, limit: TimeLimit, *, ends_hung: bool
    ) -> None:
        snapshot = work.ledger.snapshot()
        spec = snapshot.require_task(task)["spec"]
        self._work, self._task, self._token = work, task, token
        self._ends_hung = ends_hung
        self._hung_ms = hung_ms(snapshot.plan(), spec)
        self._limit_ms = limit.of(spec)
        self._deadline = Deadline(work.clock, (self._limit_ms or 0) / 1000)
        self._look_s = min(MAX_LOOK_S, self._hung_ms / 4000)
        self._next_look = Deadline(work.clock, self._look_s)
        self.is_hung = False
        """Whether it left no trace of work for too long, when it was last looked at."""

    @property
    def hung_for(self) -> str:
        """How long a command may leave no trace, in words."""
        return ids.show_duration(self._hung_ms)

    def verdict(self) -> Said | None:
        """Return why the command has to be ended; None where it may go on."""
        if self._limit_ms is not None and self._deadline.expired:
            return said("command-too-long", limit=ids.show_duration(self._limit_ms))
        if self._next_look.expired:
            self._next_look = Deadline(self._work.clock, self._look_s)
            self.is_hung = self._idle_ms() > self._hung_ms
        if self.is_hung and self._ends_hung:
            return said("command-hung", limit=self.hung_for)
        return None

    def _idle_ms(self) -> int:
        task = self._work.ledger.snapshot().task(self._task)
        if task is None or task["claim"] is None or task["claim"]["token"] != self._token:
            return 0
        return idle_ms(self._work, task, task["claim"], self._work.ledger.context())
