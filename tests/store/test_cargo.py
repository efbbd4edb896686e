"""What a push of new entries carries: their refs, under leases that say what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.ids import Oid
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from gitcoord.git.remotes import Update
from gitcoord.store.cargo import batch_between, beat_updates, companion_updates
from tests.support.builders import tasks
from tests.support.world import found, git, write


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, tasks("a", "b"), "x", "y", worktrees=False)


def handed_in(work: Workspace, agent: str, task: str, repo: Path) -> Oid:
    held = claims.claim(work, agent, task, checkout=False)
    git("checkout", "-q", "-B", f"work-{task}", "main", cwd=repo)
    made = write(repo, f"{task}/x")
    results.complete(work, agent, task, held.claim["token"], result=made)
    return Oid(made)


def test_every_entry_of_a_push_takes_its_result_along(work: Workspace, repo: Path) -> None:
    before = work.ledger.tip()
    first = handed_in(work, "x", "a", repo)
    second = handed_in(work, "y", "b", repo)
    tip = work.ledger.tip()
    assert tip is not None
    batch = batch_between(work.store, before, tip)
    assert batch.oids[0] == tip
    assert [event["op"] for event in batch.events] == ["complete", "claim"] * 2
    ref = "refs/gitcoord/ledger/results"
    both = {
        Update(f"{ref}/a/{first}", None, first),
        Update(f"{ref}/b/{second}", None, second),
    }
    assert set(companion_updates(work.store, "ledger", batch, lambda _ref: None)) == both

    def known(name: str) -> Oid | None:
        return first if name.endswith(first) else None

    assert companion_updates(work.store, "ledger", batch, known) == [
        Update(f"{ref}/b/{second}", None, second)
    ]


def test_a_beat_that_entries_count_on_is_replaced_and_no_other_ref(work: Workspace) -> None:
    tip = work.ledger.tip()
    assert tip is not None
    batch = batch_between(work.store, work.store.read_entry(tip).parents[0], tip)
    beat, branch = "refs/gitcoord/ledger/beats/x", "refs/heads/main"
    [moved] = beat_updates(work.store, "ledger", batch, {beat: None, branch: tip})
    assert moved[:2] == (beat, None)
    assert moved.new is not None
    assert batch.events[0]["id"].encode() in work.store.read_blob(moved.new)
