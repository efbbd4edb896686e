"""A run knows who is at a limit, and for how long it waits there."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from gitcoord.core.assistant_output import Told
from gitcoord.features.run.limits import Limits, Patience, until_of
from gitcoord.host.clock import Clock


class Still(Clock):
    """A clock that moves when somebody sleeps."""

    __slots__ = ("now_s",)

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def monotonic_ns(self) -> int:
        return int(self.now_s * 1e9)

    def seconds(self) -> int:
        return int(self.now_s)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def patience(wait_ms: int | None, clock: Clock) -> Patience:
    plan: Any = {} if wait_ms is None else {"limit_wait_ms": wait_ms}
    return Patience(cast("Any", plan), clock)


def test_each_assistant_has_a_limit_of_its_own_until_it_is_over() -> None:
    limits, clock = Limits(), Still()
    limits.note("claude", 1030)
    limits.note("claude", 1010)
    assert limits.left_s("claude", clock) == 30
    assert limits.left_s("codex", clock) == 0
    told = limits.told("claude", {"codex"}, clock)
    assert told == (
        "claude has reached its usage limit, and goes on at 1970-01-01T00:17:10Z; "
        "until then codex alone"
    )
    limits.note("codex", 1010)
    assert "until then" not in limits.told("claude", {"codex"}, clock)
    clock.sleep(31)
    assert limits.left_s("claude", clock) == 0


def test_where_nobody_says_when_it_ends_the_tries_grow_apart_until_the_wait_is_over() -> None:
    clock = Still()
    waits = patience(None, clock)
    slept = []
    while (seconds := waits.seconds(None)) is not None:
        slept.append(seconds)
        assert waits.sleep(seconds, lambda: False)
    assert slept[:3] == [60.0, 120.0, 240.0]
    assert 899 < sum(slept) <= 900


def test_a_limit_that_ends_in_time_is_waited_for_and_a_longer_one_is_not() -> None:
    clock = Still()
    assert patience(60_000, clock).seconds(1030) == 30.5
    assert patience(60_000, clock).seconds(1100) is None
    assert patience(60_000, clock).seconds(900) == 0.5


def test_waiting_ends_when_it_is_over_otherwise() -> None:
    clock = Still()
    assert not patience(60_000, clock).sleep(30.0, lambda: clock.now_s > 1003)
    assert clock.now_s < 1010


@pytest.mark.parametrize(
    ("at", "said", "hours"),
    [
        # Codex names the minute in which a limit ends; it may be over when that is read.
        ((2026, 11, 26, 13, 20, 40), (13, 20), 0),
        ((2026, 11, 26, 13, 50, 40), (13, 20), -0.5),
        ((2026, 11, 27, 0, 0, 30), (23, 59), -0.01),
        ((2026, 11, 26, 13, 20, 40), (18, 20), 5),
        ((2026, 11, 26, 23, 30, 0), (1, 30), 2),
        ((2026, 11, 26, 13, 20, 40), (11, 20), 22),
        ((2026, 12, 31, 23, 30, 0), (1, 30), 2),
    ],
)
def test_a_time_of_day_is_the_next_one_or_one_that_is_just_over(
    at: tuple[int, int, int, int, int, int],
    said: tuple[int, int],
    hours: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.mktime((*at, 0, 0, -1))
    then = time.localtime(now)
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(time, "localtime", lambda: then)
    until = until_of(Told(until_local=(0, 0, 0, *said)), Clock())
    assert until is not None
    assert abs(until - now - hours * 3600) <= 60
    assert (until >= now) is (hours >= 0), "not before the minute that was named is over"


def test_when_a_limit_ends_is_what_the_session_told() -> None:
    clock = Clock()
    now = time.localtime()
    dated = Told(until_local=(now.tm_year + 1, 1, 1, 0, 30))
    assert (until_of(dated, clock) or 0) > time.time()
    assert until_of(Told(until=99), clock) == 99
    assert until_of(Told(), clock) is None
    assert until_of(Told(until_local=(0, 0, 0, 99, 99)), clock) is not None
