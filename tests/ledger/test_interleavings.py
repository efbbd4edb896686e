"""Scripted moments: who does what between two steps of a writer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core.errors import ClaimLostError, ConflictError, UnknownError
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.ledger.beats import beat_ref
from tests.support.builders import tasks
from tests.support.world import found, record

SHORT = '[plan]\nlease = "1s"\nheartbeat = "300ms"\n'


def before_swap(work: Workspace, ref: str, act: Callable[[], object]) -> None:
    """Let something happen once, just before a ref is swapped."""
    swap = work.store.swap
    acts = [act]

    def interrupted(name: str, *args: Any, **more: Any) -> None:
        if name == ref and acts:
            acts.pop()()
        swap(name, *args, **more)

    work.store.swap = interrupted  # type: ignore[method-assign, assignment]


def test_a_beat_that_came_after_the_takeover_is_told_that_the_claim_is_lost(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x", "a", checkout=False)
    time.sleep(1.05)
    other = open_workspace(repo)
    before_swap(
        work, beat_ref("ledger", "x"), lambda: claims.claim(other, "y", "a", checkout=False)
    )
    with pytest.raises(ClaimLostError):
        work.ledger.beat("x", held.claim["token"])


def test_objects_that_vanish_around_the_swap_are_written_again_before_the_answer(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    objects = repo / ".git" / "objects"
    old = set(objects.glob("??/*"))

    def prune() -> None:
        # As gc --prune=now does with what no ref reaches yet, save the entry
        # itself: libgit2 looks at that one before it moves the ref.
        fresh = [path for path in set(objects.glob("??/*")) - old if not _is_commit(repo, path)]
        assert fresh
        for path in fresh:
            path.unlink()

    before_swap(work, work.ledger.ref, prune)
    claimed = claims.claim(work, "x", "a", checkout=False)
    heir = open_workspace(repo)
    assert record(heir, "a")["claim"]["token"] == claimed.claim["token"]
    assert verify.verify(heir).tip == claimed.entry


def _is_commit(repo: Path, path: Path) -> bool:
    from tests.support.world import git

    return git("cat-file", "-t", path.parent.name + path.name, cwd=repo) == "commit"


def test_done_is_not_said_of_an_entry_that_is_not_in_the_chain(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    tip = work.ledger.tip()
    work.store.swap = lambda *_args, **_more: None  # type: ignore[method-assign]
    with pytest.raises(UnknownError) as caught:
        claims.claim(work, "x", "a", checkout=False, session="s")
    heir = open_workspace(repo)
    assert heir.ledger.tip() == tip
    assert caught.value.facts["entry_id"]
    assert record(heir, "a")["state"] == "open"


@pytest.mark.parametrize("years", [1, -1])
def test_a_wall_clock_that_jumps_by_a_year_ends_no_lease_and_turns_no_time_back(
    repo: Path, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)
    held = claims.claim(work, "x", "a", checkout=False)
    now, now_ns, year = time.time, time.time_ns, years * 365 * 86_400
    monkeypatch.setattr(time, "time", lambda: now() + year)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + year * 10**9)
    other = open_workspace(repo)
    with pytest.raises(ConflictError):
        claims.claim(other, "y", "a", checkout=False)
    work.ledger.beat("x", held.claim["token"])
    entry = results.progress(work, "x", "a", held.claim["token"], "on").entry
    parent = work.store.read_entry(work.store.read_entry(entry).parents[0])
    assert work.store.read_entry(entry).time >= parent.time
    verify.verify(other)
