"""Waiting is woken by the ledger's moves, and by nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitcoord.core.errors import NothingReadyError, PlanFinishedError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.work import claims, wait
from gitcoord.features.work.wait import seconds_until_worth, wait_for_change
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.host.clock import Clock
from tests.support.builders import tasks
from tests.support.world import found, git

LONG_S = 60.0


@pytest.fixture
def work(repo: Path) -> Workspace:
    head = '[plan]\nlease = "30s"\nheartbeat = "10s"\n'
    return found(repo, tasks("a", head=head), "x", "y", worktrees=False)


@contextmanager
def waiters(work: Workspace, number: int) -> Iterator[list[bool]]:
    """Let threads wait for the ledger to move; give how each wait ended."""
    tip, ended = work.ledger.tip(), list[bool]()
    repo = work.place.worktree
    assert repo is not None

    def one() -> None:
        own = open_workspace(repo)
        ended.append(wait_for_change(own, tip, LONG_S))
        own.close()

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    while sum(watcher.waiters for watcher in wait._watchers.values()) < number:
        Clock().sleep(0.01)
    yield ended
    for thread in threads:
        thread.join()


def move(work: Workspace) -> None:
    claims.claim(work, "x", "a", checkout=False)


def test_every_waiter_of_a_process_is_woken_by_one_watcher(work: Workspace) -> None:
    with waiters(work, 5) as ended:
        assert len(wait._watchers) == 1
        move(work)
    assert ended == [True] * 5
    assert wait._watchers == {}


def test_what_others_read_wakes_nobody(work: Workspace, repo: Path) -> None:
    woken = threading.Event()
    events = wait._Events([repo / ".git" / "refs" / "heads" / "gitcoord"], woken.set)
    events.keep_watching()
    move(work)
    assert woken.wait(LONG_S), "a move is told"
    Clock().sleep(0.2)
    woken.clear()
    for _ in range(200):
        work.ledger.tip()
    assert not woken.wait(0.5)
    events.end()


@pytest.mark.parametrize("is_told", [True, False])
def test_a_move_is_found_whether_the_system_tells_or_not(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    if not is_told:
        monkeypatch.setattr(wait, "_observe", lambda *_args: None)
    with waiters(work, 1) as ended:
        move(work)
    assert ended == [True]


def test_packed_refs_and_a_folder_made_anew_are_noticed(work: Workspace, repo: Path) -> None:
    with waiters(work, 1) as ended:
        git("pack-refs", "--all", "--prune", cwd=repo)
        move(work)
    assert ended == [True]


def test_who_is_stopped_waits_no_longer(work: Workspace) -> None:
    stop = threading.Event()
    stop.set()
    assert not wait_for_change(work, work.ledger.tip(), LONG_S, stop)


def test_time_that_is_up_is_told(work: Workspace) -> None:
    assert not wait_for_change(work, work.ledger.tip(), 0)
    assert not wait_for_change(work, work.ledger.tip(), 0.01)
    assert wait_for_change(work, None, LONG_S), "it is elsewhere already"


def test_looks_grow_apart_while_nothing_moves() -> None:
    interval_s, looks = wait.FIRST_INTERVAL_S, list[float]()
    for _ in range(10):
        looks.append(interval_s)
        interval_s = wait.grown(interval_s)
    assert looks == sorted(looks)
    assert (looks[0], looks[-1]) == (1.0, 5.0)


def test_processes_that_began_together_part() -> None:
    drawn = {wait.jittered(4.0, Clock()) for _ in range(50)}
    assert len(drawn) == 50
    assert all(3.0 <= seconds <= 5.0 for seconds in drawn)


def test_a_refused_claim_is_worth_another_try_when_a_lease_ends(work: Workspace) -> None:
    move(work)
    with pytest.raises(NothingReadyError) as caught:
        claims.claim(work, "y", checkout=False)
    assert 20 < seconds_until_worth(caught.value, Clock()) <= 30.2
    work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent=ORCHESTRATOR)
    with pytest.raises(PlanFinishedError):
        claims.claim(work, "y", checkout=False)


def test_where_time_alone_changes_nothing_another_try_is_far_off(work: Workspace) -> None:
    error = NothingReadyError("no", retry_after=5.0, waiting_for=[{"kind": "phase"}])
    assert 200 < seconds_until_worth(error, Clock()) < 400
