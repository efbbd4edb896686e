"""Refs that keep commits, beside prunes that take what no ref reaches yet."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gitcoord.core.errors import NotFoundError
from gitcoord.core.refs import result_ref
from gitcoord.features.land import landings
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, keep_commits, open_workspace
from tests.git.building import commit
from tests.store.test_git_program import readers
from tests.support.builders import tasks
from tests.support.world import do, found, git

Swap = Callable[..., None]


def prune(repo: Path) -> None:
    git("-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now", cwd=repo)


def prune_before_swap(work: Workspace, monkeypatch: pytest.MonkeyPatch, of: str) -> list[str]:
    """Let a gc run just before the first ref of that name is made."""
    swap: Swap = work.store.swap
    prunes: list[str] = []

    def late(
        ref: str, expected: str | None, new: str, *, verify: Mapping[str, str | None] | None = None
    ) -> None:
        if of in ref and not prunes:
            prunes.append("once")
            prune(work.place.common_dir)
        swap(ref, expected, new, verify=verify)

    monkeypatch.setattr(work.store, "swap", late)
    return prunes


def dangling(repo: Path) -> list[str]:
    """List the refs that lead to what is not there; a gc stops at one."""
    prune(repo)
    listed = git("for-each-ref", "--format=%(objectname) %(refname)", cwd=repo).splitlines()
    asked = [row.split() for row in listed]
    return [ref for oid, ref in asked if git("cat-file", "-t", oid, cwd=repo) == ""]


def test_a_result_that_a_prune_took_is_not_acknowledged(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    held = claims.claim(work, "x", "a", checkout=False).claim
    made = commit(repo, {"a/file.txt": "x"}, held["base"])
    tip = work.ledger.tip()
    prune_before_swap(work, monkeypatch, "/results/")
    with pytest.raises(NotFoundError, match="a prune took"):
        results.complete(work, "x", "a", held["token"], result=made)
    assert work.ledger.tip() == tip
    assert work.store.list_refs(f"{result_ref('ledger', 'a', '').rstrip('/')}/") == {}
    assert dangling(repo) == []


def test_what_a_prune_takes_after_its_ref_stands_is_noticed_and_the_ref_removed(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), worktrees=False)
    first = git("rev-parse", "main", cwd=repo)
    made = commit(repo, {"a/file.txt": "x"}, first)
    blob = git("rev-parse", f"{made}:a/file.txt", cwd=repo)

    def finish_pruning() -> None:
        (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    monkeypatch.setattr(work.ledger, "require_unpruned", finish_pruning)
    kept, ref = result_ref("ledger", "a", first), result_ref("ledger", "a", made)
    with pytest.raises(NotFoundError, match=made[:12]):
        keep_commits(work, {kept: first, ref: made}, [])
    refs = work.store.list_refs("refs/gitcoord/ledger/results/")
    assert refs == {kept: first}, "what is there stays"


def test_a_ref_that_stood_before_is_not_removed(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), worktrees=False)
    made = commit(repo, {"a/file.txt": "x"}, git("rev-parse", "main", cwd=repo))
    ref = result_ref("ledger", "a", made)
    keep_commits(work, {ref: made}, [])
    blob = git("rev-parse", f"{made}:a/file.txt", cwd=repo)
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(NotFoundError):
        keep_commits(work, {ref: made}, [])
    assert work.store.read_ref(ref) == made


def test_a_candidate_that_a_prune_took_is_merged_anew_and_lands(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a", "b"), "x", "y")
    do(work, "x", "a")
    do(work, "y", "b")
    prunes = prune_before_swap(work, monkeypatch, "/landing/")
    landed = landings.land(work, "default")
    assert prunes == ["once"]
    assert git("rev-parse", "main", cwd=repo) == landed.new
    git("fsck", "--strict", "--no-dangling", cwd=repo)
    assert dangling(repo) == []


def test_a_workspace_that_is_forgotten_ends_its_gits(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not when circles happen to be looked for."""
    monkeypatch.setenv("GITCOORD_ENGINE", "plumbing")
    found(repo, tasks("a"), "x", worktrees=False).close()
    git("gc", "-q", cwd=repo)
    others = readers()
    gc.disable()
    try:
        work = open_workspace(repo)
        claims.claim(work, "x", "a", checkout=False)
        assert len(readers() - others) == 1, "it read from a pack"
        del work
        assert readers() - others == set()
    finally:
        gc.enable()
