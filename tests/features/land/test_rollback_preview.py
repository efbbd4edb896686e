"""What a rollback would change, of the plan and of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import (
    RefusedError,
)
from gitcoord.features.land import landings, rollback_preview
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from tests.support.builders import tasks
from tests.support.going_back import back, landed, tip
from tests.support.world import found, git, write


def test_a_preview_names_what_changes_and_changes_nothing(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    chosen = tip(work)
    claims.claim(work, "x", "a")
    before = tip(work)
    seen = rollback_preview.changes_of(work, work.ledger.snapshot(), work.ledger.snapshot(chosen))
    assert seen["tasks"] == [{"task": "a", "now": "claimed", "then": "open"}]
    assert seen["claims_ended"] == [{"task": "a", "agent": "x"}]
    assert tip(work) == before


def test_a_foreign_commit_stays_and_the_work_lands_again(repo: Path) -> None:
    work, whole, _ = landed(repo)
    foreign = write(repo, "foreign.txt", "f\n")
    back(work, whole, code=True)
    assert git("merge-base", "--is-ancestor", foreign, "main", cwd=repo) == ""
    assert (repo / "foreign.txt").exists()
    assert not (repo / "a/file.txt").exists()
    landings.land(work, "default")
    assert (repo / "a/file.txt").read_text() == "a\n"
    assert (repo / "foreign.txt").read_text() == "f\n"
    # And once more, from the state after the revert.
    back(work, whole, code=True)
    assert not (repo / "b/file.txt").exists()
    landings.land(work, "default")
    assert (repo / "b/file.txt").read_text() == "b\n"
    verify.verify(work)


def test_a_revert_that_conflicts_is_refused_with_its_files(repo: Path) -> None:
    work, whole, _ = landed(repo)
    write(repo, "a/file.txt", "changed by hand\n")
    before, main = tip(work), git("rev-parse", "main", cwd=repo)
    with pytest.raises(RefusedError) as caught:
        back(work, whole, code=True)
    assert caught.value.reason == "conflict"
    assert caught.value.facts["files"] == ["a/file.txt"]
    assert (tip(work), git("rev-parse", "main", cwd=repo)) == (before, main)


def test_local_changes_in_the_way_are_refused(repo: Path) -> None:
    work, whole, _ = landed(repo)
    (repo / "a/file.txt").write_text("mine\n")
    before = tip(work)
    with pytest.raises(RefusedError) as caught:
        back(work, whole, code=True)
    assert caught.value.reason == "worktree"
    assert tip(work) == before
    assert (repo / "a/file.txt").read_text() == "mine\n"
