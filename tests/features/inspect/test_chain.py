"""The chain of entries, walked back."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.inspect.chain import entries
from tests.support.builders import tasks
from tests.support.world import found


def test_the_chain_leads_from_the_tip_back_to_init(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    tip = work.ledger.snapshot().oid
    chain = list(entries(work, tip))
    assert [event["op"] for _, event, _, _ in chain] == ["agent-add", "plan", "init"]
    assert [oid for oid, _, _, _ in chain] == [tip, chain[0][3], chain[1][3]]
    assert chain[-1][3] is None
