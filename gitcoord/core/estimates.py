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
MAX_STEPS = 30_000
MAX_TRIALS = 80
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
    ends = sorted(
        makespan(remaining, _drawn(finished, remaining, failure_rate, chance), agents)
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
) -> dict[str, int]:
    """Draw how long each task takes from now on.

    What has finished is itself one draw of many that could have been, and
    few of the long ones are among it yet: so each time it is drawn anew, and
    the tasks that run now are added with the time that they were given.
    """
    durations = _Durations([chance.choice(finished) for _ in finished], failure_rate, chance)
    at_work = [one for one in remaining if one.elapsed_ms is not None]
    rest = [one for one in remaining if one.elapsed_ms is None and one.is_work]
    drawn = {one.name: 0 for one in remaining}
    for one in at_work:
        elapsed_ms = one.elapsed_ms or 0
        left_ms = durations.left(one, elapsed_ms)
        drawn[one.name] = left_ms
        durations.learn(Finished(elapsed_ms + left_ms, one.estimate_ms))
    for one in rest:
        drawn[one.name] = durations.once(one)
    for one in (*at_work, *rest):
        drawn[one.name] += durations.again(one)
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
    names = {one.name for one in remaining}
    missing = {one.name: sum(need in names for need in one.needs) for one in remaining}
    behind: dict[str, list[str]] = {}
    for one in remaining:
        for need in one.needs:
            behind.setdefault(need, []).append(one.name)
    order = {one.name: number for number, one in enumerate(remaining)}
    running = [one.name for one in remaining if one.elapsed_ms is not None]
    at_work = [(durations[name], name) for name in running]
    heapq.heapify(at_work)
    free = max(1, agents) - len(at_work)
    started = set(running)
    ready = [order[one.name] for one in remaining if not missing[one.name]]
    ready = [number for number in ready if remaining[number].name not in started]
    now = 0
    while at_work or ready:
        while ready and free > 0:
            name = remaining[heapq.heappop(ready)].name
            heapq.heappush(at_work, (now + durations[name], name))
            free -= 1
        now, name = heapq.heappop(at_work)
        free += 1
        for other in behind.get(name, ()):
            missing[other] -= 1
            if not missing[other] and other not in started:
                heapq.heappush(ready, order[other])
    return now
