"""Two agents see each other by what they write, without paths in any plan."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import ClaimLostError, ConflictError, RefusedError
from gitcoord.features.setup import hooks, ledger, plans
from gitcoord.features.work import claims, results, starts
from gitcoord.features.work.claims import Claimed
from gitcoord.features.work.first_edits import widen_by
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks as task_rows
from tests.support.world import environment, found, record, write


def pair(repo: Path) -> tuple[Workspace, Claimed, Claimed]:
    work = open_workspace(repo)
    ledger.init(work)
    plans.apply_adhoc(work)
    return work, starts.start(work, "One", agent="ana"), starts.start(work, "Two", agent="ben")


def commit(claimed: Claimed, name: str) -> subprocess.CompletedProcess[str]:
    worktree = Path(claimed.worktree or "")
    (worktree / name).parent.mkdir(parents=True, exist_ok=True)
    (worktree / name).write_text("x\n")
    subprocess.run(["git", "add", "."], cwd=worktree, check=True)
    return subprocess.run(
        ["git", "commit", "-qm", "work"],
        cwd=worktree,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_commit_claims_what_nobody_holds_and_is_refused_what_another_does(repo: Path) -> None:
    work, one, two = pair(repo)
    hooks.install(work)
    assert commit(one, "src/a.py").returncode == 0
    assert record(work, one.task["id"])["widened"] == ["src/a.py"]
    refused = commit(two, "src/a.py")
    assert refused.returncode == 1
    assert "ana holds src/a.py" in refused.stderr
    assert "widened" not in record(work, two.task["id"])


def test_a_commit_that_is_undone_leaves_the_path_to_the_claim(repo: Path) -> None:
    work, one, two = pair(repo)
    hooks.install(work)
    commit(one, "src/a.py")
    subprocess.run(
        ["git", "reset", "-q", "--hard", "HEAD~1"], cwd=one.worktree, check=True, env=environment()
    )
    assert commit(two, "src/a.py").returncode == 1
    results.release(work, "ana", one.task["id"], one.claim["token"])
    assert commit(two, "src/a.py").returncode == 0


def test_whoever_started_here_claims_by_the_branch_that_is_checked_out(repo: Path) -> None:
    work, _one, two = pair(repo)
    hooks.install(work)
    here = starts.start(work, "Here", here=True)
    assert commit(here, "src/a.py").returncode == 0
    assert record(work, here.task["id"])["widened"] == ["src/a.py"]
    assert commit(two, "src/a.py").returncode == 1


def test_a_claim_that_is_over_by_then_widens_nothing(repo: Path) -> None:
    work, one, _two = pair(repo)
    results.release(work, "ana", one.task["id"], one.claim["token"])
    with pytest.raises(ClaimLostError):
        widen_by(work, "ana", one.task["id"], one.claim["token"], ["src/a.py"])
    assert "widened" not in record(work, one.task["id"])


def test_complete_claims_what_no_hook_saw(repo: Path) -> None:
    work, one, two = pair(repo)
    for claimed in (one, two):
        write(Path(claimed.worktree or ""), "same.py", claimed.task["id"])
    results.complete(work, "ana", one.task["id"], one.claim["token"])
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "ben", two.task["id"], two.claim["token"])
    assert caught.value.reason == "base-moved"
    assert one.task["id"] in caught.value.message


def test_what_another_still_holds_is_a_conflict_at_complete(repo: Path) -> None:
    work, one, two = pair(repo)
    assert widen_by(work, "ana", one.task["id"], one.claim["token"], ["same.py"])
    write(Path(two.worktree or ""), "same.py")
    with pytest.raises(ConflictError) as caught:
        results.complete(work, "ben", two.task["id"], two.claim["token"])
    assert caught.value.facts["holder"] == "ana"


def test_many_files_are_claimed_by_their_folders(repo: Path) -> None:
    work, one, _ = pair(repo)
    names = [f"src/{number}.py" for number in range(40)]
    assert widen_by(work, "ana", one.task["id"], one.claim["token"], [*names, "top.py"])
    assert record(work, one.task["id"])["widened"] == ["src/", "top.py"]
    tip = work.ledger.tip()
    assert widen_by(work, "ana", one.task["id"], one.claim["token"], ["src/other.py"])
    assert work.ledger.tip() == tip


@pytest.mark.parametrize("policy", ["", 'widening = "never"'])
def test_nothing_is_claimed_where_the_plan_does_not_say_free(repo: Path, policy: str) -> None:
    work = found(repo, f"[plan]\n{policy}\n" + task_rows("a"), "x")
    claimed = claims.claim(work, "x")
    assert not widen_by(work, "x", "a", claimed.claim["token"], ["other.py"])
    write(Path(claimed.worktree or ""), "other.py")
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", claimed.claim["token"])
    assert caught.value.reason == "boundary"


@pytest.mark.parametrize("path", ["a*.py", "../x", ".git/config"])
def test_a_name_that_would_be_a_pattern_or_is_unsafe_is_not_claimed(repo: Path, path: str) -> None:
    work, one, _ = pair(repo)
    assert not widen_by(work, "ana", one.task["id"], one.claim["token"], [path])
