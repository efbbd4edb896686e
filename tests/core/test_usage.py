"""Usage is told as differences, and added up against a budget."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.assistant_output import Told
from gitcoord.core.prices import Price
from gitcoord.core.usage import Spent, bounded, over_budget, spent_of, usage_of, usages_in

PRICE = Price(2.0, 1.0, 10.0)


def told(**more: Any) -> Told:
    return Told("s", "m", input_tokens=300, output_tokens=30, is_total=True)._replace(**more)


def test_a_session_that_goes_on_counts_what_was_added() -> None:
    first = usage_of(told(input_tokens=100, output_tokens=10), "codex", [], None)
    assert first == {
        "assistant": "codex",
        "model": "m",
        "session": "s",
        "input_tokens": 100,
        "output_tokens": 10,
        "source": "reported",
    }
    second = usage_of(told(), "codex", [first], None)
    assert second is not None
    assert (second["input_tokens"], second["output_tokens"]) == (200, 20)
    assert usage_of(told(), "codex", [first, second], None) is None
    other = usage_of(told(session="t"), "codex", [first, second], None)
    assert other is not None
    assert other["input_tokens"] == 300
    per_process = usage_of(told(is_total=False), "gemini", [first], None)
    assert per_process is not None
    assert per_process["input_tokens"] == 300


def test_a_cost_that_nobody_tells_is_estimated_and_marked() -> None:
    usage = usage_of(told(cached_tokens=100), "codex", [], PRICE)
    assert usage is not None
    assert (usage["source"], usage["cost_micros"]) == ("estimated", 400 + 100 + 300)
    reported = usage_of(told(cost_micros=5), "claude", [], PRICE)
    assert reported is not None
    assert (reported["source"], reported["cost_micros"]) == ("reported", 5)


def test_nothing_told_is_nothing_used() -> None:
    assert usage_of(Told("s"), "copilot", [], PRICE) is None


def test_usages_add_up_against_the_narrowest_budget() -> None:
    usages: Any = [
        {"assistant": "a", "input_tokens": 5, "output_tokens": 1, "cost_micros": 10, "source": "x"},
        {"assistant": "b", "input_tokens": 4, "source": "reported"},
    ]
    assert spent_of(usages) == Spent(10, 10, 1)
    budget = bounded({"cost_micros": 20}, {"cost_micros": 10, "tokens": 30})
    assert budget == {"cost_micros": 10, "tokens": 30}
    assert over_budget(Spent(10, 0, 0), budget) == "0.00 of 0.00 US dollars"
    assert over_budget(Spent(9, 30, 0), budget) == "30 of 30 tokens"
    assert over_budget(Spent(9, 29, 0), budget) == ""
    assert over_budget(Spent(9, 29, 0), {}) == ""


def test_events_tell_their_usages_those_in_a_batch_too() -> None:
    used: Any = {"op": "usage", "usage": {"assistant": "a", "source": "reported"}}
    batch: Any = {"op": "batch", "events": [used, {"op": "note"}]}
    assert usages_in(batch) == [used["usage"]]


@pytest.mark.parametrize("budget", [{}, {"tokens": 1}])
def test_nothing_spent_is_within_any_budget(budget: Any) -> None:
    assert over_budget(Spent(), budget) == ""
