"""The one clock."""

from __future__ import annotations

from gitcoord.host.clock import Clock, Deadline


def test_a_deadline_runs_out() -> None:
    clock = Clock()
    assert Deadline(clock, 0).expired
    assert Deadline(clock, 60).remaining() > 59
    assert 0 <= clock.backoff(3) <= 0.016
    assert len(clock.token()) == 32
