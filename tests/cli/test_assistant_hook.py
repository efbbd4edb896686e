"""The door of assistants' hooks: what is settled and told before an event is answered."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.cli.assistant_hook import answer
from gitcoord.features.work import escalations
from gitcoord.features.workspace import Workspace
from tests.features.test_doors import die_after_the_swap, left
from tests.support.builders import tasks
from tests.support.world import found


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b", "c"), "x")
    yield work
    work.close()


class Hook:
    """One assistant's hook, asked in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, place: Path, event: str, **more: Any) -> Any:
        call = {"hook_event_name": event, "session_id": "s", "cwd": str(place), **more}
        status = answer(["claude", str(place)], io.BytesIO(json.dumps(call).encode()))
        out, err = self.capsys.readouterr()
        assert status == 0, err
        return json.loads(out)["hookSpecificOutput"] if out.startswith("{") else out.strip()

    def gives(self, place: Path, prompt: str) -> Any:
        given = {"prompt": prompt, "isolation": "worktree", "subagent_type": "general-purpose"}
        return self(place, "PreToolUse", tool_name="Agent", tool_use_id="t", tool_input=given)


@pytest.fixture
def hook(capsys: pytest.CaptureFixture[str]) -> Hook:
    return Hook(capsys)


def test_a_sessions_begin_tells_what_was_settled_before_its_brief(
    repo: Path, work: Workspace, hook: Hook
) -> None:
    die_after_the_swap(repo)
    told = hook(work.worktree_of("x") or repo, "SessionStart", source="startup")
    lines = told["additionalContext"].split("\n")
    assert lines[0].startswith("gitcoord: an earlier progress")
    assert lines[1].startswith("# gitcoord: agent x holds task")
    assert left(repo) == []


def test_a_lead_settles_before_it_gives_a_task_away(
    repo: Path, work: Workspace, hook: Hook
) -> None:
    die_after_the_swap(repo)
    snapshot = work.ledger.snapshot()
    task = next(name for name in ("a", "b", "c") if not snapshot.require_task(name)["claim"])
    told = hook.gives(work.worktree_of("x") or repo, f"do gitcoord:{task}")
    assert "an earlier progress" in told["additionalContext"]
    assert f"holds task {task}" in told["updatedInput"]["prompt"]
    assert left(repo) == []


def test_an_answer_is_handed_on_with_it_and_once(repo: Path, work: Workspace, hook: Hook) -> None:
    asked = escalations.escalate(work, "x", "which one?").event
    escalations.resolve(work, str(asked["id"])[:8], "the left one")
    place = work.worktree_of("x") or repo
    assert "the left one" in hook.gives(place, "do gitcoord:a")["additionalContext"]
    assert "additionalContext" not in hook.gives(place, "do gitcoord:a")


def test_a_lead_in_the_main_checkout_is_the_orchestrator(
    repo: Path, work: Workspace, hook: Hook
) -> None:
    told = hook.gives(repo, "do gitcoord:a")
    assert "holds task a" in told["updatedInput"]["prompt"]


def test_a_subagent_without_a_task_opens_no_ledger(repo: Path, hook: Hook) -> None:
    assert hook.gives(repo, "look around") == ""
    assert not (repo / ".git/gitcoord").exists()
