"""A ledger on a server: made there, put there, joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import CorruptError, NotFoundError, RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.chain import begins_with, last_checkpoint, whole_by
from gitcoord.features.land import landings, rollbacks
from gitcoord.features.maintain import verify
from gitcoord.features.setup import machines
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.machines import ask_anew, clone, joined, made, server
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


# a clone that has the newest entries alone

DEPTH = 20


@pytest.fixture
def long_ledger(repo: Path, tmp_path: Path) -> tuple[Workspace, str]:
    """A ledger of many entries on a server, apart from the branches; its address."""
    work = found(repo, tasks("a", "b"), "x")
    for number in range(60):
        _mark(work, f"mark-{number}")
    for _ in range(5):
        one = claims.claim(work, "x", "a", checkout=False)
        results.release(work, "x", "a", one.claim["token"])
    bare = server(tmp_path)
    git("remote", "add", "origin", str(bare), cwd=repo)
    place = machines.apart_ref("ledger")
    machines.publish(work, machines.home_for(work, "origin", place))
    return work, f"file://{bare}"


def _mark(work: Workspace, name: str) -> None:
    command = {"op": "checkpoint", "agent": ORCHESTRATOR, "name": name}
    work.ledger.execute(command, agent=ORCHESTRATOR)


def _length(work: Workspace) -> int:
    return len(list(facts.history(work, work.ledger.tip(), limit=10**6)))


def test_a_clone_with_the_newest_entries_works_like_any_other(
    long_ledger: tuple[Workspace, str], tmp_path: Path
) -> None:
    first, url = long_ledger
    assert _length(first) > 3 * DEPTH
    place = clone(url, tmp_path / "second")
    second = open_workspace(place)
    done = machines.join(second, depth=DEPTH)
    assert begins_with(second, done.entry) in second.store.cut_entries()
    assert _length(second) == DEPTH
    # The history of the branches is as whole as it was.
    assert git("rev-list", "--count", "main", cwd=place) == git(
        "rev-list", "--count", "main", cwd=first.place.common_dir.parent
    )
    claims.claim(second, "x", "a", checkout=False)
    ask_anew(first)
    other = claims.claim(first, "x", "a", checkout=False, session=second.session())
    assert other.reissued
    results.release(first, "x", "a", other.claim["token"])
    ask_anew(second)
    assert _length(second) == DEPTH + 3
    assert machines.join(second, depth=1).already
    assert _length(second) == DEPTH + 3


def test_verify_takes_the_oldest_entry_that_is_here_as_it_was_given(
    long_ledger: tuple[Workspace, str], tmp_path: Path
) -> None:
    first, url = long_ledger
    second = open_workspace(clone(url, tmp_path / "second"))
    begins = begins_with(second, machines.join(second, depth=DEPTH).entry)
    verified = verify.verify_ledger(second)
    assert (verified.entries, verified.since) == (DEPTH - 1, begins)
    snapshot = second.ledger.snapshot()
    marked = last_checkpoint(second, snapshot)
    assert marked == last_checkpoint(first, first.ledger.snapshot())
    assert verify.verify(second, since=marked).entries == 10
    forged = second.store.write_entry(
        second.store.read_entry(snapshot.oid).tree,
        (snapshot.oid,),
        second.store.read_entry(snapshot.oid).message,
        ("x", "x@ledger.gitcoord.invalid"),
        2_000_000_000,
    )
    with pytest.raises(CorruptError, match="illegal"):
        verify.verify(second, until=forged)


def test_what_lies_before_the_oldest_entry_is_not_gone_back_to_but_told(
    long_ledger: tuple[Workspace, str], tmp_path: Path
) -> None:
    first, url = long_ledger
    old = rollbacks.choose(first, steps=50).entry
    second = open_workspace(clone(url, tmp_path / "second"))
    machines.join(second, depth=DEPTH)
    with pytest.raises(NotFoundError, match="fewer than 50 entries"):
        rollbacks.choose(second, steps=50)
    # What git is told to fetch is then like any other clone.
    top = second.place.common_dir.parent
    git(*whole_by(second).split()[1:], cwd=top)
    second.store.refresh()
    assert begins_with(second, second.ledger.snapshot().oid) is None
    assert rollbacks.choose(second, steps=50).entry == old
    assert verify.verify_ledger(second).since is None


def test_another_clone_may_go_back_to_before_the_oldest_entry_here(
    long_ledger: tuple[Workspace, str], tmp_path: Path
) -> None:
    first, url = long_ledger
    second = open_workspace(clone(url, tmp_path / "second"))
    machines.join(second, depth=DEPTH)
    rollbacks.rollback(first, rollbacks.choose(first, steps=50))
    ask_anew(second)
    claims.claim(second, "x", "b", checkout=False)
    verify.verify_ledger(second)
    rollbacks.undo(second)
    verify.verify_ledger(second)


def test_a_clone_that_begins_with_its_newest_entry_lands(
    long_ledger: tuple[Workspace, str], tmp_path: Path
) -> None:
    first, url = long_ledger
    do(first, "x", "a")
    do(first, "x", "b")
    second = open_workspace(clone(url, tmp_path / "second"))
    machines.join(second, depth=1)
    assert second.store.cut_entries() == {first.ledger.tip()}
    landed = landings.land(second, "default")
    assert git("ls-remote", url, "refs/heads/main", cwd=tmp_path).split()[0] == landed.new
    verify.verify_ledger(second)


def test_what_a_fetch_brought_already_is_kept(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    first = made(repo, str(bare), tasks("a"))
    second = open_workspace(clone(f"file://{bare}", tmp_path / "second"))
    machines.join(second, depth=1)
    assert not second.store.cut_entries()
    assert _length(second) == _length(first)
