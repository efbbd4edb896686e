"""Notes are bounded, their author's, and shown to those they matter to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    NotFoundError,
    RefusedError,
    UsageError,
)
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.model import MAX_NOTES
from gitcoord.features.maintain import verify
from gitcoord.features.work import notes
from tests.support.builders import tasks
from tests.support.cli import gitcoord
from tests.support.world import found


def test_notes_are_shown_to_those_they_matter_to(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    notes.note(work, "x", "for everyone")
    notes.note(work, "x", "about a", task="a")
    notes.note(work, ORCHESTRATOR, "about b's files", path="b/deep/")
    said = json.loads(gitcoord(repo, "claim", "b", "--agent", "x", "--json").stdout)["notes"]
    assert {one["text"] for one in said} == {"for everyone", "about b's files"}
    shown = json.loads(gitcoord(repo, "note", "--task", "a", "--json").stdout)["notes"]
    assert {one["text"] for one in shown} == {"for everyone", "about a"}
    mine = next(one["id"] for one in shown if one["task"] == "a")
    dropped = gitcoord(repo, "note", "--drop", mine, "--agent", "x")
    assert dropped.returncode == 0
    assert "about a" not in gitcoord(repo, "note").stdout
    verify.verify(work)


def test_notes_are_bounded_and_belong_to_their_author(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)
    with pytest.raises(UsageError):
        notes.note(work, "x", "n" * 1025)
    with pytest.raises(UsageError):
        notes.note(work, "x", "both", task="a", path="a/")
    with pytest.raises(NotFoundError):
        notes.note(work, "x", "where", task="zz")
    with pytest.raises(NotFoundError):
        notes.note(work, "nobody", "who")
    mine = notes.note(work, "x", "mine").event["id"][:8]
    with pytest.raises(RefusedError):
        notes.drop_note(work, "y", mine)
    assert MAX_NOTES == 200
