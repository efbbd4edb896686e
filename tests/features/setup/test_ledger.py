"""A ledger is made once, on a branch that has a commit, over nobody's branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.features.setup import ledger, plans
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.world import found, git


def test_the_first_entry_names_the_target_and_its_tip(repo: Path) -> None:
    work = open_workspace(repo)
    done = ledger.init(work)
    assert done.event["target"] == "refs/heads/main"
    assert done.event["target_tip"] == git("rev-parse", "main", cwd=repo)
    assert work.store.read_entry(done.entry).parents == ()


def test_it_is_made_once(repo: Path) -> None:
    work = found(repo, tasks("a"))
    with pytest.raises(RefusedError, match="has a ledger 'ledger' already"):
        ledger.init(work)


def test_a_ledger_that_was_begun_without_a_plan_is_gone_on_with(repo: Path) -> None:
    work = open_workspace(repo)
    assert ledger.begun(work) is None
    done = ledger.init(work)
    again = ledger.begun(work)
    assert again is not None
    assert again.entry == done.entry
    assert ledger.begun(found_with_plan(repo)) is None


def found_with_plan(repo: Path) -> Workspace:
    work = open_workspace(repo)
    plans.apply_plan(work, tasks("a"), "p.toml")
    return work


@pytest.mark.parametrize("branch", ["gitcoord", "task"])
def test_it_is_not_made_over_a_branch_in_the_way(repo: Path, branch: str) -> None:
    git("branch", branch, cwd=repo)
    with pytest.raises(RefusedError) as caught:
        ledger.init(open_workspace(repo))
    assert "rename that branch" in caught.value.hint
    assert git("branch", "--list", "gitcoord/*", cwd=repo) == ""


def test_a_repository_without_a_commit_or_a_branch_is_told_what_it_lacks(
    repo: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    git("init", "-q", "-b", "main", str(empty), cwd=tmp_path)
    with pytest.raises(UsageError, match="has no commit yet"):
        ledger.init(open_workspace(empty))
    git("checkout", "-q", "--detach", cwd=repo)
    with pytest.raises(UsageError):
        ledger.init(open_workspace(repo))
