"""Estimate when the rest of a plan will be done, from what was done so far. Pure.

The remaining tasks are worked through many times over: each time every task
takes as long as some finished one did, measured by its estimate where both
have one, and fails as often as tasks did. The middle half of the ends is
the answer. Chance is seeded, so that one state has one answer.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from gitcoord.core.chance import Chance
from gitcoord.core.shapes import NamedTuple

__all__ = ["MIN_FINISHED", "Finished", "Remaining", "Span", "estimate", "makespan"]

MIN_FINISHED = 3
MAX_STEPS = 10_000
MAX_TRIALS = 40
MIN_TRIALS = 15
MAX_TASKS = 20_000
MAX_ATTEMPTS = 20
MAX_FAILURE_RATE = 0.9


class Finished(NamedTuple):
    """How long a finished task took, and what the plan had estimated."""

    took_ms: int
    estimate_ms: int | None


class Remaining(NamedTuple):
    """A task that is not done; ``elapsed_ms`` is None where nobody works on it."""

    name: str
    needs: tuple[str, ...]
    estimate_ms: int | None
    elapsed_ms: int | None = None
    is_work: bool = True
    """Whether it takes time; what does not only waits for what it needs."""


class Span(NamedTuple):
    """From when to when it will probably be done, in milliseconds; or why nobody knows."""

    low_ms: int | None
    high_ms: int | None
    basis: str


def estimate(
    finished: Sequence[Finished],
    remaining: Sequence[Remaining],
    agents: int,
    failure_rate: float,
    seed: int = 0,
) -> Span:
    """Return the middle half of the ends that chance gives the remaining tasks."""
    tasks = sum(one.is_work for one in remaining)
    if not tasks:
        return Span(None, None, "nothing is left to do")
    if len(finished) < MIN_FINISHED:
        did = len(finished)
        return Span(None, None, f"unknown: {MIN_FINISHED} tasks have to finish first, {did} did")
    if tasks > MAX_TASKS:
        return Span(None, None, f"unknown: more than {MAX_TASKS} tasks remain")
    chance = Chance(seed)
    trials = max(MIN_TRIALS, min(MAX_TRIALS, MAX_STEPS // len(remaining)))
    order = _Order(remaining)
    ends = sorted(
        order.last_end(_drawn(finished, remaining, failure_rate, chance), agents)
        for _ in range(trials)
    )
    basis = (
        f"{len(finished)} finished tasks, {tasks} remaining, {max(1, agents)} agent(s) at "
        f"work, {failure_rate:.0%} of attempts failed"
    )
    return Span(ends[trials // 4], ends[(3 * trials) // 4], basis)


def _drawn(
    finished: Sequence[Finished],
    remaining: Sequence[Remaining],
    failure_rate: float,
    chance: Chance,
) -> list[int]:
    """Draw how long each task takes from now on.

    What has finished is itself one draw of many that could have been, and
    few of the long ones are among it yet: so each time it is drawn anew, and
    the tasks that run now are added with the time that they were given.
    """
    durations = _Durations(chance.choices(finished, len(finished)), failure_rate, chance)
    drawn = [0] * len(remaining)
    for number, one in enumerate(remaining):
        if one.elapsed_ms is not None:
            drawn[number] = durations.left(one, one.elapsed_ms)
            durations.learn(Finished(one.elapsed_ms + drawn[number], one.estimate_ms))
    begin = [at for at, one in enumerate(remaining) if one.elapsed_ms is None and one.is_work]
    for number, took_ms in zip(begin, durations.each([remaining[at] for at in begin]), strict=True):
        drawn[number] = took_ms
    if failure_rate > 0:
        for number, one in enumerate(remaining):
            if one.is_work:
                drawn[number] += durations.again(one)
    return drawn


class _Durations:
    """Draw how long attempts take."""

    def __init__(self, finished: Sequence[Finished], failure_rate: float, chance: Chance) -> None:
        self._took: list[int] = []
        self._ratios: list[float] = []
        self._failure_rate = min(failure_rate, MAX_FAILURE_RATE)
        self._chance = chance
        for one in finished:
            self.learn(one)

    def learn(self, finished: Finished) -> None:
        """Take one more task into account."""
        self._took.append(finished.took_ms)
        if finished.estimate_ms:
            self._ratios.append(finished.took_ms / finished.estimate_ms)

    def once(self, task: Remaining) -> int:
        """Return how long an attempt takes."""
        if task.estimate_ms and len(self._ratios) >= MIN_FINISHED:
            return round(task.estimate_ms * self._chance.choice(self._ratios))
        return self._chance.choice(self._took)

    def each(self, tasks: Sequence[Remaining]) -> list[int]:
        """Return how long an attempt of each task takes."""
        if len(self._ratios) < MIN_FINISHED:
            return self._chance.choices(self._took, len(tasks))
        return [self.once(task) for task in tasks]

    def again(self, task: Remaining) -> int:
        """Return how long the attempts take that follow failed ones."""
        total = 0
        for _ in range(MAX_ATTEMPTS):
            if self._chance.random() >= self._failure_rate:
                break
            total += self.once(task)
        return total

    def left(self, task: Remaining, elapsed_ms: int) -> int:
        """Return for how long an attempt goes on that runs for a time already.

        It takes as long as one of those that took longer; where none did,
        as long again.
        """
        for _ in range(MAX_ATTEMPTS):
            took_ms = self.once(task)
            if took_ms > elapsed_ms:
                return took_ms - elapsed_ms
        return elapsed_ms


def makespan(remaining: Sequence[Remaining], durations: Mapping[str, int], agents: int) -> int:
    """Return when the last task ends if each agent takes the next one that is ready.

    Tasks that run already come first. Tasks whose needs never come are left out.
    """
    return _Order(remaining).last_end([durations[one.name] for one in remaining], agents)


class _Order:
    """Which of the remaining tasks waits for which; read once, and worked through often."""

    def __init__(self, remaining: Sequence[Remaining]) -> None:
        numbers = {one.name: number for number, one in enumerate(remaining)}
        self._missing: list[int] = []
        self._behind: list[list[int]] = [[] for _ in remaining]
        self._running: list[int] = []
        for number, one in enumerate(remaining):
            needs = [numbers[need] for need in one.needs if need in numbers]
            self._missing.append(len(needs))
            for need in needs:
                self._behind[need].append(number)
            if one.elapsed_ms is not None:
                self._running.append(number)

    def last_end(self, durations: Sequence[int], agents: int) -> int:
        """Return when the last task ends, if each takes as long as its number says."""
        missing = list(self._missing)
        for number in self._running:
            missing[number] = -1  # it is at work, whatever it needs
        ready = [number for number, count in enumerate(missing) if not count]
        at_work = [(durations[number], number) for number in self._running]
        heapq.heapify(at_work)
        free = max(1, agents) - len(at_work)
        now = 0
        while at_work or ready:
            while ready and free > 0:
                number = heapq.heappop(ready)
                heapq.heappush(at_work, (now + durations[number], number))
                free -= 1
            now, number = heapq.heappop(at_work)
            free += 1
            for other in self._behind[number]:
                missing[other] -= 1
                if not missing[other]:
                    heapq.heappush(ready, other)
        return now
