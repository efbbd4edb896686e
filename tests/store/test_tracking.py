"""Copies of a server's refs, in refs of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.git.remotes import MissingOnServerError, Remote, Update
from gitcoord.host.clock import Clock
from gitcoord.store.plumbing import PlumbingStore
from gitcoord.store.tracking import Tracking, Tries
from tests.conftest import Run
from tests.support.machines import server

LEDGER = "refs/heads/gitcoord/ledger"
BEAT = "refs/gitcoord/ledger/beats/x"
COPIES = "refs/gitcoord-remotes/origin"


@pytest.fixture
def tracking(tmp_path: Path, repo: Path, git: Run) -> Tracking:
    git("remote", "add", "origin", str(server(tmp_path)))
    return tracked(repo)


def tracked(repo: Path, place: str = "") -> Tracking:
    return Tracking(PlumbingStore(repo / ".git"), Remote(repo / ".git", "origin"), "ledger", place)


def test_what_was_pushed_and_what_was_fetched_is_known(
    tracking: Tracking, repo: Path, git: Run
) -> None:
    tip = git("rev-parse", "HEAD")
    assert tracking.push([Update(LEDGER, None, tip), Update(BEAT, None, tip)], timeout_s=30)
    assert tracking.read(LEDGER) == tip
    assert tracking.list("refs/gitcoord/ledger/") == {BEAT: tip}
    for ref in (LEDGER, BEAT):
        git("update-ref", "-d", ref.replace("refs/", f"{COPIES}/", 1))
    assert tracking.read(LEDGER) is None
    tracking.fetch([], timeout_s=30)
    assert tracking.list("refs/gitcoord/ledger/") == {BEAT: tip}
    assert git("for-each-ref", "refs/gitcoord", "refs/heads/gitcoord") == ""


def test_a_ledger_may_lie_apart_from_the_branches(
    tmp_path: Path, tracking: Tracking, repo: Path, git: Run
) -> None:
    apart = tracked(repo, "refs/gitcoord/ledger/ledger")
    tip = git("rev-parse", "HEAD")
    apart.push([Update(LEDGER, None, tip)], timeout_s=30)
    there = git("for-each-ref", "--format=%(refname)", cwd=tmp_path / "server.git").split()
    assert there == ["refs/gitcoord/ledger/ledger"]
    apart.fetch([], timeout_s=30)
    assert apart.read(LEDGER) == tip


def test_a_target_that_is_not_there_is_named_and_forgotten(tracking: Tracking, git: Run) -> None:
    tip = git("rev-parse", "HEAD")
    tracking.push([Update(LEDGER, None, tip), Update("refs/heads/main", None, tip)], timeout_s=30)
    with pytest.raises(MissingOnServerError):
        tracking.fetch(["refs/heads/gone"], timeout_s=30)
    assert tracking.read("refs/heads/main") == tip
    tracking.forget("refs/heads/main")
    assert tracking.read("refs/heads/main") is None


def test_a_lock_that_a_killed_fetch_left_is_removed(
    tracking: Tracking, repo: Path, git: Run
) -> None:
    tip = git("rev-parse", "HEAD")
    tracking.push([Update(LEDGER, None, tip)], timeout_s=30)
    copy = f"{COPIES}/heads/gitcoord/ledger"
    git("update-ref", "-d", copy)
    lock = repo / ".git" / f"{copy}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    tracking.fetch([], timeout_s=30)
    assert tracking.read(LEDGER) == tip


def test_a_server_is_tried_three_times() -> None:
    tries = Tries(Clock())
    assert [tries.again() for _ in range(3)] == [True, True, False]
