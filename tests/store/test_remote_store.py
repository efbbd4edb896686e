"""The push is the swap: rejections, pushes that are cut off, and what travels together."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.remote_racers import Counted
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from gitcoord.features.doors import begin_as_agent
from gitcoord.features.inspect import facts
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.work.wait import wait_for_change
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.formats import lock_of, needs_ref_files
from tests.support.machines import OtherMachine, joined, made, server
from tests.support.world import SHORT, git

LEDGER = "refs/heads/gitcoord/ledger"
KILL_THE_PUSHER = """
pusher=$PPID
while [ "$pusher" -gt 1 ] && [ "$(ps -o comm= -p "$pusher")" != git ]; do
    pusher=$(ps -o ppid= -p "$pusher" | tr -d " ")
done
[ "$pusher" -gt 1 ] && kill -KILL "$pusher"
"""
TAKEN = '[ "$1" = committed ] || exit 0\nrm -- "$0"\n'
"""At the start of a reference-transaction hook: once, when the refs have moved."""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return server(tmp_path)


@pytest.fixture
def one(repo: Path, bare: Path) -> Workspace:
    return made(repo, str(bare), tasks("a", "b", "c"), "x", "y", worktrees=False)


def hook(bare: Path, name: str, script: str) -> Path:
    place = bare / "hooks" / name
    place.write_text(f"#!/bin/sh\n{script}")
    place.chmod(0o755)
    return place


def again(work: Workspace, timeout_s: float = 30.0) -> Workspace:
    """Open the same clone once more, as another process would."""
    return open_workspace(work.place.common_dir.parent, timeout_s=timeout_s)


def tip_of(bare: Path) -> str:
    return git("rev-parse", LEDGER, cwd=bare)


def ids_of(bare: Path) -> list[str]:
    format_ = "--format=%(trailers:key=Gitcoord-Id,valueonly,separator=)"
    return git("log", format_, LEDGER, cwd=bare).split()


def test_whoever_is_second_reads_again_and_gets_another_task(
    one: Workspace, bare: Path, tmp_path: Path
) -> None:
    second = joined(str(bare), tmp_path / "second" / "repo")
    second.ledger.snapshot()
    first = claims.claim(one, "x", "a", checkout=False)
    # What this clone knows is older than that claim: its push is refused.
    other = claims.claim(second, "y", checkout=False)
    assert other.task["id"] != first.task["id"]
    assert tip_of(bare) == other.entry
    verify.verify(second)


def test_a_push_that_was_cut_off_after_the_server_took_it_is_done_once(
    one: Workspace, bare: Path
) -> None:
    hook(bare, "reference-transaction", TAKEN + KILL_THE_PUSHER)
    done = claims.claim(one, "x", "a", checkout=False)
    assert tip_of(bare) == done.entry
    assert len(set(ids_of(bare))) == len(ids_of(bare)) == 5


def test_a_push_that_was_cut_off_before_the_server_took_it_is_made_again(
    one: Workspace, bare: Path
) -> None:
    hook(bare, "pre-receive", f'rm -- "$0"\n{KILL_THE_PUSHER}exit 1\n')
    done = claims.claim(one, "x", "a", checkout=False)
    assert tip_of(bare) == done.entry
    assert len(ids_of(bare)) == 5


def test_what_is_unknown_is_settled_by_the_next_command(one: Workspace, bare: Path) -> None:
    gone = bare.with_name("gone")
    move_away = f'mv "{bare}" "{gone}"\n'
    hook(bare, "reference-transaction", TAKEN + move_away + KILL_THE_PUSHER)
    with pytest.raises(UnknownError) as unknown:
        claims.claim(again(one, timeout_s=2), "x", "a", checkout=False)
    assert unknown.value.facts["entry_id"]
    with pytest.raises(UnavailableError):
        begin_as_agent(again(one, timeout_s=2), "x")
    gone.rename(bare)
    told = begin_as_agent(again(one), "x")
    assert [notice.text for notice in told] == ["an earlier claim a that was cut off was done"]
    assert unknown.value.facts["entry_id"] in ids_of(bare)
    assert begin_as_agent(again(one), "x") == []


def test_a_server_that_is_not_there_is_unavailable_and_reading_goes_on_offline(
    one: Workspace, bare: Path
) -> None:
    before = tip_of(bare)
    bare.rename(bare.with_name("gone"))
    with pytest.raises(UnavailableError, match="origin was not reached"):
        claims.claim(again(one, timeout_s=2), "x", "a", checkout=False)
    offline = open_workspace(one.place.common_dir.parent, is_offline=True)
    assert facts.status(offline)["tip"] == before
    with pytest.raises(UnavailableError, match="--offline"):
        claims.claim(offline, "x", "a", checkout=False)


def test_a_server_that_forbids_the_push_is_quoted(one: Workspace, bare: Path) -> None:
    before = tip_of(bare)
    hook(bare, "pre-receive", "echo not on fridays; exit 1\n")
    with pytest.raises(RefusedError, match="not on fridays") as refused:
        claims.claim(one, "x", "a", checkout=False)
    assert refused.value.reason == "remote"
    assert tip_of(bare) == before


def test_a_lock_on_the_server_is_named_with_what_to_do(one: Workspace, bare: Path) -> None:
    before = tip_of(bare)
    lock = lock_of(bare, LEDGER)
    lock.touch()
    with pytest.raises(UnavailableError, match="a lock is in the way on origin") as locked:
        claims.claim(again(one, timeout_s=2), "x", "a", checkout=False)
    assert "which lock file a dead one has left" in locked.value.hint
    assert tip_of(bare) == before
    lock.unlink()
    claims.claim(again(one), "x", "a", checkout=False)


@needs_ref_files
def test_a_clone_that_is_behind_follows_without_a_person(one: Workspace, bare: Path) -> None:
    top = one.place.common_dir.parent
    old = git("rev-parse", LEDGER + "~1", cwd=top)
    # A process that was killed after the server had accepted leaves this.
    git("update-ref", LEDGER, old, cwd=top)
    git("update-ref", "refs/gitcoord-remotes/origin/heads/gitcoord/ledger", old, cwd=top)
    lock = top / ".git/refs/gitcoord-remotes/origin/heads/gitcoord/ledger.lock"
    lock.touch()
    (one.place.common_dir / "gitcoord" / "remote" / "ledger.json").unlink()
    work = again(one)
    assert work.ledger.tip() == tip_of(bare)
    assert git("rev-parse", LEDGER, cwd=top) == tip_of(bare)


@pytest.mark.parametrize("ref", [LEDGER, "refs/gitcoord-remotes/origin/heads/gitcoord/ledger"])
def test_a_lock_that_a_dead_process_left_in_a_clone_is_no_obstacle(
    one: Workspace, bare: Path, ref: str
) -> None:
    lock_of(one.place.common_dir, ref).touch()
    done = claims.claim(again(one), "x", "a", checkout=False)
    assert tip_of(bare) == done.entry
    assert git("rev-parse", LEDGER, cwd=one.place.common_dir.parent) == done.entry


def test_a_result_goes_with_its_entry_even_if_its_ref_is_older(one: Workspace, bare: Path) -> None:
    top = one.place.common_dir.parent
    held = claims.claim(one, "x", "a", checkout=False)
    git("checkout", "-q", "-b", held.claim["branch"], cwd=top)
    (top / "a").mkdir()
    (top / "a" / "f").write_text("x")
    git("add", "a", cwd=top)
    git("commit", "-q", "-m", "work", cwd=top)
    result = git("rev-parse", "HEAD", cwd=top)
    # An earlier complete that died had made the ref.
    kept = f"refs/gitcoord/ledger/results/a/{result}"
    git("update-ref", kept, result, cwd=top)
    results.complete(one, "x", "a", held.claim["token"])
    assert git("rev-parse", kept, cwd=bare) == result


def test_a_takeover_replaces_the_beat_and_its_holder_is_told(
    repo: Path, bare: Path, tmp_path: Path
) -> None:
    one = made(repo, str(bare), SHORT + tasks("a"), "x", "y", worktrees=False)
    second = joined(str(bare), tmp_path / "second" / "repo", clock=OtherMachine("second", 9e6))
    held = claims.claim(one, "x", "a", checkout=False)
    beaten = one.ledger.beat("x", held.claim["token"])
    ref = "refs/gitcoord/ledger/beats/x"
    assert git("rev-parse", ref, cwd=bare) == beaten.oid
    with pytest.raises(ConflictError):
        claims.claim(second, "y", "a", checkout=False)
    second.clock.sleep(1.1)  # watched for a whole lease
    claims.claim(second, "y", "a", checkout=False)
    assert git("rev-parse", ref, cwd=bare) != beaten.oid
    with pytest.raises(ClaimLostError):
        one.ledger.beat("x", held.claim["token"])
    with pytest.raises(ClaimLostError):
        results.progress(one, "x", "a", held.claim["token"], "still here")
    verify.verify(second)


def test_a_beat_that_came_in_between_stops_a_takeover(
    repo: Path, bare: Path, tmp_path: Path
) -> None:
    one = made(repo, str(bare), SHORT + tasks("a"), "x", "y", worktrees=False)
    second = joined(str(bare), tmp_path / "second" / "repo", clock=OtherMachine("second"))
    held = claims.claim(one, "x", "a", checkout=False)
    with pytest.raises(ConflictError):
        claims.claim(second, "y", "a", checkout=False)
    second.clock.sleep(1.2)
    second.ledger.snapshot()
    assert second.remote is not None
    second.remote.fresh_ns = 10**12  # it goes by what it knows, until the push is refused
    one.ledger.beat("x", held.claim["token"])
    with pytest.raises(ConflictError):
        claims.claim(second, "y", "a", checkout=False)
    results.progress(one, "x", "a", held.claim["token"], "still here")


class _SlowLine(Counted):
    """A server from which each fetch takes five seconds of its clone's clock."""

    clock: OtherMachine

    def fetch(self, *args: Any, **options: Any) -> None:
        super().fetch(*args, **options)
        self.clock.ahead_s += 5.0


def test_what_a_slow_fetch_brought_is_not_fetched_again_by_the_same_command(
    one: Workspace, bare: Path, tmp_path: Path
) -> None:
    one.close()
    work = joined(str(bare), tmp_path / "second" / "repo", clock=(clock := OtherMachine("second")))
    assert work.remote is not None
    slow = _SlowLine(work.remote.tracking)
    slow.clock = clock
    work.remote.tracking = slow
    begin_as_agent(work, "x")
    held = claims.claim(work, "x", checkout=False)
    assert (slow.pushes, slow.fetches) == (1, 1)
    begin_as_agent(work, "x")
    results.progress(work, "x", held.task["id"], held.claim["token"], "half done")
    assert (slow.pushes, slow.fetches) == (2, 2)


def test_nothing_of_the_user_s_is_disturbed(one: Workspace, bare: Path, tmp_path: Path) -> None:
    top = tmp_path / "second" / "repo"
    work = joined(str(bare), top)
    config = (top / ".git" / "config").read_text()
    claims.claim(work, "x", "a", checkout=False)
    git("fetch", "-q", "--prune", "origin", cwd=top)
    assert (top / ".git" / "config").read_text() == config
    assert (
        not (top / ".git" / "FETCH_HEAD").exists()
        or "gitcoord/ledger'" in (top / ".git" / "FETCH_HEAD").read_text()
    )
    assert again(work).ledger.tip() == tip_of(bare)
    assert git("status", "--porcelain", cwd=top) == ""
    shutil.rmtree(top)


def test_a_waiter_sees_what_another_clone_published(
    one: Workspace, bare: Path, tmp_path: Path
) -> None:
    second = joined(str(bare), tmp_path / "second" / "repo")
    tip = second.ledger.tip()
    claims.claim(one, "x", "a", checkout=False)
    assert wait_for_change(second, tip, 60.0)


def test_who_is_lazy_goes_by_what_is_known_and_outlasts_a_server_that_is_away(
    one: Workspace, bare: Path, tmp_path: Path
) -> None:
    top = tmp_path / "second" / "repo"
    joined(str(bare), top)
    known = tip_of(bare)
    claims.claim(one, "x", "a", checkout=False)
    lazy = open_workspace(top, is_lazy=True)
    assert lazy.ledger.tip() == known
    bare.rename(bare.with_name("gone"))
    (top / ".git" / "gitcoord" / "remote" / "ledger.json").unlink()
    assert open_workspace(top, is_lazy=True).ledger.tip() == known
