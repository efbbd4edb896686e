"""Beats keep a lease, and nothing but beats."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    NothingReadyError,
)
from gitcoord.features.inspect import facts
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from gitcoord.host.clock import Clock
from tests.support.builders import tasks
from tests.support.world import LONGER, SHORT, found


def test_a_beating_holder_keeps_its_task_far_beyond_its_lease(repo: Path) -> None:
    work = found(repo, LONGER + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x")
    for _ in range(4):
        time.sleep(1.5)
        work.ledger.beat("x", held.claim["token"])
        with pytest.raises(NothingReadyError):
            claims.claim(work, "y")
    assert facts.status(work)["claims"][0]["is_over"] is False


class OtherBoot(Clock):
    """The clock of another machine that shares the repository."""

    def boot_id(self) -> str:
        return "another-boot"


def test_a_lease_of_another_boot_ends_only_after_it_was_watched_that_long(repo: Path) -> None:
    found(repo, SHORT + tasks("a"), "x", "y", worktrees=False).close()
    held = claims.claim(open_workspace(repo, clock=OtherBoot()), "x", session="s")
    time.sleep(1.1)
    with pytest.raises(NothingReadyError):
        claims.claim(open_workspace(repo), "y")
    time.sleep(1.1)
    # Another command, another process as it were: it remembers what was seen.
    taken = claims.claim(open_workspace(repo), "y")
    entry = open_workspace(repo).store.read_entry(taken.entry)
    assert '"rule":"observed"' in entry.message
    with pytest.raises(ClaimLostError):
        open_workspace(repo).ledger.beat("x", held.claim["token"])
