"""What a run is told on its command line is read, or refused with how it is written."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.cli.run_options import jobs_of, order_of
from gitcoord.core.errors import UsageError

NOTHING: dict[str, Any] = {
    "phases": (),
    "tasks": (),
    "pilot": None,
    "after_pilot": "judge",
    "timeouts": (),
    "hung": "tell",
    "keep_going": False,
    "memory": None,
    "cpu": None,
}


@pytest.mark.parametrize(
    ("text", "low", "high", "first"), [("auto", 1, 8, 2), ("auto:3-16", 3, 16, 3)]
)
def test_auto_has_bounds_to_find_a_number_within(
    text: str, low: int, high: int, first: int
) -> None:
    count, pace = jobs_of(text)
    assert pace is not None
    assert (count, pace.low, pace.high, pace.jobs) == (high, low, high, first)
    assert jobs_of("4") == (4, None)


@pytest.mark.parametrize("text", ["0", "65", "-1", "x", "auto:0-3", "auto:4-3", "auto:1-99", "2.5"])
def test_other_numbers_of_agents_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="how many agents"):
        jobs_of(text)


def test_bounds_are_read_with_their_units() -> None:
    given = {"timeouts": ("3x", "10m"), "memory": "1G", "cpu": "90s", "hung": "end"}
    order = order_of({**NOTHING, **given}, None)
    assert (order.limit.estimates, order.limit.limit_ms) == (3.0, 600_000)
    assert (order.resources.memory_bytes, order.resources.cpu_s) == (1 << 30, 90)
    assert order.ends_hung
    with pytest.raises(UsageError, match="not a duration"):
        order_of({**NOTHING, "timeouts": ("soon",)}, None)
