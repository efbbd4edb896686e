"""Results: handed in, failed, and tried again."""

from __future__ import annotations

from gitcoord.core.errors import (
    NothingReadyError,
)
from tests.support.pure import ledger, refused


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
