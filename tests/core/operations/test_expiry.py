"""What ends a lease, and the evidence that it is over."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import (
    ConflictError,
    GitcoordError,
    NothingReadyError,
    RefusedError,
)
from gitcoord.core.machine import check
from tests.support.pure import LEASE_NS, ledger, refused


def test_a_stamp_of_another_boot_never_makes_a_lease_end_at_once() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    context = pure.context()._replace(boot_id="boot-b", now_ns=10**18)
    command = {
        "op": "claim",
        "agent": "x1",
        "task": "a",
        "session": "s",
        "base": "1" * 40,
        "built_on": {},
    }
    with pytest.raises(ConflictError):
        pure.run(command, context)
    claim = pure.snapshot.require_task("a")["claim"]
    assert claim is not None
    seen = {f"{claim['boot_id']}:{claim['monotonic_ns']}": 10**18 - LEASE_NS - 1}
    event = pure.run(command, context._replace(observed=seen))
    assert event["takeover"] is not None
    assert event["takeover"]["rule"] == "observed"


def test_forged_evidence_is_refused() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    pure.now_ns += LEASE_NS + 1
    event = pure.claim("x1", "a")
    assert event["takeover"] is not None
    event["takeover"]["now_ns"] = event["takeover"]["last_ns"] + 1
    again = ledger()
    again.claim("x0", "a")
    with pytest.raises(GitcoordError):
        check(again.snapshot, event)


def test_an_expired_claim_in_the_way_is_ended_by_the_claim_that_it_blocks() -> None:
    head = '[[pool]]\nname = "default"\nlimit = 1\n'
    pure = ledger(head=head)
    old = pure.claim("x0", "a")
    refused(
        pure, NothingReadyError, op="claim", agent="x1", task="b", session="s", base="", built_on={}
    )
    pure.now_ns += LEASE_NS + 1
    event = pure.claim("x1", "b")
    assert [gone["token"] for gone in event["expired"]] == [old["token"]]
    assert pure.state("a") == "open"


def test_a_takeover_that_uses_the_attempts_up_is_refused_and_expiry_fails_the_task() -> None:
    pure = ledger(head="[plan]\nmax_attempts = 1\n")
    pure.claim("x0", "a")
    pure.now_ns += LEASE_NS + 1
    error = refused(
        pure, RefusedError, op="claim", agent="x1", task="a", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "exhausted"
    pure.run({"op": "expire"})
    assert pure.state("a") == "failed"
