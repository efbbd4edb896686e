"""Reviewers that a run starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import (
    RefusedError,
)
from gitcoord.core.sentences import reason_of
from gitcoord.features.maintain import verify
from gitcoord.features.run import reviews as run_reviews
from gitcoord.features.run import runner
from tests.support.builders import REVIEWED, tasks
from tests.support.world import found, record


def test_run_reviews_with_a_command_and_lands(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a", "b", "c", head=REVIEWED))
    flag = tmp_path / "rejected-once"
    review = (
        f'[ "$GITCOORD_TASK" = b ] && [ ! -e {flag} ] && touch {flag} && echo "b is not good" && '
        "exit 1\n"
        'git diff --quiet "$GITCOORD_BASE" HEAD && exit 1; grep -q . "$GITCOORD_TASK/f"'
    )
    notes: list[run_reviews.Note] = []
    done = runner.run(
        work,
        repo,
        ["sh", "-c", 'mkdir -p "$GITCOORD_TASK"; echo x > "$GITCOORD_TASK/f"'],
        2,
        notes.append,
        review=review,
    )
    assert done.is_landed, notes
    assert "b is not good" in reason_of(record(work, "b")["setbacks"][0])
    assert any(note.what == "rejected" and note.text == "b is not good" for note in notes)
    for task in ("a", "b", "c"):
        final = record(work, task)
        assert final["reviews"][0]["agent"] != final["result"]["agent"]
    verify.verify(work)


def test_run_without_a_reviewer_ends_and_says_what_is_waited_for(repo: Path) -> None:
    work = found(repo, tasks("a", head=REVIEWED))
    notes: list[run_reviews.Note] = []
    done = runner.run(work, repo, ["sh", "-c", "mkdir a; echo x > a/f"], 2, notes.append)
    assert (done.is_landed, done.counts) == (False, {"review": 1})
    assert any(note.what == "idle" and "`gitcoord review claim`" in note.text for note in notes)


@pytest.mark.parametrize("command", ["exit 127", "kill -9 $$"])
def test_a_review_command_without_a_verdict_judges_nothing(repo: Path, command: str) -> None:
    work = found(repo, tasks("a", head=REVIEWED))
    with pytest.raises(RefusedError, match="gave no verdict") as refused:
        runner.run(
            work,
            repo,
            ["sh", "-c", "mkdir a; echo x > a/f"],
            2,
            lambda _note: None,
            review=command,
        )
    assert refused.value.reason == "review-command"
    assert (
        record(work, "a")["state"],
        record(work, "a")["reviews"],
        record(work, "a")["failures"],
    ) == ("review", [], 0)
