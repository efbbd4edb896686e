"""Who is held up when a task fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    PlanFinishedError,
)
from gitcoord.features.inspect import facts
from gitcoord.features.work import claims
from tests.support.cascades import CHAIN
from tests.support.cli import gitcoord
from tests.support.world import found


def test_a_failure_names_who_is_blocked_everywhere(repo: Path) -> None:
    work = found(repo, CHAIN, "x", worktrees=False)
    claimed = json.loads(gitcoord(repo, "claim", "a", "--agent", "x", "--json").stdout)
    assert claimed["would_block"] == {"task": "a", "direct": 1, "count": 2, "tasks": ["b", "c"]}
    answered = json.loads(gitcoord(repo, "fail", "--reason", "no", "--agent", "x", "--json").stdout)
    assert answered["blocked"]["tasks"] == ["b", "c"]
    status = facts.status(work)
    assert [(one["task"], one["state"], one["tasks"]) for one in status["blocked"]] == [
        ("a", "failed", ["b", "c"])
    ]
    assert [one["kind"] for one in status["escalations"]] == ["task-failed"]
    assert facts.show(work, "b")["task"]["blocked_by"] == ["a"]
    with pytest.raises(PlanFinishedError) as caught:
        claims.claim(work, "x", checkout=False)
    assert caught.value.facts["blocked"][0]["task"] == "a"  # type: ignore[index,call-overload]
    shown = gitcoord(repo, "status").stdout
    assert "blocked a failed: 2 tasks blocked by it: b, c" in shown
