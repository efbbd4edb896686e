"""Tasks are retried, cancelled and assigned."""

from __future__ import annotations

from gitcoord.core.errors import (
    ClaimLostError,
    RefusedError,
)
from tests.support.pure import ledger, refused


def test_a_failed_need_blocks_and_a_retry_opens_it_again() -> None:
    pure = ledger(b=["a"])
    claim = pure.claim("x0", "a")
    pure.run(
        {
            "op": "fail",
            "agent": "x0",
            "task": "a",
            "token": claim["token"],
            "kind": "permanent",
            "reason": "no",
        }
    )
    assert pure.state("a") == "failed"
    assert [one["code"] for one in pure.snapshot.escalations()] == ["task-failed"]
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "blocked"
    pure.run({"op": "retry", "task": "a", "reason": ""})
    assert pure.snapshot.require_task("a")["failures"] == 0


def test_cancel_and_assign_fence_the_holder() -> None:
    pure = ledger()
    for op, more in (("cancel", {}), ("assign", {"to": "x2"})):
        name = "a" if op == "cancel" else "b"
        claim = pure.claim("x0", name)
        pure.run({"op": op, "task": name, "reason": "", **more})
        refused(
            pure,
            ClaimLostError,
            op="progress",
            agent="x0",
            task=name,
            token=claim["token"],
            message="hi",
        )
    error = refused(
        pure, RefusedError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert error.facts["reason"] == "assigned"
