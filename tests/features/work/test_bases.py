"""The base of a claim contains what its task needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import (
    NothingReadyError,
    RefusedError,
)
from gitcoord.features.inspect import facts
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.world import do, found, record, write


def test_a_base_contains_the_results_that_a_task_needs_or_overlaps(repo: Path) -> None:
    plan = (
        tasks("a", "b", c=["a", "b"])
        + tasks("c", c=["a", "b"])
        + '[[task]]\nid="d"\ntitle="D"\npaths=["a/x/","d/"]\n'
    )
    work = found(repo, plan, "x")
    do(work, "x", "a")
    do(work, "x", "b")
    claimed = claims.claim(work, "x", "c")
    place = Path(claimed.worktree or "")
    assert (place / "a" / "file.txt").exists()
    assert (place / "b" / "file.txt").exists()
    assert set(claimed.claim["built_on"]) == {"a", "b"}
    write(place, "c/file.txt")
    results.complete(work, "x", "c", claimed.claim["token"])
    assert set(record(work, "c")["result"]["built_on"]) == {"a", "b"}
    overlapping = claims.claim(work, "x", "d")
    assert set(overlapping.claim["built_on"]) == {"a"}


def test_a_base_that_cannot_be_made_is_escalated_once(repo: Path) -> None:
    rows = "".join(
        f'[[task]]\nid="{name}"\ntitle="T"\nneeds={needs}\n'
        for name, needs in [("a", []), ("b", []), ("c", ["a", "b"])]
    )
    work = found(repo, '[plan]\nboundaries = "open"\n' + rows, "x")
    for name in "ab":
        claimed = claims.claim(work, "x", name)
        write(Path(claimed.worktree or ""), "same.txt", name)
        results.complete(work, "x", name, claimed.claim["token"])
    for _ in range(2):
        with pytest.raises(RefusedError) as caught:
            claims.claim(work, "x", "c")
        assert caught.value.reason == "base-conflict"
        with pytest.raises(NothingReadyError, match="waits for the orchestrator"):
            claims.claim(work, "x")
    assert [one["kind"] for one in facts.status(work)["escalations"]] == ["base-conflict"]
