"""Statistics of a real ledger, and of a clone of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.features.inspect.statistics import statistics
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.world import do, found, git


def test_the_statistics_are_the_same_in_a_clone(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y")
    do(work, "x", "a")
    held = claims.claim(work, "y", "b", session="assistant:claude=1+codex=2")
    results.fail(work, "y", "b", held.claim["token"], "no", "permanent")
    here = statistics(work)
    assert (here["counts"]["attempts"], here["counts"]["failed"]) == (2, 1)
    assert [one["name"] for one in here["agents"]] == ["x", "y"]
    assert [one["name"] for one in here["phases"]] == ["default"]
    assert [one["name"] for one in here["assistants"]] == ["-", "claude+codex"]
    assert here["times"]["work_ms"] is not None
    ref = "refs/heads/gitcoord/ledger"
    git("clone", "-q", str(repo), str(tmp_path / "clone"), cwd=tmp_path)
    git("fetch", "-q", "origin", f"{ref}:{ref}", cwd=tmp_path / "clone")
    assert statistics(open_workspace(tmp_path / "clone")) == here


def test_only_what_began_since_an_entry_or_a_time_is_counted(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    first = claims.claim(work, "x", "a")
    results.release(work, "x", "a", first.claim["token"])
    entry = work.ledger.snapshot().oid
    second = claims.claim(work, "x", "b")
    results.release(work, "x", "b", second.claim["token"])
    later = statistics(work, since=entry)
    assert (later["counts"]["attempts"], later["counts"]["released"]) == (1, 1)
    assert later["counts"]["entries"] == 2
    hour_s = 3600
    assert statistics(work, since_time=work.clock.seconds() - hour_s)["counts"]["attempts"] == 2
    none = statistics(work, since_time=work.clock.seconds() + hour_s)
    assert (none["counts"]["entries"], none["since"]) == (0, None)
    with pytest.raises(NotFoundError, match="not an entry"):
        statistics(work, since="1" * 40)
