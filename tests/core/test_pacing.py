"""A run gets more agents while it goes well, and halves otherwise."""

from __future__ import annotations

import random

from gitcoord.core.pacing import RECENT, SUCCESSES, Outcome, Pace, after, paced

GOOD = Outcome(is_success=True, waited_ms=1, worked_ms=100)
BAD = Outcome(is_success=False, waited_ms=1, worked_ms=100)
SLOW = Outcome(is_success=True, waited_ms=60, worked_ms=100)


def jobs_after(pace: Pace, *outcomes: Outcome) -> list[int]:
    found = []
    for outcome in outcomes:
        pace = after(pace, outcome)
        found.append(pace.jobs)
    return found


def test_it_begins_with_two_and_gets_one_more_after_each_three_successes() -> None:
    assert paced(1, 8).jobs == 2
    assert jobs_after(paced(1, 8), *[GOOD] * 9) == [2, 2, 3, 3, 3, 4, 4, 4, 5]


def test_a_failure_halves_it_while_one_in_ten_or_more_failed() -> None:
    grown = paced(1, 8)
    for _ in range(12):
        grown = after(grown, GOOD)
    assert grown.jobs == 6
    # One of thirteen is under a tenth; two of fourteen are over it.
    assert jobs_after(grown, BAD, BAD) == [6, 3]


def test_much_waiting_halves_it_though_nothing_failed() -> None:
    assert jobs_after(paced(1, 8), *[GOOD] * 6, *[SLOW] * 3)[-3:] == [4, 4, 2]


def test_it_recovers_when_the_failures_are_far_behind() -> None:
    pace = after(paced(1, 8), BAD)
    assert pace.jobs == 1
    outcomes = jobs_after(pace, *[GOOD] * 12)
    assert outcomes[-1] == 2
    assert outcomes[8] == 1


def test_the_bounds_hold_and_it_follows_its_rule_whatever_comes() -> None:
    chance = random.Random(7)
    for _ in range(50):
        low = chance.randint(1, 4)
        pace = paced(low, low + chance.randint(0, 6))
        successes: int = 0
        for _ in range(100):
            outcome = chance.choice((GOOD, GOOD, GOOD, BAD, SLOW))
            before, pace = pace, after(pace, outcome)
            successes += outcome.is_success
            assert len(pace.recent) <= RECENT
            assert pace.low <= pace.jobs <= pace.high
            if outcome.is_success and successes < SUCCESSES:
                assert pace.jobs == before.jobs
                continue
            successes = 0
            if not pace.is_going_well:
                assert pace.jobs == max(pace.low, before.jobs // 2)
            else:
                assert pace.jobs == min(pace.high, before.jobs + outcome.is_success)
