"""What is told of a task: its state, and for how long its lease runs."""

from __future__ import annotations

from gitcoord.core.leases import Context
from gitcoord.core.model import Claim
from gitcoord.features.inspect.task_facts import claim_facts, heartbeat_ms_of, task_facts
from tests.support.builders import PureLedger
from tests.support.pure import LEASE_NS, ledger


def told(pure: PureLedger, task: str) -> dict[str, object]:
    return task_facts(pure.snapshot, pure.snapshot.require_task(task), pure.context())


def test_a_task_waits_while_a_need_is_open_or_another_holds_its_paths() -> None:
    pure = ledger("a", "b", b=["a"])
    assert [told(pure, name)["state"] for name in "ab"] == ["ready", "waiting"]
    pure.claim("x0", "a")
    assert told(pure, "a")["state"] == "claimed"


def test_a_claim_tells_when_its_holder_is_late_and_when_its_lease_is_over() -> None:
    pure = ledger()
    pure.claim("x0", "a")
    heartbeat_ms = heartbeat_ms_of(pure.snapshot)
    held: Claim | None = pure.snapshot.require_task("a")["claim"]
    assert held is not None

    def facts(after_ns: int) -> tuple[object, object, object]:
        context: Context = pure.context()
        late = context._replace(now_ns=held["monotonic_ns"] + after_ns)
        known = claim_facts(held, late, heartbeat_ms)
        return known["is_late"], known["is_over"], known["lease_left_ms"]

    assert facts(0) == (False, False, LEASE_NS // 1_000_000)
    assert facts(heartbeat_ms * 1_000_000 + 1)[:2] == (True, False)
    assert facts(LEASE_NS) == (True, True, 0)
