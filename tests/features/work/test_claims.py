"""A claim: a task, its token, its branch in the agent's worktree."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    NothingReadyError,
    RefusedError,
)
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.cli import gitcoord
from tests.support.world import SHORT, do, found, git, write


def test_a_claim_checks_its_branch_out_in_the_agents_worktree_only(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    head = git("rev-parse", "HEAD", cwd=repo)
    claimed = claims.claim(work, "x")
    assert claimed.checkout == "done"
    assert (
        git("branch", "--show-current", cwd=Path(claimed.worktree or "")) == claimed.claim["branch"]
    )
    assert git("branch", "--show-current", cwd=repo) == "main"
    assert git("rev-parse", "HEAD", cwd=repo) == head
    assert git("status", "--porcelain", cwd=repo) == ""


def test_uncommitted_changes_are_refused_before_the_claim(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    place = work.worktree_of("x")
    assert place is not None
    (place / "README.md").write_text("changed\n")
    tip = work.ledger.tip()
    with pytest.raises(RefusedError) as caught:
        claims.claim(work, "x")
    assert caught.value.reason == "uncommitted"
    assert work.ledger.tip() == tip
    assert (place / "README.md").read_text() == "changed\n"
    assert claims.claim(work, "x", checkout=False).checkout == "none"


def test_asking_again_returns_the_same_claim(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    first = claims.claim(work, "x", session="s")
    again = claims.claim(work, "x", session="s")
    assert again.already
    assert again.claim["token"] == first.claim["token"]
    with pytest.raises(RefusedError) as caught:
        claims.claim(work, "x", "b" if first.task["id"] == "a" else "a", session="s")
    assert caught.value.reason == "capacity"


def test_another_living_session_is_a_conflict_and_a_dead_one_is_fenced(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    first = claims.claim(work, "x", session="named:one")
    with pytest.raises(ConflictError):
        claims.claim(work, "x", session="named:two")
    results.release(work, "x", "a", first.claim["token"])
    child = subprocess.Popen(["sleep", "60"])
    from gitcoord.host.processes import identity

    leader = identity(child.pid)
    first = claims.claim(work, "x", session=leader)
    with pytest.raises(ConflictError):
        claims.claim(work, "x", session="named:two")
    child.kill()
    child.wait()
    again = claims.claim(work, "x", session="named:two")
    assert again.reissued
    assert again.claim["branch"] == first.claim["branch"]
    with pytest.raises(ClaimLostError):
        results.progress(work, "x", "a", first.claim["token"], "hi")
    results.progress(work, "x", "a", again.claim["token"], "hi")


def test_a_dead_agents_task_is_taken_over_while_its_worktree_keeps_its_branch(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"), "x", "y")
    first = claims.claim(work, "x")
    old = write(Path(first.worktree or ""), "a/half.txt")
    with pytest.raises(NothingReadyError) as waiting:
        claims.claim(work, "y")
    assert 0 < float(str(waiting.value.facts["retry_after"])) <= 1.1
    time.sleep(1.05)
    second = claims.claim(work, "y")
    assert second.task["id"] == "a"
    assert second.claim["branch"] != first.claim["branch"]
    with pytest.raises(ClaimLostError):
        results.complete(work, "x", "a", first.claim["token"])
    with pytest.raises(ClaimLostError):
        work.ledger.beat("x", first.claim["token"])
    write(Path(second.worktree or ""), "a/file.txt")
    results.complete(work, "y", "a", second.claim["token"])
    assert git("rev-parse", first.claim["branch"], cwd=repo) == old, "the half-done branch is kept"
    verify.verify(work)


def test_resume_starts_from_the_earlier_attempt(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"), "x", "y")
    first = claims.claim(work, "x")
    half = write(Path(first.worktree or ""), "a/half.txt")
    time.sleep(1.05)
    second = claims.claim(work, "y", resume=True)
    assert git("rev-parse", "HEAD", cwd=Path(second.worktree or "")) == half
    results.complete(work, "y", "a", second.claim["token"])


def test_a_dead_agents_branch_is_offered_and_never_used_unasked(repo: Path) -> None:
    head = '[plan]\nlease = "1s"\nheartbeat = "300ms"\n'
    work = found(repo, tasks("a", head=head), "x", "y")
    claimed = claims.claim(work, "x", "a")
    half = write(Path(claimed.worktree or ""), "a/half.txt")
    work.clock.sleep(1.1)
    place = work.worktree_of("y")
    assert place is not None
    taken = json.loads(gitcoord(place, "claim", "--json").stdout)
    assert taken["earlier"] == {"branch": claimed.claim["branch"], "tip": half, "is_resumed": False}
    assert not (place / "a/half.txt").exists()
    assert gitcoord(place, "release").returncode == 0
    resumed = json.loads(gitcoord(place, "claim", "a", "--resume", "--json").stdout)
    assert resumed["earlier"] is None or resumed["earlier"]["is_resumed"]
    assert git("rev-parse", claimed.claim["branch"], cwd=repo) == half


def test_a_worktree_in_the_middle_of_a_rebase_is_not_switched(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    write(place, "README.md", "mine\n")
    write(repo, "README.md", "theirs\n")
    subprocess.run(["git", "rebase", "-q", "main"], cwd=place, check=False, capture_output=True)
    again = claims.claim(work, "x", "a")
    assert again.checkout == "failed"
    assert "an unfinished rebase" in again.problem
    results.fail(work, "x", "a", claimed.claim["token"], "no")
    tip = work.ledger.tip()
    with pytest.raises(RefusedError, match="an unfinished rebase") as caught:
        claims.claim(work, "x", "b")
    assert caught.value.reason == "unfinished"
    assert work.ledger.tip() == tip
    assert claims.claim(work, "x", "b", checkout=False).checkout == "none"
    assert (place / "README.md").read_text().startswith("<<<<<<<")


def test_a_checkout_that_fails_says_why(repo: Path) -> None:
    write(repo, "a/conf")
    work = found(repo, tasks("a", "b", b=["a"]), "x", "y")
    place = work.worktree_of("y")
    assert place is not None
    git("update-index", "--skip-worktree", "a/conf", cwd=place)
    (place / "a" / "conf").write_text("local\n")
    do(work, "x", "a", name="a/conf", text="new\n")
    claimed = claims.claim(work, "y", "b")
    assert claimed.checkout == "failed"
    assert "a/conf" in claimed.problem
    assert "--no-skip-worktree" in claimed.problem
    assert (place / "a" / "conf").read_text() == "local\n"
