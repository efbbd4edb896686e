"""Hold what the agents of a run share, and keep as many at work as the pace says."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.core.ids import NO_AGENT, NO_TASK, AgentId, Oid
from gitcoord.core.pacing import Outcome, after
from gitcoord.features.run.assistants import Crew
from gitcoord.features.run.attempts import Means
from gitcoord.features.run.handing import Handing
from gitcoord.features.run.limits import Limits
from gitcoord.features.run.order import Order
from gitcoord.features.run.reviews import Note
from gitcoord.features.run.usages import Spending, load_prices
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.strays import descendants

__all__ = ["Shared", "Workers"]

POLL_S = 0.2
LAST_S = 5.0
MAX_FAILURES_IN_A_ROW = 10


class Shared:
    """What the agents of one run share."""

    def __init__(
        self,
        start: Path,
        ledger: str,
        command: list[str],
        tell: Callable[[Note], None],
        stop: threading.Event,
        review: str | None,
        crew: Crew,
        order: Order,
    ) -> None:
        self.start = start
        self.ledger = ledger
        self.command = command
        self.order = order
        self.review = review
        self.assistants = crew.assistants
        self.reviewers = {
            AgentId(f"run-review-{at}"): one for at, one in enumerate(crew.reviewers, 1)
        }
        self.idle: dict[str, Oid | None] = {}
        """At which tip each reviewer had nothing to judge."""
        self.left: set[str] = set()
        """The reviewers that have ended."""
        names = frozenset(one.name for one in crew.assistants)
        self.means = Means(Limits(), Spending(crew.budget, load_prices()), names)
        self.tell = tell
        self.stop = stop
        self.within = order.within
        self.pace = order.pace
        self.landing = threading.Lock()
        self.handing = Handing()
        self.hopeless: set[str] = set()
        self.errors: list[BaseException] = []
        self.waits: dict[str, str] = {}
        self.landed: list[str] = []
        self.stopped_by_failures = False
        self._failures_in_a_row = 0
        self._guard = threading.Lock()

    def tell_waiting(self, agent: AgentId, text: str) -> None:
        """Tell what an agent waits for, once for as long as it stays the same."""
        if self.waits.get(agent) != text:
            self.waits[agent] = text
            if text:
                self.tell(Note(agent, NO_TASK, "waits", text))

    def count(self, outcome: Outcome) -> None:
        """Count an attempt that ended: it may change the pace, or end the run."""
        with self._guard:
            self._failures_in_a_row += 1
            if outcome.is_success:
                self._failures_in_a_row = 0
            is_enough = self._failures_in_a_row == MAX_FAILURES_IN_A_ROW
            if is_enough and not self.order.keep_going:
                self.stopped_by_failures = True
                text = f"{MAX_FAILURES_IN_A_ROW} attempts failed in a row; --keep-going goes on"
                self.tell(Note(NO_AGENT, NO_TASK, "stopping", text))
            if self.pace is None:
                return
            before, self.pace = self.pace, after(self.pace, outcome)
            if self.pace.jobs != before.jobs:
                text = (
                    f"{self.pace.jobs} agent(s): {self.pace.failure_rate:.0%} of the last "
                    f"{len(self.pace.recent)} attempts failed, overhead {self.pace.overhead:.0%}"
                )
                self.tell(Note(NO_AGENT, NO_TASK, "pace", text))

    def is_within_pace(self, position: int) -> bool:
        """Return whether the agent of this position, from 1, may work now."""
        return self.pace is None or position <= self.pace.jobs

    @property
    def takes_no_more(self) -> bool:
        """Whether no agent begins with a further task."""
        return self.stop.is_set() or self.stopped_by_failures


class Workers:
    """The agents at work, each in a thread of its own."""

    def __init__(self, shared: Shared, work: Callable[[AgentId, int], None]) -> None:
        self._shared = shared
        self._work = work
        self._ended: dict[AgentId, threading.Event] = {}
        self._reviewing: dict[AgentId, threading.Event] = {}
        self._is_done: set[AgentId] = set()
        """Who found nothing more to do: it is not started again."""

    @property
    def have_ended(self) -> bool:
        """Whether no agent is at work."""
        return all(event.is_set() for event in self._ended.values())

    def start_reviewer(self, agent: AgentId, review: Callable[[AgentId], None]) -> None:
        """Start an agent that reviews what the others do."""
        self._reviewing[agent] = self._started(agent, lambda: review(agent))

    def start(self, agent: AgentId, position: int) -> None:
        """Start an agent at its work."""

        def work() -> None:
            self._work(agent, position)
            if self._shared.is_within_pace(position):
                self._is_done.add(agent)

        self._ended[agent] = self._started(agent, work)

    def _started(self, agent: AgentId, work: Callable[[], None]) -> threading.Event:
        """Start a thread; the event that is returned says when it is over.

        ``Thread.join`` cannot say it: before Python 3.13 an interrupted join
        takes the thread for ended while it still runs.
        """
        ended = threading.Event()

        def run() -> None:
            try:
                work()
            finally:
                ended.set()

        threading.Thread(target=run, name=agent, daemon=True).start()
        return ended

    def _is_wanted(self, agent: AgentId, position: int) -> bool:
        ended = self._ended.get(agent)
        if not self._shared.is_within_pace(position) or agent in self._is_done:
            return False
        return ended is None or ended.is_set()

    def keep_at_work(self, agent_at: Callable[[int], AgentId | None]) -> None:
        """Start the agents that the pace allows and that are not at work."""
        pace = self._shared.pace
        if pace is None or self._is_done or self._shared.takes_no_more:
            return
        for position in range(1, pace.jobs + 1):
            agent = agent_at(position)
            if agent is not None and self._is_wanted(agent, position):
                self.start(agent, position)

    def wait(self, agent_at: Callable[[int], AgentId | None]) -> bool:
        """Wait for the agents; return whether Ctrl-C stopped them.

        Raises:
            KeyboardInterrupt: It came twice: everything that was left was ended.

        """
        shared = self._shared
        with _counted_interrupts() as interrupts:
            while not all(event.is_set() for event in self._events()):
                events = self._events()
                for event in events:
                    event.wait(POLL_S / len(events))
                self.keep_at_work(agent_at)
                if interrupts and not shared.stop.is_set():
                    shared.stop.set()
                    text = "Ctrl-C again ends at once whatever is left"
                    shared.tell(Note(NO_AGENT, NO_TASK, "stopping", text))
                if len(interrupts) > 1:
                    self._end_everything()
                    raise KeyboardInterrupt
            return bool(interrupts)

    def _events(self) -> list[threading.Event]:
        return [*self._ended.values(), *self._reviewing.values()]

    def _end_everything(self) -> None:
        """Kill every process below this one, and say what that leaves behind."""
        killed = descendants(os.getpid())
        for pid in killed:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        deadline = Deadline(Clock(), LAST_S)
        ended = self._events()
        for event in ended:
            event.wait(deadline.remaining())
        text = f"{len(killed)} process(es) were killed"
        if not all(event.is_set() for event in ended):
            text += "; claims that are still held end with their leases"
        self._shared.tell(Note(NO_AGENT, NO_TASK, "ended", text))


@contextmanager
def _counted_interrupts() -> Iterator[list[int]]:
    """Count Ctrl-C instead of raising: an exception could come anywhere, and twice."""
    counted: list[int] = []
    old = signal.getsignal(signal.SIGINT)
    if old is not signal.default_int_handler or threading.current_thread().name != "MainThread":
        yield counted
        return
    signal.signal(signal.SIGINT, lambda number, _frame: counted.append(number))
    try:
        yield counted
    finally:
        signal.signal(signal.SIGINT, old)
