"""The newest entries, listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.features.inspect.events import Wanted
from gitcoord.features.inspect.log import log
from gitcoord.features.land import rollbacks
from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.world import found


def test_the_newest_entries_come_first_and_no_more_than_are_asked_for(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    held = claims.claim(work, "x", "a")
    told = log(work, limit=2)
    assert [one["op"] for one in told["entries"]] == ["claim", "agent-add"]
    assert told["tip"] == held.entry
    assert [one["op"] for one in log(work, task="a")["entries"]] == ["claim"]
    assert [one["op"] for one in log(work, agent="x", wanted=Wanted(path="a/x"))["entries"]] == [
        "claim"
    ]


def test_what_came_after_an_abandoned_entry_begins_with_its_rollback(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    gone = claims.claim(work, "x", "a")
    back = rollbacks.rollback(work, rollbacks.choose(work, steps=1))
    told = log(work, after=gone.entry)["entries"]
    assert [one["entry"] for one in told] == [back.entry]


def test_a_task_or_an_agent_that_never_was_is_not_found(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    with pytest.raises(NotFoundError, match="no task"):
        log(work, task="nothing")
    with pytest.raises(NotFoundError):
        log(work, agent="nobody", wanted=Wanted(ops=("claim",)))
