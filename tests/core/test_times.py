from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.times import calendar, instant, span

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(-62_000_000_000, 250_000_000_000))
def test_the_calendar_is_the_standard_librarys(seconds: int) -> None:
    day = EPOCH + timedelta(seconds=seconds)
    assert calendar(seconds) == (day.year, day.month, day.day, day.hour, day.minute, day.second)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_735_689_599.9, "2024-12-31T23:59:59Z"),
    ],
)
def test_an_instant_is_written_in_utc(seconds: float, written: str) -> None:
    assert instant(seconds) == written


def test_a_span_without_a_length_is_one_time() -> None:
    assert span("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z") == "2026-11-24T10:00:00Z"
    long = span("2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z")
    assert long == "2026-11-24T10:00:00Z to 2026-11-24T10:00:01Z"
