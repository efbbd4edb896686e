"""Following: every entry once, and a rollback in its place."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.inspect.events import EVERYTHING, Wanted
from gitcoord.features.land import rollbacks
from gitcoord.features.work import claims, results
from gitcoord.features.work.follow import follow, newest
from tests.support.builders import tasks
from tests.support.world import found


def test_each_entry_is_told_once_as_it_comes(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    start = work.ledger.snapshot().oid
    told = follow(work, start, EVERYTHING)
    held = claims.claim(work, "x", "a")
    assert next(told)["entry"] == held.entry
    given = results.release(work, "x", "a", held.claim["token"])
    chosen = rollbacks.choose(work, to=start)
    gone = rollbacks.rollback(work, chosen)
    # It was at the claim: what came after that and is gone is not told.
    assert next(told)["entry"] == gone.entry
    assert given.entry != gone.entry


def test_a_reader_that_was_cut_off_goes_on_from_its_last_line(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    all_of_it = [line["entry"] for line in follow(work, None, EVERYTHING, is_once=True)]
    for number, entry in enumerate(all_of_it):
        rest = [line["entry"] for line in follow(work, entry, EVERYTHING, is_once=True)]
        assert rest == all_of_it[number + 1 :]


def test_the_newest_come_oldest_first(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    tip = work.ledger.snapshot().oid
    assert [line["op"] for line in newest(work, tip, EVERYTHING, 2)] == ["plan", "agent-add"]
    assert [line["op"] for line in newest(work, tip, Wanted(ops=("init",)), 2)] == ["init"]
