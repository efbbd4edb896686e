"""A result is all of the agent's work, wherever HEAD is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found, git, record, write

EDIT = {**os.environ, "GIT_SEQUENCE_EDITOR": "sed -i 1s/pick/edit/"}


def begun(repo: Path, *commits: str) -> tuple[Workspace, claims.Claimed, Path]:
    """Claim a task and commit files of it."""
    work = found(repo, tasks("a", "b"), "x")
    claimed = claims.claim(work, "x", "a")
    place = Path(claimed.worktree or "")
    for name in commits:
        write(place, f"a/{name}")
    return work, claimed, place


def complete(work: Workspace, claimed: claims.Claimed, result: str | None = None) -> None:
    results.complete(work, "x", claimed.task["id"], claimed.claim["token"], result=result)


def refused(work: Workspace, claimed: claims.Claimed, reason: str) -> RefusedError:
    tip = work.ledger.tip()
    with pytest.raises(RefusedError) as caught:
        complete(work, claimed)
    assert caught.value.reason == reason
    assert caught.value.hint
    assert work.ledger.tip() == tip
    return caught.value


def rebase(place: Path) -> None:
    """Stop an interactive rebase at its first commit."""
    args = ["git", "rebase", "-q", "-i", "HEAD~2"]
    subprocess.run(args, cwd=place, env={**EDIT, **os.environ, **EDIT}, check=True)


def test_a_rebase_that_is_not_finished_is_refused(repo: Path) -> None:
    work, claimed, place = begun(repo, "one", "two")
    rebase(place)
    refused(work, claimed, "unfinished")
    git("rebase", "--continue", cwd=place)
    complete(work, claimed)
    assert record(work, "a")["result"]["commits"] == 2


def test_a_merge_and_a_cherry_pick_that_are_not_finished_are_refused(repo: Path) -> None:
    work, claimed, place = begun(repo, "one")
    git("checkout", "-q", "-b", "side", "HEAD~1", cwd=place)
    write(place, "a/one", "other\n")
    git("checkout", "-q", claimed.claim["branch"], cwd=place)
    for args in (["merge", "side"], ["cherry-pick", "side"]):
        subprocess.run(["git", *args], cwd=place, check=False, capture_output=True)
        (place / "a" / "one").write_text("x\n")
        git("add", ".", cwd=place)
        error = refused(work, claimed, "unfinished")
        assert args[0] in error.message
        git(args[0], "--abort", cwd=place)
    complete(work, claimed)


@pytest.mark.parametrize("where", [("--detach",), ("-b", "mine")])
def test_commits_beside_the_claims_branch_are_not_left_out(
    repo: Path, where: tuple[str, ...]
) -> None:
    work, claimed, place = begun(repo, "one")
    git("checkout", "-q", *where, cwd=place)
    head = write(place, "a/two")
    error = refused(work, claimed, "elsewhere")
    assert head[:12] in error.message
    complete(work, claimed, head)
    assert record(work, "a")["result"]["commits"] == 2


def test_the_branch_itself_can_be_handed_in_without_what_lies_beside_it(repo: Path) -> None:
    work, claimed, place = begun(repo, "one")
    git("checkout", "-q", "--detach", cwd=place)
    write(place, "a/two")
    complete(work, claimed, claimed.claim["branch"])
    assert record(work, "a")["result"]["commits"] == 1


def test_changes_on_a_detached_head_are_not_left_out(repo: Path) -> None:
    work, claimed, place = begun(repo, "one")
    git("checkout", "-q", "--detach", cwd=place)
    (place / "a" / "two").write_text("x\n")
    assert "a/two" in refused(work, claimed, "uncommitted").message


@pytest.mark.parametrize("commit", ["HEAD~1", "main"])
def test_a_look_at_what_others_have_is_in_nobodys_way(repo: Path, commit: str) -> None:
    work, claimed, place = begun(repo, "one", "two")
    write(repo, "elsewhere")
    git("checkout", "-q", "--detach", commit, cwd=place)
    complete(work, claimed)
    assert record(work, "a")["result"]["commits"] == 2


def test_what_stands_on_another_tasks_branch_is_that_tasks(repo: Path) -> None:
    work = found(repo, tasks("a", "b"))
    from gitcoord.features.setup import agents

    agents.add(work, "x", capacity=2)
    first = claims.claim(work, "x", "a")
    place = Path(first.worktree or "")
    write(place, "a/one")
    second = claims.claim(work, "x", "b")
    write(place, "b/one")
    write(place, "b/two")
    rebase(place)
    complete(work, first)
    refused(work, second, "unfinished")


def test_a_file_that_only_looks_modified_is_not_uncommitted(repo: Path) -> None:
    (repo / "a").mkdir()
    (repo / "raw").write_bytes(b"one\r\n")
    oid = git("hash-object", "-w", "--no-filters", "raw", cwd=repo)
    (repo / "raw").unlink()
    (repo / ".gitattributes").write_text("*.txt text\n")
    git("add", ".gitattributes", cwd=repo)
    git("update-index", "--add", "--cacheinfo", f"100644,{oid},a/legacy.txt", cwd=repo)
    git("commit", "-q", "-m", "legacy", cwd=repo)
    git("checkout", "-q", "--", "a/legacy.txt", cwd=repo)
    work, claimed, place = begun(repo)
    (place / "a" / "one").write_text("x\n")
    git("add", "a/one", cwd=place)
    git("commit", "-q", "-m", "one", cwd=place)
    os.utime(place / "a" / "legacy.txt")
    complete(work, claimed)
    assert record(work, "a")["result"]["files"] == 1
