"""Numbers by chance that follow from a seed."""

from __future__ import annotations

from collections import Counter

from gitcoord.core.chance import Chance


def test_one_seed_has_one_sequence_and_another_seed_another() -> None:
    first, again, other = Chance(1), Chance(1), Chance(2)
    drawn = [first.random() for _ in range(5)]
    assert drawn == [again.random() for _ in range(5)]
    assert drawn != [other.random() for _ in range(5)]


def test_numbers_spread_evenly_from_zero_to_below_one() -> None:
    chance = Chance(7)
    drawn = [chance.random() for _ in range(10_000)]
    assert 0 <= min(drawn) < 0.01
    assert 0.99 < max(drawn) < 1
    tenths = Counter(int(one * 10) for one in drawn)
    assert all(900 < tenths[tenth] < 1100 for tenth in range(10))


def test_each_value_is_as_likely() -> None:
    chance = Chance(3)
    counted = Counter(chance.choice("abc") for _ in range(3000))
    assert set(counted) == set("abc")
    assert min(counted.values()) > 900


def test_many_are_drawn_as_one_after_another() -> None:
    together, alone = Chance(5), Chance(5)
    assert together.choices("abcdef", 50) == [alone.choice("abcdef") for _ in range(50)]
    assert together.random() == alone.random()
