"""Rollbacks, of the ledger alone and with the target, through real git."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from gitcoord.core import codec
from gitcoord.core.errors import (
    ClaimLostError,
    CorruptError,
    GitcoordError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.messages import parse
from gitcoord.core.refs import attic_ref
from gitcoord.core.sentences import said
from gitcoord.features.land import landings, rollback_preview, rollbacks, target_moves
from gitcoord.features.maintain import verify
from gitcoord.features.setup import agents
from gitcoord.features.work import claims, results, tokens
from gitcoord.features.workspace import Workspace, keep_commits, open_workspace
from gitcoord.git import merges
from tests.support.builders import tasks
from tests.support.going_back import back, landed, tip
from tests.support.world import do, found, git, record, write


def tree_but(work: Workspace, oid: str, *folders: str) -> dict[str, str]:
    listing = git("ls-tree", "-r", oid, cwd=work.place.common_dir)
    rows = [row.split("\t") for row in listing.splitlines()]
    return {path: meta for meta, path in rows if not path.startswith(("settings.json", *folders))}


def but_signs_of_life(work: Workspace, oid: str) -> list[Any]:
    """Return the tasks of a state, without when their claims were last renewed."""
    found = []
    for task in work.ledger.snapshot(oid).tasks():
        claim = dict(task["claim"] or {})
        stamps = {claim.pop(key, None) for key in ("boot_id", "monotonic_ns", "at")}
        assert stamps
        found.append({**task, "claim": claim})
    return found


def test_the_state_is_the_chosen_entrys_and_what_was_abandoned_is_kept(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    claims.claim(work, "x", "a")
    chosen = tip(work)
    held = tokens.current_claim(work, work.ledger.snapshot(), "x", "a")[1]
    results.progress(work, "x", "a", held, "half")
    agents.add(work, "y", no_worktree=True)
    abandoned = tip(work)
    done = back(work, chosen)
    rest = ("agents", "tasks", "live")
    assert tree_but(work, done.entry, *rest) == tree_but(work, chosen, *rest)
    assert but_signs_of_life(work, done.entry) == but_signs_of_life(work, chosen)
    assert work.ledger.snapshot().settings()["epoch"] == 1
    assert [agent["id"] for agent in work.ledger.snapshot().agents()] == ["x", "y"]
    assert work.store.read_entry(done.entry).parents == (chosen,)
    assert abandoned in work.store.list_refs("refs/gitcoord/ledger/attic/").values()
    # The claim survives: both sides hold it by the same token.
    results.progress(work, "x", "a", held, "on")
    verify.verify(work)


def test_claims_made_since_and_claims_given_back_since_are_both_fenced(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", "y", worktrees=False)
    claims.claim(work, "x", "a")
    given_back = record(work, "a")["claim"]["token"]
    chosen = tip(work)
    results.release(work, "x", "a", given_back)
    claims.claim(work, "y", "b")
    later = record(work, "b")["claim"]["token"]
    back(work, chosen)
    assert record(work, "a")["state"] == record(work, "b")["state"] == "open"
    for agent, task, token in (("x", "a", given_back), ("y", "b", later)):
        with pytest.raises(ClaimLostError):
            results.progress(work, agent, task, token, "on")
    claims.claim(work, "x", "a")
    verify.verify(work)


def test_undo_and_undo_of_undo_bring_states_back_and_no_token(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    chosen = tip(work)
    claims.claim(work, "x", "a")
    token = record(work, "a")["claim"]["token"]
    results.fail(work, "x", "a", token, "no")
    claims.claim(work, "x", "b")
    second = record(work, "b")["claim"]["token"]
    rolled = back(work, chosen)
    assert record(work, "a")["failures"] == 0
    undone = rollbacks.undo(work)
    assert record(work, "a")["failures"] == 1
    assert record(work, "b")["state"] == "open"
    with pytest.raises(ClaimLostError):
        results.progress(work, "x", "b", second, "on")
    again = rollbacks.undo(work)
    assert again.onto == rolled.entry
    assert again.epoch == undone.epoch + 1 == 3
    assert record(work, "a")["failures"] == 0
    listed = rollbacks.rollbacks(work)
    assert [one["epoch"] for one in listed if one["is_current"]] == [3, 1]
    assert {one["epoch"] for one in listed} == {1, 2, 3}
    assert listed[0]["reason"] == f"undo of rollback {undone.entry[:12]}"
    message = git("log", "-1", "--format=%B", again.entry, cwd=work.place.common_dir)
    assert f"  undo of rollback {undone.entry[:12]}\n" in message
    assert parse(message + "\n")["said"] == said("undo-of", entry=undone.entry)
    verify.verify(work)


def test_going_back_twice_to_one_place_gives_the_same_state(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    chosen = tip(work)
    first = back(work, _claimed(work, chosen))
    second = back(work, _claimed(work, chosen))
    assert tree_but(work, first.entry) == tree_but(work, second.entry) == tree_but(work, chosen)
    assert (first.epoch, second.epoch) == (1, 2)


def _claimed(work: Workspace, chosen: str) -> str:
    claims.claim(work, "x")
    return chosen


def test_a_unique_prefix_is_enough_for_a_checkpoint_and_what_git_finds_goes_first(
    repo: Path,
) -> None:
    work = found(repo, tasks("a"))
    for name in ("before-lexer", "before-parser", "gitcoord-x"):
        work.ledger.execute({"op": "checkpoint", "name": name}, agent=ORCHESTRATOR)
    first = f"{tip(work)}~2"
    assert rollbacks.choose(work, to="before-l").entry == git("rev-parse", first, cwd=repo).strip()
    with pytest.raises(UsageError, match="it can be before-lexer, before-parser"):
        rollbacks.choose(work, to="before")
    with pytest.raises(NotFoundError):
        rollbacks.choose(work, to="after")
    git("tag", "before-p", "gitcoord/ledger~3", cwd=repo)
    tagged = git("rev-parse", "before-p", cwd=repo).strip()
    assert rollbacks.choose(work, to="before-p").entry == tagged


def test_entries_are_chosen_by_steps_time_phase_and_checkpoint(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    before_claim = tip(work)
    do(work, "x", "a")
    work.ledger.execute({"op": "checkpoint", "name": "half"}, agent=ORCHESTRATOR)
    marked = tip(work)
    do(work, "x", "b")
    assert rollbacks.choose(work, steps=2).entry == marked
    assert rollbacks.choose(work, to="half").entry == marked
    assert rollbacks.choose(work, phase="default").entry == before_claim
    whole = tip(work)
    landings.land(work, "default")
    assert rollbacks.choose(work, phase="default").entry == whole
    genesis_time = work.store.read_entry(
        git("rev-list", "--max-parents=0", "gitcoord/ledger", cwd=repo)
    ).time
    with pytest.raises(NotFoundError):
        rollbacks.choose(work, before=genesis_time)
    assert rollbacks.choose(work, before=work.clock.seconds() + 10).entry == tip(work)
    with pytest.raises(UsageError):
        rollbacks.choose(work, steps=1, to="half")
    with pytest.raises(NotFoundError):
        rollbacks.choose(work, to="main")
    with pytest.raises(NotFoundError):
        rollbacks.choose(work, steps=1000)
    # The entry with the landing under way cannot be chosen.
    with pytest.raises(RefusedError) as caught:
        rollbacks.choose(work, steps=1)
    assert caught.value.reason == "pending"


def test_code_without_foreign_commits_is_reset_and_the_worktree_follows(repo: Path) -> None:
    work, whole, old = landed(repo)
    new = git("rev-parse", "main", cwd=repo)
    assert (repo / "a/file.txt").exists()
    done = back(work, whole, code=True)
    assert git("rev-parse", "main", cwd=repo) == old
    assert not (repo / "a/file.txt").exists()
    assert git("status", "--porcelain", cwd=repo) == ""
    assert new in work.store.list_refs("refs/gitcoord/ledger/attic/").values()
    assert work.ledger.snapshot().settings()["pending"] is None
    assert landings.land(work, "default").new == new
    assert done.code is not None
    verify.verify(work)


@pytest.mark.parametrize("when", ["made", "read", "kept"])
def test_a_revert_that_a_prune_took_is_made_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Taken as soon as it is made, when it is looked at, and before a ref keeps it."""
    work, whole, _ = landed(repo)
    write(repo, "foreign.txt")
    taken: list[str] = []

    def take(oid: str) -> None:
        path = repo / ".git" / "objects" / oid[:2] / oid[2:]
        if len(taken) < times[-1]:
            taken.append(oid)
            path.unlink(missing_ok=True)

    times = [1, 100]
    if when == "made":
        made = merges.commit_merge

        def commit_merge(*args: Any) -> str:
            oid = made(*args)
            take(oid)
            return oid

        monkeypatch.setattr(merges, "commit_merge", commit_merge)
    elif when == "read":
        looked = rollback_preview.refuse_in_the_way

        def refuse_in_the_way(given: Workspace, move: rollback_preview.CodeMove) -> None:
            take(move.new)
            looked(given, move)

        monkeypatch.setattr(rollback_preview, "refuse_in_the_way", refuse_in_the_way)
    else:

        def late_keep(given: Workspace, wanted: dict[str, Any], known: list[Any]) -> None:
            take(next(iter(wanted.values())))
            keep_commits(given, wanted, known)

        monkeypatch.setattr("gitcoord.features.land.rollbacks.keep_commits", late_keep)
    before = tip(work)
    with pytest.raises(UnavailableError, match="cannot be merged now"):
        back(work, whole, code=True)
    assert tip(work) == before
    taken.clear()
    times.pop()
    back(work, whole, code=True)
    assert taken
    assert sorted(path.name for path in repo.glob("*.txt")) == ["foreign.txt"]
    assert git("fsck", "--no-dangling", cwd=repo) == ""


def test_code_can_follow_a_rollback_of_the_ledger_alone(repo: Path) -> None:
    work, whole, old = landed(repo)
    back(work, whole)
    assert (repo / "a/file.txt").exists()
    holding_tip = tip(work)
    work.ledger.execute({"op": "checkpoint", "name": "here"}, agent=ORCHESTRATOR)
    back(work, whole, code=True)
    assert git("rev-parse", "main", cwd=repo) == old
    assert tip(work) != holding_tip


def test_undo_restores_the_target_only_if_it_stayed(repo: Path) -> None:
    work, whole, old = landed(repo)
    new = git("rev-parse", "main", cwd=repo)
    back(work, whole, code=True)
    rollbacks.undo(work)
    assert git("rev-parse", "main", cwd=repo) == new
    assert work.ledger.snapshot().phase("default")["state"] == "landed"  # type: ignore[index]
    rollbacks.undo(work)
    assert git("rev-parse", "main", cwd=repo) == old
    write(repo, "foreign.txt")
    with pytest.raises(RefusedError) as caught:
        rollbacks.undo(work)
    assert caught.value.reason == "target-moved"
    verify.verify(work)


def test_a_rollback_cut_off_before_the_move_is_finished_by_the_next_command(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, whole, old = landed(repo)
    with monkeypatch.context() as patched:
        calls: list[Any] = []

        def killed(*args: Any, **_more: Any) -> None:
            calls.append(args)
            if len(calls) > 1:
                raise KeyboardInterrupt

        patched.setattr(rollbacks, "finish_pending", killed)
        with pytest.raises(KeyboardInterrupt):
            back(work, whole, code=True)
    assert work.ledger.snapshot().settings()["pending"] is not None
    with pytest.raises(RefusedError):
        work.ledger.execute(
            {
                "op": "land-begin",
                "phase": "default",
                "target": "refs/heads/main",
                "old": old,
                "new": "2" * 40,
                "results": work.store.write_blob(b"[]\n"),
                "count": 0,
            },
            agent=ORCHESTRATOR,
        )
    target_moves.finish_pending(work)
    assert git("rev-parse", "main", cwd=repo) == old
    assert work.ledger.snapshot().settings()["pending"] is None
    verify.verify(work)


def test_a_rollback_stands_and_says_so_where_its_target_cannot_be_moved(repo: Path) -> None:
    work, whole, old = landed(repo)
    new = git("rev-parse", "main", cwd=repo)
    # Where it is noted which worktrees have to follow there is a file, and no folder.
    notes = work.ledger.files.root / "follow"
    shutil.rmtree(notes)
    notes.write_text("in the way\n")
    done = back(work, whole, code=True)
    assert work.ledger.snapshot().oid == done.entry
    assert git("rev-parse", "main", cwd=repo) == new
    assert "follow" in done.unmoved
    assert "the next command" in done.unmoved
    notes.unlink()
    target_moves.finish_pending(work)
    assert git("rev-parse", "main", cwd=repo) == old
    assert work.ledger.snapshot().settings()["pending"] is None
    verify.verify(work)


def test_a_rollback_says_so_where_a_hook_forbids_the_target_s_move(repo: Path) -> None:
    work, whole, _ = landed(repo)
    new = git("rev-parse", "main", cwd=repo)
    hook = repo / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        '#!/bin/sh\n[ "$1" = prepared ] || exit 0\n'
        '[ -z "$GITCOORD_LANDING" ] || { echo not on Fridays >&2; exit 1; }\n'
    )
    hook.chmod(0o755)
    done = back(work, whole, code=True)
    assert "not on Fridays" in done.unmoved
    assert git("rev-parse", "main", cwd=repo) == new
    assert work.ledger.snapshot().settings()["pending"] is None


def test_a_target_that_moved_aborts_the_rollbacks_move_and_escalates(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, whole, _ = landed(repo)
    with monkeypatch.context() as patched:
        calls: list[Any] = []
        patched.setattr(rollbacks, "finish_pending", lambda *args, **_more: calls.append(args))
        back(work, whole, code=True)
    moved = write(repo, "foreign.txt")
    target_moves.finish_pending(work)
    assert git("rev-parse", "main", cwd=repo) == moved
    (escalation,) = work.ledger.snapshot().escalations()
    assert escalation["code"] == "rollback-aborted"
    why = said("target-elsewhere", target="main", place=moved)
    assert escalation["values"] == {"reason": why}
    verify.verify(work)


def test_rollbacks_during_a_race_leave_no_token_alive_twice(repo: Path) -> None:
    work = found(
        repo,
        tasks(*(f"t{number}" for number in range(12))),
        *(f"w{number}" for number in range(4)),
        worktrees=False,
    )
    chosen = tip(work)
    acked: list[tuple[str, str, str]] = []
    begun, stop = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def work_on(name: str) -> None:
        own = open_workspace(repo)
        try:
            while not stop.is_set():
                try:
                    done = claims.claim(own, name, checkout=False, session=name)
                    acked.append((name, done.task["id"], done.claim["token"]))
                    begun.set()
                    results.release(own, name, done.task["id"], done.claim["token"])
                except GitcoordError:
                    continue
        except Exception as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work_on, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        # Until somebody has claimed there is nothing to go back from.
        assert begun.wait(60)
        for _ in range(12):
            back(work, chosen)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors
    tokens = [token for _, _, token in acked]
    assert len(tokens) == len(set(tokens)) > 0
    back(work, chosen)
    for name, task, token in acked:
        with pytest.raises(ClaimLostError):
            results.progress(work, name, task, token, "stale")
    # Every acknowledged claim is reachable: in the chain or from the attic.
    kept = git(
        "log", "--format=%(trailers:key=Gitcoord-Claim,valueonly)", "--all", cwd=repo
    ).split()
    assert set(tokens) <= set(kept)
    verify.verify(work)


def test_a_rollback_that_lies_is_named_by_verify(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    claims.claim(work, "x", "a")
    chosen = tip(work)
    results.release(work, "x", "a", record(work, "a")["claim"]["token"])
    claim = work.ledger.snapshot(chosen).require_task("a")["claim"]
    assert claim is not None
    lie = {"kind": "claim", "name": "a", "token": claim["token"]}
    work.ledger.execute(
        {
            "op": "rollback",
            "onto": chosen,
            "abandoned": tip(work),
            "epoch": 1,
            "surviving": [lie],
            "carried": {"x": work.store.hash_blob(codec.dump(work.ledger.snapshot().agent("x")))},
            "reason": "revive",
            "code": None,
            "reverts": [],
            "forward": False,
        },
        agent=ORCHESTRATOR,
    )
    with pytest.raises(CorruptError) as caught:
        verify.verify(work)
    assert caught.value.facts["entry"] == tip(work)


def test_attic_names_tell_time_and_tip() -> None:
    assert (
        attic_ref("ledger", 0, "ab" * 20)
        == "refs/gitcoord/ledger/attic/19700101T000000Z-abababababab"
    )
