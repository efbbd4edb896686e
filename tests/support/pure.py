"""A ledger without a store, its refusals, and a phase that lands."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import (
    GitcoordError,
)
from tests.support.builders import PureLedger, tasks

LEASE_NS = 900 * 10**9


def ledger(*names: str, head: str = "", agents: int = 3, **needs: list[str]) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks(*(names or ("a", "b", "c")), head=head, **needs))
    for number in range(agents):
        pure.agent(f"x{number}")
    return pure


def refused(pure: PureLedger, error: type[GitcoordError], **command: object) -> GitcoordError:
    before = dict(pure.files)
    with pytest.raises(error) as caught:
        pure.run(dict(command))
    assert pure.files == before
    return caught.value


def land(pure: PureLedger, phase: str = "default") -> dict[str, object]:
    from gitcoord.core.operations.landings import merge_order, wholeness

    order = merge_order(wholeness(pure.snapshot, phase).tasks)
    return {
        "op": "land-begin",
        "phase": phase,
        "target": "refs/heads/main",
        "old": "1" * 40,
        "new": "2" * 40,
        "results": pure.keep(order),
        "count": len(order),
    }
