"""Tasks are retried, cancelled, assigned and paused."""

from __future__ import annotations

from gitcoord.core.errors import (
    ClaimLostError,
    NothingReadyError,
    RefusedError,
)
from tests.support.pure import LEASE_NS, ledger, refused


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


def claim_of(task: str) -> dict[str, object]:
    return {"op": "claim", "agent": "x1", "task": task, "session": "s", "base": "", "built_on": {}}


def test_nobody_begins_with_a_paused_task_until_it_is_unpaused() -> None:
    pure = ledger()
    before = dict(pure.files)
    pure.run({"op": "pause", "task": "a", "reason": "wait"})
    assert pure.state("a") == "open"
    error = refused(pure, NothingReadyError, **claim_of("a"))
    assert error.facts["waiting_for"] == [
        {
            "kind": "paused",
            "names": ["a"],
            "text": "task a is paused by orchestrator (wait)",
            "command": "gitcoord unpause a",
        }
    ]
    again = refused(pure, RefusedError, op="pause", task="a", reason="")
    assert again.facts["reason"] == "nothing-to-do"
    pure.run({"op": "unpause", "task": "a", "reason": ""})
    assert pure.files == before, "a pause that is over leaves nothing in the records"
    never = refused(pure, RefusedError, op="unpause", task="a", reason="")
    assert never.facts["reason"] == "nothing-to-do"
    pure.claim("x1", "a")


def test_a_holder_of_a_paused_task_keeps_its_claim_and_may_complete_it() -> None:
    pure = ledger()
    claim = pure.claim("x0", "a")
    pure.run({"op": "pause", "task": "a", "reason": ""})
    assert pure.state("a") == "claimed"
    held = {"agent": "x0", "task": "a", "token": claim["token"]}
    pure.run({"op": "progress", "message": "going on", **held})
    pure.complete(claim)
    assert pure.state("a") == "done"
    assert refused(pure, RefusedError, op="pause", task="a", reason="").facts["reason"] == "state"


def test_a_paused_task_is_not_taken_over_when_its_lease_is_over() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    pure.run({"op": "pause", "task": "a", "reason": ""})
    pure.now_ns += LEASE_NS + 1
    refused(pure, NothingReadyError, **claim_of("a"))
    pure.run({"op": "expire"})
    assert pure.state("a") == "open"
    refused(pure, NothingReadyError, **claim_of("a"))
