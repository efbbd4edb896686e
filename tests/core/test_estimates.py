"""When the rest will be done: simple plans by hand, and two hundred simulated runs."""

from __future__ import annotations

import heapq
from random import Random

import pytest

from gitcoord.core.estimates import Finished, Remaining, estimate, makespan


def test_below_three_finished_tasks_nobody_knows() -> None:
    left = [Remaining("a", (), None)]
    found = estimate([Finished(1000, None)] * 2, left, 1, 0.0)
    assert found == (None, None, "unknown: 3 tasks have to finish first, 2 did")
    assert estimate([Finished(1000, None)] * 3, left, 1, 0.0)[:2] == (1000, 1000)
    assert estimate([], [], 1, 0.0) == (None, None, "nothing is left to do")


def test_a_chain_takes_as_long_as_its_tasks_and_agents_work_beside_each_other() -> None:
    chain = [Remaining("a", (), None), Remaining("b", ("a",), None), Remaining("c", ("b",), None)]
    durations = {"a": 10, "b": 20, "c": 5, "d": 30}
    assert makespan(chain, durations, 4) == 35
    beside = [*chain, Remaining("d", (), None)]
    assert makespan(beside, durations, 2) == 35
    assert makespan(beside, durations, 1) == 65
    assert makespan(beside, durations, 0) == 65


def test_tasks_that_run_already_come_first_even_without_a_free_agent() -> None:
    left = [Remaining("a", (), None), Remaining("b", (), None, 5), Remaining("c", (), None, 5)]
    assert makespan(left, {"a": 10, "b": 7, "c": 8}, 1) == 18


def test_a_task_whose_need_never_comes_is_left_out() -> None:
    left = [Remaining("a", ("b",), None), Remaining("b", ("a",), None), Remaining("c", (), None)]
    assert makespan(left, {"a": 1, "b": 1, "c": 3}, 1) == 3


def test_an_estimate_of_the_plan_counts_once_it_was_compared_with_what_tasks_took() -> None:
    left = [Remaining("a", (), 60_000)]
    twice = [Finished(20_000, 10_000)] * 3
    assert estimate(twice, left, 1, 0.0)[:2] == (120_000, 120_000)
    without = [Finished(20_000, None)] * 3
    assert estimate(without, left, 1, 0.0)[:2] == (20_000, 20_000)


def test_what_ran_longer_than_anything_before_takes_as_long_again() -> None:
    left = [Remaining("a", (), None, 50_000)]
    assert estimate([Finished(20_000, None)] * 3, left, 1, 0.0)[:2] == (50_000, 50_000)
    left = [Remaining("a", (), None, 15_000)]
    assert estimate([Finished(20_000, None)] * 3, left, 1, 0.0)[:2] == (5000, 5000)


def test_tasks_that_failed_before_take_longer_and_one_state_has_one_answer() -> None:
    left = [Remaining(str(number), (), None) for number in range(20)]
    finished = [Finished(1000 * took, None) for took in (5, 10, 15)]
    calm, rough = (estimate(finished, left, 2, rate, seed=7) for rate in (0.0, 0.5))
    assert calm.high_ms is not None
    assert rough.low_ms is not None
    assert rough.low_ms > calm.high_ms
    assert estimate(finished, left, 2, 0.5, seed=7) == rough


class _Simulated:
    """A run of a random plan whose every moment is known."""

    def __init__(self, seed: int) -> None:
        chance = Random(seed)
        self.agents = chance.choice((1, 2, 4, 6))
        count = chance.randrange(30, 60)
        self.needs: dict[str, tuple[str, ...]] = {}
        for number in range(count):
            known = list(self.needs)
            wanted = min(len(known), chance.choice((0, 0, 1, 1, 2)))
            self.needs[f"t{number}"] = tuple(chance.sample(known, wanted))
        self.takes = {name: chance.lognormvariate(4, 0.6) * 1000 for name in self.needs}
        self.begins: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        self._work()
        self.moment = sorted(self.ends.values())[count // 2]

    def _work(self) -> None:
        missing = {name: len(needs) for name, needs in self.needs.items()}
        ready = [name for name, count in missing.items() if not count]
        at_work: list[tuple[float, str]] = []
        now = 0.0
        while ready or at_work:
            while ready and len(at_work) < self.agents:
                name = ready.pop(0)
                self.begins[name] = now
                heapq.heappush(at_work, (now + self.takes[name], name))
            now, name = heapq.heappop(at_work)
            self.ends[name] = now
            for other, needs in self.needs.items():
                missing[other] -= name in needs
                if name in needs and not missing[other]:
                    ready.append(other)

    def is_covered(self) -> bool:
        """Return whether what is estimated half way has the true end in its range."""
        now = self.moment
        finished = [
            Finished(round(self.takes[name]), None) for name, end in self.ends.items() if end <= now
        ]
        left = []
        for name, needs in self.needs.items():
            if self.ends[name] <= now:
                continue
            elapsed = None
            if self.begins[name] <= now:
                elapsed = round(now - self.begins[name])
            left.append(Remaining(name, needs, None, elapsed))
        found = estimate(finished, left, self.agents, 0.0)
        assert found.low_ms is not None
        assert found.high_ms is not None
        return found.low_ms <= max(self.ends.values()) - now <= found.high_ms


@pytest.mark.long
def test_the_range_has_the_true_end_of_about_half_of_two_hundred_runs() -> None:
    covered = sum(_Simulated(seed).is_covered() for seed in range(200))
    assert 80 <= covered <= 120
