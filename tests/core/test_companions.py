"""What travels to a server with an entry."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.companions import companions_of, target_move_of, tombstone
from gitcoord.core.events import Event
from gitcoord.ledger.beats import parse_beat

A, B, C = "a" * 40, "b" * 40, "c" * 40


def event(op: str, **keys: Any) -> Event:
    return cast("Event", {"op": op, "time": 0, **keys})


def test_a_result_goes_with_the_entry_that_hands_it_in() -> None:
    handed_in = event("complete", task="a", result={"oid": A})
    assert companions_of(handed_in, "l") == {f"refs/gitcoord/l/results/a/{A}": A}
    assert companions_of(event("complete", task="a", result={"oid": None}), "l") == {}
    assert companions_of(event("progress", task="a"), "l") == {}


def test_what_a_batch_names_goes_along() -> None:
    inner = event("complete", task="a", result={"oid": A})
    assert list(companions_of(event("batch", events=[inner]), "l").values()) == [A]


def test_a_landing_takes_its_candidate_and_then_the_target() -> None:
    begun = event("land-begin", phase="p", target="refs/heads/main", old=A, new=B)
    assert companions_of(begun, "l") == {f"refs/gitcoord/l/landing/p/{B}": B}
    assert target_move_of(begun) is None
    done = event("land-done", phase="p", target="refs/heads/main", old=A, new=B)
    assert target_move_of(done) == ("refs/heads/main", A, B)


def test_a_rollback_takes_what_it_abandons() -> None:
    code = {"target": "refs/heads/main", "old": B, "new": C}
    kept = companions_of(event("rollback", abandoned=A, code=code), "l")
    assert set(kept.values()) == {A, B, C}
    assert [ref for ref in kept if "/attic/" in ref]
    assert set(companions_of(event("rollback", abandoned=A, code=None), "l").values()) == {A}
    appended = event("rollback", abandoned=A, code=None, forward=True)
    assert companions_of(appended, "l") == {}


def test_a_tombstone_renews_nothing_and_is_no_torn_beat() -> None:
    assert parse_beat(tombstone("id1")) == {"gone-id1": ("none", 0)}
    assert tombstone("id1") != tombstone("id2")
