"""What is evidence that a holder is silent, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from gitcoord.core.leases import Beat, Context, judge, judge_lock, remaining_ms
from gitcoord.core.model import Lease, LockRecord

MS = 1_000_000
LEASE_MS = 1000
LONG_NS = (LEASE_MS + 1) * MS
NOW = 10**15


def lease(monotonic_ns: int = 0, boot_id: str = "here") -> Lease:
    held = {
        "token": "t",
        "agent": "x",
        "session": "s",
        "boot_id": boot_id,
        "monotonic_ns": monotonic_ns,
        "lease_ms": LEASE_MS,
        "at": 0,
    }
    return cast("Lease", held)


def context(
    now_ns: int = NOW, beat: Beat | None = None, observed: Mapping[str, int] | None = None
) -> Context:
    beats = {} if beat is None else {"x": beat}
    return Context("i" * 32, "k" * 32, 0, "here", now_ns, beats, observed or {})


def test_a_torn_beat_is_not_evidence_until_it_was_watched_for_the_whole_lease() -> None:
    beat = Beat("b" * 40, {}, is_torn=True)
    assert judge("a", lease(), context(beat=beat)) is None
    seen = {f"torn-{beat.oid}:0": NOW}
    assert judge("a", lease(), context(NOW + LONG_NS - MS, beat, seen)) is None
    found = judge("a", lease(), context(NOW + LONG_NS, beat, seen))
    assert found is not None
    assert (found["rule"], found["beat"]) == ("observed", beat.oid)
    assert found["now_ns"] - found["last_ns"] > LEASE_MS * MS, "as every replay checks it"


def test_a_torn_beat_does_not_hide_a_newer_entry() -> None:
    beat = Beat("b" * 40, {}, is_torn=True)
    seen = {f"torn-{beat.oid}:0": NOW}
    renewed = lease(NOW + LONG_NS)
    assert remaining_ms(renewed, context(NOW + LONG_NS, beat, seen)) == LEASE_MS


def test_a_stamp_ahead_of_our_clock_was_made_by_another() -> None:
    ahead = lease(NOW + 5 * LONG_NS)
    assert judge("a", ahead, context()) is None
    seen = {f"here:{ahead['monotonic_ns']}": NOW}
    found = judge("a", ahead, context(NOW + LONG_NS, observed=seen))
    assert found is not None, "a dead holder whose clock was ahead is taken over"
    assert found["rule"] == "observed"
    assert found["now_ns"] - found["last_ns"] > LEASE_MS * MS


def test_a_timed_lock_of_a_clock_ahead_ends_too() -> None:
    lock = cast(
        "LockRecord",
        {"id": "l", "agent": "x", "boot_id": "here", "monotonic_ns": NOW * 2, "for_ms": LEASE_MS},
    )
    assert judge_lock(lock, context()) is None
    found = judge_lock(lock, context(NOW + LONG_NS, observed={f"here:{NOW * 2}": NOW}))
    assert found is not None
    assert found["rule"] == "observed"
