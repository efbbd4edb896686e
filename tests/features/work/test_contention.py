"""Claims that are lost again and again are told to a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import (
    ConflictError,
    NothingReadyError,
)
from gitcoord.core.sentences import text_of_escalation
from gitcoord.features.work import claims, contention
from tests.support.builders import tasks
from tests.support.world import found, record


def test_ten_lost_claims_in_a_row_are_escalated_once_and_a_won_one_forgets(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    for number in range(contention.LOSSES * 3):
        with pytest.raises(ConflictError):
            claims.claim(work, "y", "a", checkout=False)
        opened = [
            one for one in work.ledger.snapshot().escalations() if one["code"] == "contention"
        ]
        assert len(opened) == (number >= contention.LOSSES - 1)
    assert "y lost 10 claims" in text_of_escalation(opened[0])
    assert "held by x" in text_of_escalation(opened[0])
    with pytest.raises(ConflictError):
        claims.claim(work, "y", "a", checkout=False)
    claims.claim(work, "y", "b", checkout=False)
    assert not (work.agent_folder("y") / "losses.json").exists()


def test_a_claim_that_starves_for_a_lease_is_escalated(repo: Path) -> None:
    head = '[plan]\nlease = "1s"\nheartbeat = "300ms"\n[[pool]]\nname = "default"\nlimit = 1\n'
    work = found(repo, tasks("a", "b", head=head), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    token = record(work, "a")["claim"]["token"]
    for _ in range(8):
        work.ledger.beat("x", token)
        with pytest.raises(NothingReadyError) as caught:
            claims.claim(work, "y", checkout=False)
        assert caught.value.facts["no_room"] is True
        work.clock.sleep(0.2)
    assert [one["code"] for one in work.ledger.snapshot().escalations()] == ["contention"]
