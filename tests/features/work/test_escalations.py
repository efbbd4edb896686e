"""Escalations: asked by agents, answered by a person, shown once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    NotFoundError,
)
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.sentences import answer_of
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents
from gitcoord.features.work import claims, escalations
from tests.support.builders import tasks
from tests.support.cascades import failed
from tests.support.cli import gitcoord
from tests.support.world import found


def test_retrying_or_cancelling_closes_the_escalation_of_the_failure(repo: Path) -> None:
    work = found(repo, tasks("a", "b", head="[plan]\nmax_attempts = 1\n"), "x", worktrees=False)
    for task, op in (("a", "retry"), ("b", "retry")):
        failed(work, "x", task)
        work.ledger.execute({"op": op, "task": task, "reason": "mended"}, agent=ORCHESTRATOR)
    assert {answer_of(one) for one in work.ledger.snapshot().escalations()} == {"retried: mended"}
    verify.verify(work)


def test_an_answer_is_shown_once_by_the_agents_next_command(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)
    claims.claim(work, "x", checkout=False)
    done = gitcoord(repo, "escalate", "which way?", "--task", "a", "--agent", "x", "--json")
    name = json.loads(done.stdout)["escalation"]
    assert name in gitcoord(repo, "inbox").stdout
    assert gitcoord(repo, "resolve", "nothing", "x").returncode == 2
    assert gitcoord(repo, "resolve", name, "the left one").returncode == 0
    again = gitcoord(repo, "resolve", name, "the right one", "--json")
    assert again.returncode == 14
    assert json.loads(again.stdout)["error"]["reason"] == "resolved"
    assert gitcoord(repo, "inbox").stdout.startswith("nothing waits")
    assert "the left one" in gitcoord(repo, "inbox", "--all").stdout
    assert "the left one" not in gitcoord(repo, "claim", "--agent", "y").stderr
    assert "the left one" in gitcoord(repo, "beat", "--agent", "x").stderr
    assert "the left one" not in gitcoord(repo, "beat", "--agent", "x").stderr
    verify.verify(work)


def test_an_agent_that_is_gone_cannot_escalate(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    agents.remove(work, "x")
    with pytest.raises(NotFoundError):
        escalations.escalate(work, "x", "hello?")
