"""Results: handed in, failed, and tried again."""

from __future__ import annotations

from gitcoord.core.errors import ClaimLostError, NothingReadyError
from tests.support.builders import TARGET
from tests.support.pure import ledger, refused


def test_a_result_with_a_stale_token_is_told_that_its_claim_is_lost() -> None:
    """Where nobody has the task, and where another has it."""
    pure = ledger()
    stale = pure.claim("x0", "a")["token"]
    held = {"agent": "x0", "task": "a", "token": stale}
    pure.run({"op": "release", **held, "reason": ""})
    result: dict[str, object] = {
        "oid": None,
        "tree": None,
        "base": TARGET,
        "built_on": {},
        "commits": 0,
        "files": 0,
    }
    refused(pure, ClaimLostError, op="complete", **held, result=result)
    pure.claim("x1", "a")
    refused(pure, ClaimLostError, op="complete", **held, result=result)


def test_a_transient_failure_waits_longer_each_time_and_then_fails() -> None:
    pure = ledger()
    delays = []
    for _ in range(3):
        claim = pure.claim("x0", "a")
        command = {
            "op": "fail",
            "agent": "x0",
            "task": "a",
            "token": claim["token"],
            "kind": "transient",
            "reason": "oops",
        }
        delays.append(pure.run(command)["delay_ms"])
        if pure.state("a") == "open":
            refused(
                pure,
                NothingReadyError,
                op="claim",
                agent="x0",
                task="a",
                session="s",
                base="",
                built_on={},
            )
        pure.now_ns += delays[-1] * 1_000_000
    assert delays == [1000, 4000, 16000]
    task = pure.snapshot.require_task("a")
    assert (task["state"], task["failures"], len(task["setbacks"])) == ("failed", 3, 3)
