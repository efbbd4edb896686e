"""Results that are handed in, given back or failed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    NotFoundError,
    RefusedError,
)
from gitcoord.core.model import MAX_LOG_BYTES
from gitcoord.core.refs import result_ref
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.work import claims, results
from tests.git.building import commit
from tests.support.builders import tasks
from tests.support.cascades import CHAIN, failed
from tests.support.world import do, found, git, record, write


@pytest.mark.parametrize(
    "way",
    [
        "outside",
        "rename-out",
        "delete-outside",
        "mode-outside",
        "link-out",
        "link-git",
        "submodule",
        "case-twin",
        "second-commit",
        "merge-foreign",
        "evil-merge",
        "amended-base",
        "newline",
        "other-history",
        "undone-outside",
    ],
)
def test_no_way_round_the_boundary_is_accepted(repo: Path, way: str) -> None:
    (repo / "other").mkdir()
    (repo / "other" / "file.txt").write_text("other\n")
    (repo / "a").mkdir()
    (repo / "a" / "inside.txt").write_text("inside\n")
    git("add", "-A", cwd=repo)
    git("commit", "-q", "-m", "more", cwd=repo)
    work = found(repo, tasks("a"), "x")
    claimed = claims.claim(work, "x")
    place = Path(claimed.worktree or "")
    write(place, "a/ok.txt")
    if way == "outside":
        write(place, "b/file.txt")
    elif way == "rename-out":
        git("mv", "a/inside.txt", "moved.txt", cwd=place)
        git("commit", "-q", "-m", "move", cwd=place)
    elif way == "delete-outside":
        git("rm", "-q", "other/file.txt", cwd=place)
        git("commit", "-q", "-m", "delete", cwd=place)
    elif way == "mode-outside":
        (place / "other" / "file.txt").chmod(0o755)
        git("commit", "-q", "-am", "mode", cwd=place)
    elif way in {"link-out", "link-git"}:
        (place / "a" / "link").symlink_to("../../up" if way == "link-out" else "../.git/config")
        git("add", "-A", cwd=place)
        git("commit", "-q", "-m", "link", cwd=place)
    elif way == "submodule":
        git(
            "update-index",
            "--add",
            "--cacheinfo",
            f"160000,{git('rev-parse', 'HEAD', cwd=repo)},a/sub",
            cwd=place,
        )
        git("commit", "-q", "-m", "sub", cwd=place)
        (place / "a" / "sub").mkdir()
    elif way == "case-twin":
        write(place, "A/file.txt")
    elif way == "second-commit":
        write(place, "b/file.txt")
        write(place, "a/more.txt")
    elif way == "undone-outside":
        write(place, "b/file.txt")
        git("rm", "-q", "b/file.txt", cwd=place)
        git("commit", "-q", "-m", "undo", cwd=place)
    elif way == "merge-foreign":
        git("checkout", "-q", "-b", "foreign", "main", cwd=place)
        write(place, "b/file.txt")
        git("checkout", "-q", claimed.claim["branch"], cwd=place)
        git("merge", "-q", "--no-edit", "foreign", cwd=place)
    elif way == "evil-merge":
        git("commit", "-q", "--allow-empty", "-m", "target moves", cwd=repo)
        git("merge", "-q", "--no-commit", "--no-ff", "main", cwd=place)
        (place / "other" / "file.txt").write_text("evil\n")
        git("commit", "-q", "-am", "merge", cwd=place)
    elif way == "amended-base":
        git("checkout", "-q", "--detach", "main", cwd=place)
        (place / "other" / "file.txt").write_text("amended\n")
        git("commit", "-q", "-a", "--amend", "-m", "more", cwd=place)
        write(place, "a/ok.txt")
        git("branch", "-f", claimed.claim["branch"], "HEAD", cwd=place)
        git("checkout", "-q", claimed.claim["branch"], cwd=place)
    elif way == "newline":
        write(place, "b\na/file.txt")
    elif way == "other-history":
        git("checkout", "-q", "--orphan", "orphan", cwd=place)
        git("commit", "-q", "-m", "orphan", cwd=place)
    tip = work.ledger.tip()
    with pytest.raises(RefusedError) as caught:
        results.complete(
            work, "x", "a", claimed.claim["token"], result=git("rev-parse", "HEAD", cwd=place)
        )
    assert caught.value.reason == "boundary"
    assert work.ledger.tip() == tip
    assert record(work, "a")["state"] == "claimed"


def test_merging_the_target_and_resolving_inside_is_accepted(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    claimed = claims.claim(work, "x")
    place = Path(claimed.worktree or "")
    write(place, "a/file.txt", "ours\n")
    write(repo, "a/file.txt", "theirs\n")
    write(repo, "elsewhere.txt")
    subprocess.run(["git", "merge", "-q", "main"], cwd=place, check=False, capture_output=True)
    (place / "a" / "file.txt").write_text("both\n")
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "merge", cwd=place)
    results.complete(work, "x", "a", claimed.claim["token"])
    landings.land(work, "default")
    assert (repo / "a" / "file.txt").read_text() == "both\n"


def test_an_empty_or_uncommitted_result_is_refused(repo: Path) -> None:
    work = found(repo, tasks("a") + '[[task]]\nid="d"\ntitle="Decide"\npaths=[]\n', "x")
    claimed = claims.claim(work, "x", "a")
    token = claimed.claim["token"]
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", token)
    assert caught.value.reason == "empty-result"
    (Path(claimed.worktree or "") / "a").mkdir()
    (Path(claimed.worktree or "") / "a" / "left.txt").write_text("x")
    with pytest.raises(RefusedError) as caught:
        results.complete(work, "x", "a", token)
    assert caught.value.reason == "uncommitted"
    with pytest.raises(RefusedError):
        results.complete(work, "x", "a", token, no_result=True)
    results.release(work, "x", "a", token)
    git("clean", "-qfd", cwd=Path(claimed.worktree or ""))
    decision = claims.claim(work, "x", "d")
    done = results.complete(work, "x", "d", decision.claim["token"])
    assert done.task["result"] is not None
    assert done.task["result"]["oid"] is None


def test_a_result_whose_history_is_not_there_is_refused(repo: Path) -> None:
    """A prune took it, or never fetched it: what git says of that is no answer."""
    work = found(repo, tasks("a", "b"), "x", "y")
    do(work, "y", "b")
    held = claims.claim(work, "x", "a", checkout=False).claim
    first = commit(repo, {"a/file.txt": "x"}, held["base"])
    made = commit(repo, {"a/file.txt": "y"}, first)
    (repo / ".git" / "objects" / first[:2] / first[2:]).unlink()
    tip = work.ledger.tip()
    with pytest.raises(RefusedError, match=f"commit {made[:12]} cannot be cloned or pushed"):
        results.complete(work, "x", "a", held["token"], result=made)
    assert work.ledger.tip() == tip


def test_completing_again_says_already(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    claimed = do(work, "x")
    again = results.complete(work, "x", "a", claimed.claim["token"])
    assert again.already
    oid = str(record(work, "a")["result"]["oid"])
    assert git("rev-parse", result_ref("ledger", "a", oid), cwd=repo) == oid


def test_giving_back_counts_as_no_failure_and_failing_does(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    for count in (0, 1):
        held = claims.claim(work, "x", "a", checkout=False)
        if count:
            results.fail(work, "x", "a", held.claim["token"], reason="enough")
        else:
            results.release(work, "x", "a", held.claim["token"], reason="enough")
        assert (record(work, "a")["failures"], record(work, "a")["attempt"]) == (count, count + 1)


def test_the_end_of_a_log_is_kept_and_says_what_was_cut(repo: Path) -> None:
    work = found(repo, CHAIN, "x", worktrees=False)
    failed(work, "x", "a", b"begin\n" + b"x" * 200_000 + b"\x1b[31m\nthe end\n")
    name, text = facts.log_of(work, "a")
    assert name == "logs/a-1.txt"
    assert text.startswith("[200020 bytes in all; this is the end]\n")
    assert text.endswith("\nthe end\n")
    assert len(text.encode()) <= MAX_LOG_BYTES
    assert "\x1b" not in text
    assert git("show", "gitcoord/ledger:logs/a-1.txt", cwd=repo) == text.strip()
    with pytest.raises(NotFoundError):
        facts.log_of(work, "b")
    verify.verify(work)
