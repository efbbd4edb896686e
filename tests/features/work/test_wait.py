"""Waiting for the ledger to move."""

from __future__ import annotations

import threading
from pathlib import Path

from gitcoord.features.work import claims
from gitcoord.features.work.wait import wait_for_change
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.world import found


def test_waiting_wakes_when_the_ledger_moves_and_not_by_reading(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    tip = work.ledger.tip()
    assert not wait_for_change(work, tip, 0.3)
    other = open_workspace(repo)
    timer = threading.Timer(0.3, lambda: claims.claim(other, "x", checkout=False))
    timer.start()
    assert wait_for_change(work, tip, 30)
    timer.join()
