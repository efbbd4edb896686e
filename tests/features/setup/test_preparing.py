"""Worktrees are prepared again, and a run leaves out whose setup fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError, RefusedError
from gitcoord.features.run.reviews import Note
from gitcoord.features.run.runner import run
from gitcoord.features.setup import agents, preparing, trust
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found


@pytest.fixture
def ready(repo: Path) -> Path:
    return repo.parent / "ready"


def world(repo: Path, setup: str) -> Workspace:
    work = found(repo, tasks("a", head=f"[worktree]\nsetup = {setup!r}\n"))
    trust.trust(work, work.ledger.snapshot())
    return work


def test_what_cannot_be_prepared_is_refused_before_anything_runs(repo: Path, ready: Path) -> None:
    work = world(repo, f"touch {ready}")
    agents.add(work, "away", no_worktree=True)
    with pytest.raises(RefusedError, match="away has no worktree"):
        preparing.prepare_again(work, ["away"])
    with pytest.raises(NotFoundError):
        preparing.prepare_again(work, ["nobody"])
    assert not ready.exists()


def test_a_run_leaves_out_whose_setup_fails_and_works_with_the_others(
    repo: Path, ready: Path
) -> None:
    """The first setup alone succeeds: the second finds that somebody was there."""
    work = world(repo, f"mkdir {ready}")
    told: list[Note] = []
    command = ["sh", "-c", 'mkdir -p "$GITCOORD_PATHS" && date > "$GITCOORD_PATHS/x"']
    done = run(work, repo, command, 2, told.append)
    assert done.is_landed
    assert [one.text.split(":")[0] for one in told if one.what == "setup"] == [
        "the setup of run-2's worktree failed"
    ]


def test_a_run_whose_every_setup_fails_claims_nothing(repo: Path) -> None:
    work = world(repo, "false")
    with pytest.raises(RefusedError, match="setup of run-1's worktree failed"):
        run(work, repo, ["true"], 2, lambda _note: None)
    assert work.ledger.snapshot().require_task("a")["attempt"] == 0
