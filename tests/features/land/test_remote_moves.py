"""Landing and going back where the ledger and the target are on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.machines import ask_anew, joined, made, server
from tests.support.world import do, git


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
    assert refused.value.reason == "target-moved"
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
