"""Landing and going back where the ledger and the target are on a server."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from gitcoord.core.errors import CorruptError, RefusedError
from gitcoord.core.events import Event
from gitcoord.core.messages import parse, render
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.events import events_after
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from tests.second import replay
from tests.support.builders import tasks
from tests.support.machines import ask_anew, joined, made, server
from tests.support.world import do, git, record


@pytest.fixture
def two(repo: Path, tmp_path: Path) -> tuple[Workspace, Workspace, Path]:
    """Two clones on one ledger, each with an agent."""
    bare = server(tmp_path)
    one = made(repo, str(bare), tasks("a", "b"), "x")
    return one, joined(str(bare), tmp_path / "second" / "repo", "y"), bare


def test_what_two_machines_made_lands_on_the_server_s_branch(
    two: tuple[Workspace, Workspace, Path],
) -> None:
    one, second, bare = two
    do(one, "x", "a")
    do(second, "y", "b")
    landed = landings.land(second, "default")
    assert git("rev-parse", "main", cwd=bare) == landed.new
    # The clone that landed has it too, files and all; the other one pulls when it likes.
    assert git("rev-parse", "main", cwd=second.place.common_dir.parent) == landed.new
    assert (second.place.common_dir.parent / "a" / "file.txt").exists()
    assert git("rev-parse", "main", cwd=one.place.common_dir.parent) == landed.old
    ask_anew(one)
    assert one.ledger.snapshot().settings()["pending"] is None
    verify.verify(one)
    verify.verify(second)


def test_a_branch_that_its_user_works_on_is_left_to_its_user(
    two: tuple[Workspace, Workspace, Path],
) -> None:
    one, _, bare = two
    do(one, "x", "a")
    do(one, "x", "b")
    top = one.place.common_dir.parent
    git("commit", "-q", "--allow-empty", "-m", "mine", cwd=top)
    mine = git("rev-parse", "main", cwd=top)
    landed = landings.land(one, "default")
    assert git("rev-parse", "main", cwd=bare) == landed.new
    assert git("rev-parse", "main", cwd=top) == mine


def test_a_landing_merges_onto_what_others_pushed_to_the_target(
    two: tuple[Workspace, Workspace, Path],
) -> None:
    one, second, bare = two
    do(one, "x", "a")
    do(one, "x", "b")
    top = second.place.common_dir.parent
    git("commit", "-q", "--allow-empty", "-m", "by hand", cwd=top)
    git("push", "-q", "origin", "main", cwd=top)
    by_hand = git("rev-parse", "main", cwd=top)
    ask_anew(one)
    landed = landings.land(one, "default")
    assert landed.old == by_hand
    assert git("rev-parse", "main", cwd=bare) == landed.new


def test_a_server_that_forbids_the_target_s_move_aborts_the_landing(
    two: tuple[Workspace, Workspace, Path],
) -> None:
    one, _, bare = two
    do(one, "x", "a")
    do(one, "x", "b")
    old = git("rev-parse", "main", cwd=bare)
    hook = bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo protected; exit 1; }\n')
    hook.chmod(0o755)
    with pytest.raises(RefusedError) as refused:
        landings.land(one, "default")
    assert refused.value.reason == "remote"
    assert "protected" in refused.value.message
    assert git("rev-parse", "main", cwd=bare) == old
    snapshot = one.ledger.snapshot()
    assert snapshot.settings()["pending"] is None
    assert any("protected" in str(found) for found in snapshot.escalations())
    verify.verify(one)


def test_a_rollback_with_code_takes_the_server_s_branch_back(
    two: tuple[Workspace, Workspace, Path],
) -> None:
    one, second, bare = two
    before = one.ledger.snapshot().oid
    do(one, "x", "a")
    do(second, "y", "b")
    ask_anew(one)
    landed = landings.land(one, "default")
    choice = rollbacks.choose(second, to=before)
    ask_anew(second)
    gone_back = rollbacks.rollback(second, rollbacks.choose(second, to=before), code=True)
    assert choice.entry == before
    assert git("rev-parse", "main", cwd=bare) == landed.old
    assert git("rev-parse", "gitcoord/ledger", cwd=bare) == second.ledger.tip()
    ask_anew(one)
    # Whoever fetches has what was abandoned, and can go forward again.
    undone = rollbacks.undo(one)
    assert undone.onto == gone_back.abandoned
    assert git("rev-parse", "main", cwd=bare) == landed.new
    verify.verify(second)


def test_a_base_contains_results_of_other_machines(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    one = made(repo, str(bare), tasks("a", "b", b=["a"]), "x")
    second = joined(str(bare), tmp_path / "second" / "repo", "y")
    do(one, "x", "a")
    ask_anew(second)
    claimed = claims.claim(second, "y", "b")
    assert (Path(str(claimed.worktree)) / "a" / "file.txt").exists()


# a server that lets branches only grow


@pytest.fixture
def growing(two: tuple[Workspace, Workspace, Path]) -> tuple[Workspace, Workspace, Path]:
    git("config", "receive.denyNonFastForwards", "true", cwd=two[2])
    return two


def _state(work: Workspace) -> dict[str, object]:
    """Everything in the newest state but its epoch."""
    ask_anew(work)
    snapshot = work.ledger.snapshot()
    settings = {**snapshot.settings(), "epoch": 0}
    return {"settings": settings, "tasks": list(snapshot.tasks()), "phases": snapshot.phases()}


def test_a_rollback_is_appended_where_the_branch_may_only_grow(
    growing: tuple[Workspace, Workspace, Path],
) -> None:
    one, second, bare = growing
    held = claims.claim(second, "y", "b")
    then, chosen = _state(one), one.ledger.tip()
    assert chosen is not None
    do(one, "x", "a")
    tip = one.ledger.tip()
    ask_anew(second)
    gone_back = rollbacks.rollback(second, rollbacks.choose(second, steps=2))
    assert (gone_back.onto, gone_back.abandoned) == (chosen, tip)
    for told in replay.replay(second.place.common_dir):
        assert told.computed == told.tree, "the second implementation goes by the format alone"
    assert git("rev-parse", f"{gone_back.entry}^", cwd=bare) == tip
    assert _state(one) == then
    assert one.ledger.snapshot().settings()["epoch"] == gone_back.epoch == 1
    # The history is what it was for that entry: what was abandoned is listed apart.
    entries = [fact["entry"] for fact in facts.history(one, one.ledger.tip(), limit=100)]
    assert entries[:2] == [gone_back.entry, chosen]
    assert tip not in entries
    assert [one["abandoned"] for one in rollbacks.rollbacks(one)] == [tip]
    lines = events_after(one, gone_back.entry, tip)
    assert [link.oid for link in lines] == [gone_back.entry]
    verify.verify_ledger(one)
    results.progress(second, "y", "b", held.claim["token"], "still mine")
    # To take it back is to append once more.
    ask_anew(one)
    undone = rollbacks.undo(one, gone_back.entry)
    assert undone.onto == tip
    assert record(one, "a")["state"] == "done"
    ask_anew(second)
    verify.verify_ledger(second)
    for place in (bare, one.place.common_dir, second.place.common_dir):
        listed = git("for-each-ref", "refs/gitcoord/ledger/attic", cwd=place)
        assert listed == "", "what was abandoned is in the chain"


def test_landings_are_taken_back_by_new_commits_where_branches_may_only_grow(
    growing: tuple[Workspace, Workspace, Path],
) -> None:
    one, second, bare = growing
    before = one.ledger.snapshot().oid
    do(one, "x", "a")
    do(second, "y", "b")
    ask_anew(one)
    landed = landings.land(one, "default")
    ask_anew(second)
    rollbacks.rollback(second, rollbacks.choose(second, to=before), code=True)
    assert git("rev-parse", "main^", cwd=bare) == landed.new
    assert git("rev-parse", "main^{tree}", cwd=bare) == git(
        "rev-parse", f"{landed.old}^{{tree}}", cwd=bare
    )
    ask_anew(one)
    assert record(one, "a")["state"] == "open"
    assert one.ledger.snapshot().settings()["pending"] is None
    verify.verify(one)
    with pytest.raises(RefusedError) as refused:
        rollbacks.undo(one)
    assert refused.value.reason == "remote"
    # And forward again by work as ever, though this clone's own main is still at that landing.
    do(one, "x", "a", text="again\n")
    do(one, "x", "b", text="again\n")
    again = landings.land(one, "default")
    assert git("rev-parse", "main", cwd=bare) == again.new


def test_an_appended_rollback_that_is_not_what_it_says_is_illegal(
    growing: tuple[Workspace, Workspace, Path],
) -> None:
    one, _, _ = growing
    do(one, "x", "a")
    gone_back = rollbacks.rollback(one, rollbacks.choose(one, steps=2))
    entry = one.store.read_entry(gone_back.entry)
    event = parse(entry.message, entry.oid)
    after = one.store.read_entry(gone_back.abandoned)
    forged = {
        "its parent is not": ({**event, "abandoned": gone_back.onto}, entry.tree),
        "not an entry before it": ({**event, "onto": entry.oid}, entry.tree),
        "is not what its event makes": (event, after.tree),
    }
    for wrong, (changed, tree) in forged.items():
        message = render(cast("Event", changed))
        author = (entry.author, entry.author_email)
        oid = one.store.write_entry(tree, entry.parents, message, author, entry.time)
        with pytest.raises(CorruptError, match=wrong):
            verify.verify(one, until=oid)
