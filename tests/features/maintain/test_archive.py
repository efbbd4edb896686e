"""The end of a ledger: a tag keeps it, the rest goes, and a new one begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.refs import archive_ref
from gitcoord.features.land import landings
from gitcoord.features.maintain import archive, verify
from gitcoord.features.setup import agents, machines, plans
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import tasks
from tests.support.machines import ask_anew, joined, made, server
from tests.support.world import do, found, git


def refs_of(place: Path) -> list[str]:
    """List every ref of gitcoord's, and its tags."""
    refs = git("for-each-ref", "--format=%(refname)", cwd=place).split()
    return [ref for ref in refs if "gitcoord" in ref or "/task/" in ref]


@pytest.fixture
def work(repo: Path) -> Workspace:
    """A ledger whose only phase has landed, with an agent and its worktree."""
    work = found(repo, tasks("a", "b"), "x")
    do(work, "x", "a")
    do(work, "x", "b")
    landings.land(work, "default")
    return work


def test_what_is_left_of_a_finished_ledger_is_a_tag(work: Workspace, repo: Path) -> None:
    landed = git("rev-parse", "main", cwd=repo)
    place = work.worktree_of("x")
    done = archive.archive(work)
    assert refs_of(repo) == [done.tag]
    assert git("rev-parse", done.tag, cwd=repo) == done.entry
    assert git("rev-parse", "main", cwd=repo) == landed
    assert place is not None
    assert not place.exists()
    assert "complete a" in git("log", "--format=%s", done.tag, cwd=repo)


def test_what_has_not_landed_is_refused_and_nothing_changes(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    do(work, "x", "a")
    before = refs_of(repo)
    with pytest.raises(RefusedError, match="have not landed: default") as refused:
        archive.archive(work)
    assert refused.value.reason == "not-whole"
    assert refs_of(repo) == before


def test_work_that_would_be_lost_is_refused_and_nothing_changes(
    work: Workspace, repo: Path
) -> None:
    place = work.worktree_of("x")
    assert place is not None
    (place / "unsaved.txt").write_text("x")
    before = work.ledger.tip()
    with pytest.raises(RefusedError, match=r"unsaved\.txt"):
        archive.archive(work)
    assert work.ledger.tip() == before


def test_on_a_server_all_of_it_goes_and_other_clones_follow(repo: Path, tmp_path: Path) -> None:
    bare = server(tmp_path)
    work = made(repo, str(bare), tasks("a"), "x")
    do(work, "x", "a")
    landings.land(work, "default")
    top = tmp_path / "second" / "repo"
    second = joined(str(bare), top)
    done = archive.archive(work)
    for place in (bare, repo):
        assert refs_of(place) == [done.tag]
    ask_anew(second)
    with pytest.raises(UnavailableError, match="has no ledger"):
        second.ledger.snapshot()
    followed = archive.followed(open_workspace(top))
    assert followed is not None
    assert followed.tag == done.tag
    kept = [ref for ref in refs_of(top) if not ref.startswith("refs/remotes/")]
    assert kept == [done.tag]
    assert git("rev-parse", done.tag, cwd=top) == done.entry
    # A new one begins there, and is joined from the other clone.
    again = open_workspace(repo)
    machines.make(again, machines.home_for(again, "origin"))
    plans.apply_plan(again, tasks("a"), "plan.toml")
    new = open_workspace(top)
    machines.join(new)
    agents.add(new, "x")
    do(new, "x", "a", name="a/other.txt")
    verify.verify_ledger(new)


def test_who_is_killed_after_the_push_ends_here_what_is_left(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = server(tmp_path)
    work = made(repo, str(bare), tasks("a"), "x")
    do(work, "x", "a")
    landings.land(work, "default")
    assert archive.followed(work) is None, "it stands"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(archive, "end_refs", killed)
        with pytest.raises(KeyboardInterrupt):
            archive.archive(work)
    assert "refs/heads/gitcoord/ledger" in refs_of(repo)
    followed = archive.followed(open_workspace(repo))
    assert followed is not None
    assert refs_of(repo) == [followed.tag]


def test_an_entry_that_came_in_between_stops_it(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = server(tmp_path)
    work = made(repo, str(bare), tasks("a"), "x")
    do(work, "x", "a")
    landings.land(work, "default")
    second = joined(str(bare), tmp_path / "second" / "repo")

    def named(ledger: str, time: int, oid: str) -> str:
        agents.add(second, "late", no_worktree=True)
        return archive_ref(ledger, time, oid)

    with monkeypatch.context() as between:
        between.setattr(archive, "archive_ref", named)
        with pytest.raises(UnavailableError, match="somebody wrote to the ledger meanwhile"):
            archive.archive(work)
    assert git("rev-parse", "gitcoord/ledger", cwd=bare) == second.ledger.tip()
    assert git("tag", cwd=bare) == ""
    ask_anew(work)
    assert archive.archive(work).branches == []
    assert (
        refs_of(bare) == git("for-each-ref", "--format=%(refname)", "refs/tags", cwd=repo).split()
    )
