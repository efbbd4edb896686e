"""Read, decide, write, swap: and decide again where somebody was first."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from gitcoord.core import codec
from gitcoord.core.errors import ClaimLostError, ConflictError, GitcoordError, UnknownError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.leases import Context
from gitcoord.core.machine import decide
from gitcoord.core.plan import parse
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
from gitcoord.host.live_files import LiveFile
from gitcoord.host.processes import identity
from gitcoord.ledger.ledger import Offers
from tests.support.builders import tasks
from tests.support.formats import keeps_tables, lock_of, needs_ref_files
from tests.support.moments import before_swap
from tests.support.world import found, record


def test_a_foreign_move_between_decision_and_swap_means_deciding_again(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    other = open_workspace(repo)
    moves = iter(["y"])

    def claim_a(snapshot: Snapshot, _context: Context) -> dict[str, object]:
        for name in moves:
            claims.claim(other, name, "a", checkout=False)
        return {
            "op": "claim",
            "agent": "x",
            "task": "a",
            "session": "s",
            "base": other.target_tip(snapshot),
            "built_on": {},
        }

    # The other writer waits for the queue, gives up, and goes on without it.
    with pytest.raises(ConflictError) as caught:
        work.ledger.execute(claim_a, agent="x")
    assert caught.value.facts["holder"] == "y"


@needs_ref_files
def test_of_commands_that_are_offered_each_is_decided_once_until_one_is_kept(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a", "b", "c", "d"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    decided = []

    def counted(snapshot: Snapshot, command: Command, context: Context) -> Event:
        decided.append(command["task"])
        return decide(snapshot, command, context)

    def offers(snapshot: Snapshot, _context: Context) -> Offers:
        base = {"base": work.target_tip(snapshot), "built_on": {}}
        for task in ("a", "b", "c", "d"):
            try:
                yield {"op": "claim", "agent": "y", "task": task, "session": "s", **base}
            except ConflictError:
                continue
            if task == "c":
                return

    monkeypatch.setattr("gitcoord.ledger.ledger.decide", counted)
    done = work.ledger.execute(offers, agent="y")
    assert decided == ["a", "b", "c"], "b was accepted, and c was offered in its place"
    assert done.event["task"] == "c"
    assert [task["id"] for task in done.snapshot.live()] == ["a", "c"]


def test_a_refusal_that_is_passed_on_is_the_answer_and_nothing_changes(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a", checkout=False)
    tip = work.ledger.tip()

    def offers(_snapshot: Snapshot, _context: Context) -> Offers:
        base = {"base": "", "built_on": {}}
        yield {"op": "claim", "agent": "y", "task": "a", "session": "s", **base}

    with pytest.raises(ConflictError, match="held by x"):
        work.ledger.execute(offers, agent="y")
    assert work.ledger.tip() == tip


def test_a_ledger_that_others_keep_moving_is_unavailable_at_the_deadline_and_nothing_changed(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    lock = lock_of(repo / ".git", work.ledger.ref)
    writer = LiveFile(repo / ".git" / "gitcoord" / "pending" / "ledger" / "z" / "1.json")
    writer.write(json.dumps({"process": identity()}).encode())
    tip = work.ledger.tip()
    work.ledger.timeout_s = 1.0
    # Of refs in files the writer's record tells that it lives, of tables its open lock.
    with lock.open("xb") as held:
        if not keeps_tables(repo / ".git"):
            held.close()
        with pytest.raises(GitcoordError) as caught:
            claims.claim(work, "x", checkout=False)
    assert caught.value.code == "unavailable"
    assert work.ledger.tip() == tip
    writer.leave()
    work.ledger.timeout_s = 20.0
    claims.claim(work, "x", checkout=False)


def test_a_swap_that_took_place_and_then_failed_is_done(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    swap = work.store.swap

    def fails_after(*args: object, **more: object) -> None:
        swap(*args, **more)  # type: ignore[arg-type]
        raise OSError(5, "the folder could not be synced")

    work.store.swap = fails_after  # type: ignore[method-assign]
    claimed = claims.claim(work, "x", checkout=False)
    assert work.ledger.tip() == claimed.entry
    assert list((repo / ".git" / "gitcoord" / "pending" / "ledger" / "x").iterdir()) == []


def test_a_command_that_is_refused_does_not_wait_for_its_turn(repo: Path) -> None:
    work, other = found(repo, tasks("a"), "x", worktrees=False), open_workspace(repo)
    claims.claim(work, "x", checkout=False)
    tip = work.ledger.tip()
    with other.ledger.queue.hold(1) as is_held, pytest.raises(ClaimLostError):
        results.release(work, "x", "a", "0" * 32)
    assert is_held
    assert work.ledger.tip() == tip


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


def test_what_a_command_names_is_written_again_when_a_prune_took_it_between_two_tries(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    other = open_workspace(repo)
    document, _ = parse(tasks("a", "b"))
    content = codec.dump(document)
    blob = work.store.write_blob(content)

    def prune_and_move() -> None:
        (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        claims.claim(other, "x", "a", checkout=False)

    before_swap(work, work.ledger.ref, prune_and_move)
    command = {"op": "plan", "agent": ORCHESTRATOR, "input": blob}
    work.ledger.execute(command, agent=ORCHESTRATOR, inputs=[content])
    heir = open_workspace(repo)
    assert record(heir, "b")["state"] == "open"
    verify.verify(heir)


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
