"""Refs that are hints: once made they stay where they are, and hold what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.features.workspace import open_workspace
from tests.support.world import git

REF = "refs/gitcoord/ledger/landing/p/1"


def test_a_ref_that_keeps_a_commit_leads_to_what_is_there(repo: Path) -> None:
    work = open_workspace(repo)
    with pytest.raises(NotFoundError, match="a prune took it") as caught:
        work.ledger.hints.keep(REF, "1" * 40)
    assert "make the commit again" in caught.value.hint
    assert work.store.read_ref(REF) is None


def test_a_kept_ref_is_dropped_only_by_whoever_knows_what_it_holds(repo: Path) -> None:
    work, head = open_workspace(repo), git("rev-parse", "HEAD", cwd=repo)
    work.ledger.hints.keep(REF, head)
    work.ledger.hints.keep(REF, head)
    work.ledger.hints.drop(REF, "2" * 40)
    assert work.store.read_ref(REF) == head
    work.ledger.hints.drop(REF, head)
    assert work.store.read_ref(REF) is None
