"""Several ledgers of one repository: each on its own, and all in one list."""

from __future__ import annotations

from pathlib import Path

import gitcoord
from gitcoord.features.maintain.ledgers import every_ledger
from gitcoord.features.setup import agents, ledger, plans
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace, ledger_at, open_workspace
from tests.support.builders import tasks
from tests.support.machines import made, server
from tests.support.world import found, git


def second(repo: Path, name: str = "docs") -> Workspace:
    """Make another ledger in a repository, with a plan of its own."""
    work = open_workspace(repo, name)
    ledger.init(work)
    plans.apply_plan(work, tasks("a"), "plan.toml")
    return work


def test_each_ledger_is_told_with_its_counts(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    second(repo)
    docs, usual = every_ledger(work)
    assert (docs["ledger"], usual["ledger"]) == ("docs", "ledger")
    assert usual["counts"]["claimed"] == 1
    assert docs["counts"].get("claimed", 0) == 0
    assert docs["remote"] is None


def test_one_that_cannot_be_read_keeps_no_other_from_being_told(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    work = made(repo, str(bare), tasks("a"), "x", worktrees=False)
    second(repo)
    bare.rename(tmp_path / "gone")
    docs, usual = every_ledger(open_workspace(repo, "docs", timeout_s=2.0))
    assert docs["problem"] == ""
    assert "origin was not reached" in usual["problem"]
    offline = every_ledger(open_workspace(repo, is_offline=True))
    assert [one["remote"] for one in offline] == [None, "origin"]
    assert offline[1]["problem"] == ""
    assert sum(offline[1]["counts"].values()) == 1
    work.close()


def test_an_agents_worktree_names_its_ledger(repo: Path) -> None:
    found(repo, tasks("a"), "x")
    docs = second(repo)
    agents.add(docs, "writer")
    place = docs.worktree_of("writer")
    assert place is not None
    (place / "below").mkdir()
    assert ledger_at(place / "below") == "docs"
    assert ledger_at(repo) == "ledger"
    assert ledger_at(repo.parent) == "ledger"
    with gitcoord.open(place) as coordinator:
        held = coordinator.claim("writer", "a")
    assert str(held.task["branch"]).startswith("task-docs/a/")
    # The other ledger knows nothing of it: to be alone is a matter of one ledger.
    assert claims.claim(open_workspace(repo), "x", "a", checkout=False).task["id"] == "a"
    assert git("branch", "--list", "task-docs/*", cwd=repo)
