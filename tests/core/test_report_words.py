"""A report's numbers in words."""

from __future__ import annotations

import pytest

from gitcoord.core.report_words import (
    bar_of,
    condition_words,
    cost_words,
    duration,
    share,
    tokens_words,
)

NOTHING = {"input_tokens": None, "output_tokens": None, "cost_micros": None}


@pytest.mark.parametrize(
    ("ms", "words"), [(None, "not known"), (0, "0s"), (1250, "1.25s"), (90_000, "1m 30s")]
)
def test_a_time_is_told_in_its_unit(ms: int | None, words: str) -> None:
    assert duration(ms) == words


def test_shares_are_told_in_percent_and_recovery_in_times() -> None:
    assert share("efficiency", 0.725) == "72.5%"
    assert share("recovery", 1.5) == "1.5 x"
    assert share("overhead", None) == "not known"


def test_a_condition_says_what_is_wanted_and_whether_it_is_met() -> None:
    met = {"name": "efficiency", "value": 0.7, "threshold": 0.6, "is_met": True}
    assert condition_words(met) == ("efficiency", "70.0%", "over 60.0%", "met")
    late = {"name": "recovery", "value": 3.0, "threshold": 2.0, "is_met": False}
    assert condition_words(late)[1:] == ("3 x", "under 2 x", "not met")
    assert 'width="75.0"' in bar_of(late)
    assert bar_of({**met, "value": None}) == ""


def test_tokens_and_cost_are_told_or_not_known() -> None:
    used = {"input_tokens": 12_000, "output_tokens": None, "cost_micros": 1_234_567}
    assert tokens_words(used) == "12,000 in, 0 out"
    assert cost_words(used) == "$1.23"
    assert {tokens_words(NOTHING), cost_words(NOTHING)} == {"not known"}
