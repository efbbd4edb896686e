"""Watching: each change once, with the events between."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.run.watch import watch
from gitcoord.features.work import claims, results
from gitcoord.features.work.escalations import escalate_once
from tests.support.builders import tasks
from tests.support.world import found


def test_each_change_is_told_with_the_events_since_the_one_before(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    told = watch(work)
    first = next(told)
    assert (first["events"], first["counts"]) == ([], {"ready": 2})
    assert [one["task"] for one in first["next"]] == ["a", "b"]
    held = claims.claim(work, "x", "a")
    escalate_once(work, "x", "question", "a", "which one?")
    second = next(told)
    assert [one["op"] for one in second["events"]] == ["claim", "escalate"]
    assert [one["kind"] for one in second["needs_you"]] == ["escalation"]
    assert [one["agent"] for one in second["running"]] == ["x"]
    results.release(work, "x", "a", held.claim["token"])
    assert [one["op"] for one in next(told)["events"]] == ["release"]


def test_once_it_says_how_it_stands_and_ends(repo: Path) -> None:
    work = found(repo, tasks("a"), worktrees=False)
    assert [line["counts"] for line in watch(work, is_once=True)] == [{"ready": 1}]
