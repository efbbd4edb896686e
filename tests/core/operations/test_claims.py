"""Claims: who gets what, and what a lost one can do."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    NothingReadyError,
    RefusedError,
    UsageError,
)
from gitcoord.core.leases import Beat
from gitcoord.core.machine import check, decide
from gitcoord.core.snapshot import Snapshot
from tests.support.builders import BOOT, TARGET, DictReader, PureLedger
from tests.support.pure import LEASE_NS, ledger, refused


def test_a_claim_gives_the_next_attempt_and_its_own_branch() -> None:
    pure = ledger()
    claim = pure.claim("x0", "a")
    task = pure.snapshot.require_task("a")
    assert (task["state"], task["attempt"]) == ("claimed", 1)
    assert claim["branch"] == f"task/a/1-{claim['token'][:6]}"
    assert [one["id"] for one in pure.snapshot.live()] == ["a"]


def test_a_claimed_task_names_its_holder_to_the_next_claimer() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    error = refused(
        pure, ConflictError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )
    assert error.facts["holder"] == "x0"


def test_a_base_is_made_once_and_only_for_a_claim_that_fits() -> None:
    pure = ledger(b=["c"])
    pure.claim("x0", "a")
    made: list[str] = []

    def make_base() -> tuple[str, dict[str, str]]:
        made.append(TARGET)
        return TARGET, {}

    command = {"op": "claim", "agent": "x1", "session": "s", "make_base": make_base}
    refused(pure, ConflictError, **command, task="a")
    refused(pure, NothingReadyError, **command, task="b")
    assert made == []
    event = pure.run({**command, "task": "c"})
    assert (event["base"], event["built_on"], made) == (TARGET, {}, [TARGET])


def test_a_silent_holder_loses_its_task_only_after_the_whole_lease() -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += LEASE_NS
    refused(
        pure, ConflictError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )
    pure.now_ns += 1
    second = pure.claim("x1", "a")
    assert second["takeover"] is not None
    assert second["takeover"]["token"] == first["token"]
    assert pure.snapshot.require_task("a")["failures"] == 1


def test_a_beat_keeps_a_claim_and_only_the_right_token_counts() -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += 2 * LEASE_NS
    fresh = Beat("f" * 40, {first["token"]: (BOOT, pure.now_ns - 5)})
    with pytest.raises(ConflictError):
        pure.claim("x1", "a", x0=fresh)
    stale = Beat("f" * 40, {"another": (BOOT, pure.now_ns)})
    taken = pure.claim("x1", "a", x0=stale)["takeover"]
    assert taken is not None
    assert taken["beat"] == "f" * 40


@pytest.mark.parametrize("op", ["progress", "complete", "fail", "release"])
def test_a_taken_over_claim_can_do_nothing(op: str) -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += LEASE_NS + 1
    pure.claim("x1", "a")
    more = {
        "message": "hi",
        "reason": "because",
        "kind": "transient",
        "result": {"oid": None, "tree": None, "base": "", "built_on": {}, "commits": 0, "files": 0},
    }
    refused(pure, ClaimLostError, op=op, agent="x0", task="a", token=first["token"], **more)


def test_an_expired_claim_that_nobody_took_can_be_renewed() -> None:
    pure = ledger()
    first = pure.claim("x0", "a")
    pure.now_ns += 5 * LEASE_NS
    pure.run(
        {
            "op": "progress",
            "agent": "x0",
            "task": "a",
            "token": first["token"],
            "message": "still here",
        }
    )
    refused(
        pure, ConflictError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )


def test_an_agent_at_its_capacity_gets_no_second_task() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "capacity"


def test_overlapping_paths_keep_a_second_task_waiting() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(
        '[[task]]\nid="a"\ntitle="A"\npaths=["src/"]\n'
        '[[task]]\nid="b"\ntitle="B"\npaths=["src/x/*.py"]\n'
    )
    pure.agent("x0")
    pure.agent("x1")
    claim = pure.claim("x0", "a")
    error = refused(
        pure, ConflictError, op="claim", agent="x1", task="b", session="s", base="", built_on={}
    )
    assert error.facts["holder"] == "x0"
    pure.run({"op": "release", "agent": "x0", "task": "a", "token": claim["token"], "reason": ""})
    pure.claim("x1", "b")


def test_a_task_waits_for_its_needs_and_must_contain_their_results() -> None:
    pure = ledger(b=["a"])
    refused(
        pure, NothingReadyError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    done = pure.complete(pure.claim("x0", "a"))
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "base-moved"
    pure.claim("x0", "b", built_on={"a": str(done["result"]["oid"])})


def test_a_reissue_fences_the_older_session_and_keeps_attempt_and_branch() -> None:
    pure = ledger()
    claim = pure.claim("x0", "a")
    again = pure.run(
        {"op": "reissue", "agent": "x0", "task": "a", "session": "t", "old": claim["token"]}
    )
    assert (again["attempt"], again["branch"]) == (1, claim["branch"])
    refused(
        pure,
        ClaimLostError,
        op="progress",
        agent="x0",
        task="a",
        token=claim["token"],
        message="hi",
    )
    pure.run(
        {"op": "progress", "agent": "x0", "task": "a", "token": again["token"], "message": "hi"}
    )


def test_a_claim_says_how_long_it_was_waited_for_where_that_is_known() -> None:
    pure = ledger()
    assert pure.claim("x0", "a")["wait_ms"] is None
    asked = {"op": "claim", "session": "s", "base": "1" * 40, "built_on": {}}
    asked_ns = pure.now_ns
    pure.now_ns += 2_500_000_000
    event = pure.run({**asked, "agent": "x1", "task": "b", "asked_ns": asked_ns})
    assert event["wait_ms"] == 2500
    ahead = {**asked, "agent": "x2", "task": "c", "asked_ns": pure.now_ns + 1}
    assert pure.run(ahead)["wait_ms"] == 0


def test_an_interval_that_is_not_a_number_of_milliseconds_is_refused() -> None:
    pure = ledger()
    event = pure.claim("x0", "a")
    before = Snapshot(DictReader(pure.past[-1], pure.blobs))
    for wrong in (-1, 1.5, True, "9"):
        with pytest.raises(UsageError, match="wait_ms"):
            check(before, {**event, "wait_ms": wrong})  # type: ignore[typeddict-item]
    for op, reason in (("release", {}), ("fail", {"kind": "permanent", "log": None})):
        ended = decide(
            pure.snapshot,
            {
                "op": op,
                "agent": "x0",
                "task": "a",
                "token": event["token"],
                "reason": "no",
                "begun_ns": event["monotonic_ns"],
                **reason,
            },
            pure.context(),
        )
        assert ended["spent_ms"] == 0
        with pytest.raises(UsageError, match="spent_ms"):
            check(pure.snapshot, {**ended, "spent_ms": -1})
