"""The Python interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.inspect import facts
from gitcoord.features.land import target_moves
from tests.support.builders import tasks
from tests.support.world import found, git, write


def test_with_automatic_landing_the_last_to_complete_lands_the_phase(repo: Path) -> None:
    import gitcoord

    work = found(repo, '[plan]\nlanding = "auto"\n' + tasks("a", "b"), "x")
    with gitcoord.open(repo) as coord:
        for count in (1, 2):
            claim = coord.claim("x")
            write(Path(claim.worktree or ""), f"{claim.task['id']}/file.txt")
            coord.complete(claim)
            assert facts.status(work)["counts"].get("landed", 0) == (0 if count == 1 else 2)
    # Agents' commands finish refs only; the orchestrator's next one brings the checkout along.
    assert target_moves.lagging(work) == [repo]
    target_moves.finish_pending(work)
    assert target_moves.lagging(work) == []
    assert git("status", "--porcelain", cwd=repo) == ""


def test_the_python_interface_does_the_same(repo: Path) -> None:
    import gitcoord

    found(repo, tasks("a", "b", "c", "d"), "x", worktrees=False).close()
    with gitcoord.open(repo) as coord:
        claim = coord.claim("x", "a")
        coord.progress(claim, "half", percent=50)
        coord.beat(claim)
        with pytest.raises(gitcoord.RefusedError):
            coord.complete(claim, result="HEAD")
        coord.release(claim, reason="later")
        with pytest.raises(gitcoord.ClaimLostError):
            coord.progress(claim, "too late")
        coord.fail(coord.claim("x", "b"), reason="no", kind="permanent")
    with pytest.raises(gitcoord.UsageError):
        gitcoord.open("/")


def test_what_the_commands_see_is_seen_from_python(repo: Path) -> None:
    import gitcoord

    found(repo, tasks("a", "b"), "x", worktrees=False).close()
    with gitcoord.open(repo) as coord:
        before = list(coord.events())
        claim = coord.claim("x", "a")
        (line,) = coord.events(since=before[-1]["entry"])
        assert (line["op"], line["entry"]) == ("claim", claim.entry)
        assert [one["task"] for one in coord.status()["running"]] == ["a"]
        assert coord.status()["eta"]["from"] is None
        coord.release(claim)
        assert coord.stats()["counts"]["released"] == 1
        assert coord.stats(since=claim.entry)["counts"]["attempts"] == 0
        with pytest.raises(gitcoord.NotFoundError):
            coord.stats(since="1" * 40)
