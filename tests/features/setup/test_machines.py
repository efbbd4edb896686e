"""A ledger on a server: made there, put there, joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import CorruptError, NotFoundError, RefusedError, UsageError
from gitcoord.features.setup import machines
from gitcoord.features.work import claims
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.machines import clone, joined, made, server
from tests.support.world import do, found, git

LEDGER = "refs/heads/gitcoord/ledger"


def test_a_ledger_of_one_machine_is_put_on_a_server_with_all_of_it(
    repo: Path, tmp_path: Path
) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x")
    do(work, "x", "a")
    bare = server(tmp_path)
    git("remote", "add", "origin", str(bare), cwd=repo)
    tip = machines.publish(work, machines.home_for(work, "origin"))
    assert git("rev-parse", LEDGER, cwd=bare) == tip
    second = joined(str(bare), tmp_path / "second" / "repo", "y")
    # Its base holds the result that was handed in before there was a server.
    claimed = claims.claim(second, "y", "b")
    assert (Path(str(claimed.worktree)) / "a" / "file.txt").exists()


def test_a_server_that_has_such_a_ledger_is_left_as_it_is(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    first = made(repo, str(bare), tasks("a"))
    other = open_workspace(clone(str(bare), tmp_path / "other"))
    with pytest.raises(RefusedError, match="has a ledger") as refused:
        machines.make(other, machines.home_for(other, "origin"))
    assert refused.value.reason == "exists"
    assert git("rev-parse", LEDGER, cwd=bare) == first.ledger.tip()
    assert git("for-each-ref", "refs/heads/gitcoord", cwd=tmp_path / "other") == ""


def test_two_targets_that_differ_are_brought_together_first(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    git("remote", "add", "origin", str(bare), cwd=repo)
    git("push", "-q", "origin", "main", cwd=repo)
    git("commit", "-q", "--allow-empty", "-m", "more", cwd=repo)
    work = open_workspace(repo)
    with pytest.raises(RefusedError, match="main is at") as refused:
        machines.make(work, machines.home_for(work, "origin"))
    assert refused.value.reason == "target"


def test_joining_again_changes_nothing(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    made(repo, str(bare), tasks("a"))
    work = joined(str(bare), tmp_path / "second" / "repo")
    config = (work.place.common_dir / "config").read_bytes()
    again = machines.join(open_workspace(tmp_path / "second" / "repo"))
    assert (again.remote, again.already) == ("origin", True)
    assert (work.place.common_dir / "config").read_bytes() == config


def test_there_has_to_be_a_ledger_to_join(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    git("remote", "add", "origin", str(bare), cwd=repo)
    git("push", "-q", "origin", "main", cwd=repo)
    work = open_workspace(repo)
    with pytest.raises(NotFoundError, match="no remote of this repository has a ledger 'ledger'"):
        machines.join(work)
    with pytest.raises(NotFoundError, match="no remote 'other'"):
        machines.join(work, "other")


def test_a_branch_of_that_name_that_is_no_ledger_is_not_joined(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    git("remote", "add", "origin", str(bare), cwd=repo)
    git("push", "-q", "origin", f"main:{LEDGER}", cwd=repo)
    work = open_workspace(repo)
    with pytest.raises(CorruptError):
        machines.join(work)
    assert open_workspace(repo).remote is None


def test_a_ledger_that_went_its_own_way_is_not_given_up(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    made(repo, str(bare), tasks("a"))
    other = clone(str(bare), tmp_path / "other")
    found(other, tasks("b"))
    own = git("rev-parse", LEDGER, cwd=other)
    with pytest.raises(RefusedError, match="entries that are not on origin"):
        machines.join(open_workspace(other))
    assert git("rev-parse", LEDGER, cwd=other) == own


def test_of_two_remotes_with_a_ledger_one_is_named(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    made(repo, str(bare), tasks("a"))
    other = clone(str(bare), tmp_path / "other")
    git("remote", "add", "second", str(bare), cwd=other)
    with pytest.raises(UsageError, match="origin, second have a ledger"):
        machines.join(open_workspace(other))
    assert machines.join(open_workspace(other), "second").remote == "second"
