"""What the orchestrator does to tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, NotFoundError, RefusedError
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results, tasks
from gitcoord.features.workspace import Workspace
from tests.support import builders
from tests.support.world import found, record


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, builders.tasks("lexer", "parser"), "ada", "bob", worktrees=False)


def test_a_task_is_assigned_by_prefixes_and_its_holder_is_fenced(work: Workspace) -> None:
    claimed = claims.claim(work, "ada", "lexer", checkout=False)
    held = claimed.task["claim"]
    assert held is not None
    done = tasks.assign(work, "lex", "bo", "bob knows it")
    assert (done.event["task"], done.event["to"]) == ("lexer", "bob")
    with pytest.raises(ClaimLostError):
        results.release(work, "ada", "lexer", held["token"])
    assert tasks.assign(work, "lexer", None).event["to"] is None
    verify.verify(work)


def test_a_task_is_cancelled_opened_again_held_back_and_let_go(work: Workspace) -> None:
    tasks.change(work, "cancel", "pars", "not wanted")
    assert record(work, "parser")["state"] == "cancelled"
    tasks.change(work, "retry", "parser")
    assert record(work, "parser")["state"] == "open"
    tasks.change(work, "pause", "parser", "later")
    assert record(work, "parser")["paused"]["reason"] == "later"
    tasks.change(work, "unpause", "parser")
    assert "paused" not in record(work, "parser")
    verify.verify(work)


def test_what_is_not_there_or_does_not_fit_changes_nothing(work: Workspace) -> None:
    before = work.ledger.tip()
    with pytest.raises(NotFoundError):
        tasks.change(work, "cancel", "lexar")
    with pytest.raises(NotFoundError):
        tasks.assign(work, "lexer", "bib")
    with pytest.raises(RefusedError):
        tasks.change(work, "retry", "lexer")
    assert work.ledger.tip() == before
