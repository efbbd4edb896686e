"""What a plan shares with the repository's other ledgers is told before anybody works."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.model import PlanDocument
from gitcoord.features.setup import ledger, plans
from gitcoord.features.setup.other_ledgers import ledger_notices, shared_paths
from gitcoord.features.work import claims, tasks
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks as task_rows
from tests.support.world import do, found


def second(repo: Path) -> Workspace:
    """Another ledger of the same repository, without a plan."""
    work = open_workspace(repo, "other")
    ledger.init(work)
    return work


def writing(*patterns: str) -> PlanDocument:
    row = f'[[task]]\nid = "mine"\ntitle = "T"\npaths = {list(patterns)}\n'
    return plans.check_plan(row, "p.toml")[0]


def test_a_ledger_names_the_others_and_not_itself(repo: Path) -> None:
    first = found(repo, task_rows("a"), "x", worktrees=False)
    assert ledger_notices(first) == []
    claims.claim(first, "x", "a", checkout=False)
    (told,) = ledger_notices(second(repo))
    assert told.startswith("ledger 'ledger' works in this repository too, lands on main")
    assert "1 live claim(s)" in told
    assert ledger_notices(first) == [], "one without a plan has no work"


@pytest.mark.parametrize(
    ("patterns", "is_shared"),
    [(["a/x.py"], True), (["**"], True), (["*/x.py"], True), (["c/"], False), (["top.txt"], False)],
)
def test_a_task_that_may_write_what_another_ledgers_task_may_is_named(
    repo: Path, patterns: list[str], is_shared: bool
) -> None:
    first = found(repo, task_rows("a", "b"), "x", worktrees=False)
    claims.claim(first, "x", "a", checkout=False)
    told = shared_paths(second(repo), writing(*patterns))
    assert (told != []) == is_shared
    if is_shared:
        assert told[0].startswith("task mine: task a of ledger 'ledger', held by x, may write")


def test_what_landed_or_is_cancelled_is_in_nobodys_way(repo: Path) -> None:
    first = found(repo, task_rows("a", "b", head='[plan]\nlanding = "auto"\n'), "x")
    tasks.change(first, "cancel", "b")
    assert shared_paths(second(repo), writing("b/")) == []
    assert len(shared_paths(open_workspace(repo, "other"), writing("a/"))) == 1
    do(first, "x", "a")
    from gitcoord.features.land import landings

    landings.land(first, "default")
    assert shared_paths(open_workspace(repo, "other"), writing("a/")) == []


def test_very_many_pairs_are_told_as_more(repo: Path) -> None:
    rows = '[[tasks]]\nids = "1-20"\ntitle = "Task {id}"\npaths = ["out/{id}/"]\n'
    found(repo, rows)
    told = shared_paths(second(repo), writing("out/"))
    assert len(told) == 11
    assert told[-1] == "and more tasks share paths with tasks of ledger 'ledger'"


def test_a_plan_that_is_applied_tells_it_too(repo: Path) -> None:
    found(repo, task_rows("a"))
    applied = plans.apply_plan(second(repo), task_rows("a"), "p.toml")
    (told,) = applied.warnings
    assert "of ledger 'ledger' may write a/ too" in told
