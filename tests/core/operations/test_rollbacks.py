"""What survives a rollback, and with which sign of life."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import ConflictError, UsageError
from gitcoord.core.machine import check
from gitcoord.core.messages import render
from gitcoord.core.snapshot import Snapshot
from tests.support.builders import DictReader, PureLedger, tasks

LEASE_NS = 60 * 10**9
PLAN = '[plan]\nlease = "60s"\n[[phase]]\nname = "default"\nreviews = 1\n'


@pytest.fixture
def pure() -> PureLedger:
    made = PureLedger()
    made.init()
    made.plan(tasks("a", "b", head=PLAN))
    for name in ("x", "y"):
        made.agent(name)
    return made


def progress(pure: PureLedger, claim: Any) -> None:
    pure.now_ns += LEASE_NS // 2
    pure.run(
        {
            "op": "progress",
            "agent": claim["agent"],
            "task": claim["task"],
            "token": claim["token"],
            "message": "on",
        }
    )


def test_a_surviving_claim_keeps_its_newest_sign_of_life(pure: PureLedger) -> None:
    held = pure.claim("x", "a")
    chosen = len(pure.past)
    for _ in range(3):
        progress(pure, held)
    before = pure.snapshot.require_task("a")["claim"]
    event = pure.rollback(chosen)
    after = pure.snapshot.require_task("a")["claim"]
    assert before is not None
    assert after is not None
    assert (after["monotonic_ns"], after["at"]) == (before["monotonic_ns"], before["at"])
    assert after["progress"] is None, "what was reported is the chosen entry's"
    assert [one.get("renewed") is not None for one in event["surviving"]] == [True]
    pure.now_ns += LEASE_NS // 2
    with pytest.raises(ConflictError):
        pure.claim("y", "a")
    pure.now_ns += LEASE_NS
    assert pure.claim("y", "a")["takeover"] is not None


def test_what_was_not_renewed_since_says_nothing_of_it(pure: PureLedger) -> None:
    pure.claim("x", "a")
    chosen = len(pure.past)
    pure.claim("y", "b")
    event = pure.rollback(chosen)
    assert [one["name"] for one in event["surviving"]] == ["a"]
    assert "renewed" not in render(event)


def test_a_claim_that_ended_since_ends_whatever_it_had_reported(pure: PureLedger) -> None:
    held = pure.claim("x", "a")
    chosen = len(pure.past)
    progress(pure, held)
    pure.run({"op": "release", "agent": "x", "task": "a", "token": held["token"], "reason": ""})
    assert pure.rollback(chosen)["surviving"] == []
    assert pure.state("a") == "open"


FORGED: list[Any] = [
    None,
    "now",
    {},
    {"boot_id": "b", "monotonic_ns": 1},
    {"boot_id": "b", "monotonic_ns": "1", "at": 1},
    {"boot_id": "b", "monotonic_ns": 1, "at": True},
    {"boot_id": 1, "monotonic_ns": 1, "at": 1},
    {"boot_id": "b", "monotonic_ns": 1, "at": 1, "more": 1},
]


@pytest.mark.parametrize("renewed", FORGED)
def test_a_forged_sign_of_life_is_refused(pure: PureLedger, renewed: Any) -> None:
    held = pure.claim("x", "a")
    chosen = Snapshot(DictReader(dict(pure.files), pure.blobs))
    number = len(pure.past)
    progress(pure, held)
    event: Any = pure.rollback(number)
    event["surviving"][0]["renewed"] = renewed
    with pytest.raises(UsageError):
        check(chosen, event)


def test_the_chosen_entrys_own_sign_of_life_is_not_written_twice(pure: PureLedger) -> None:
    held = pure.claim("x", "a")
    chosen = Snapshot(DictReader(dict(pure.files), pure.blobs))
    number = len(pure.past)
    progress(pure, held)
    event: Any = pure.rollback(number)
    stamp = {key: held[key] for key in ("boot_id", "monotonic_ns")}
    event["surviving"][0]["renewed"] = {**stamp, "at": held["time"]}
    with pytest.raises(UsageError):
        check(chosen, event)
