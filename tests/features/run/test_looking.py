"""What is seen of a task while it is worked on."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.run.looking import diff_of, log_text
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.world import found, write


def test_what_changed_is_seen_committed_or_not_and_then_of_the_result(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    assert diff_of(work, "a") == "task a has no commit"
    claim = claims.claim(work, "x", "a")
    worktree = Path(claim.worktree or "")
    assert diff_of(work, "a") == "nothing changed yet"
    write(worktree, "a/file.txt", "one\n")
    (worktree / "a" / "file.txt").write_text("two\n")
    assert "+two" in diff_of(work, "a")
    write(worktree, "a/file.txt", "three\n")
    results.complete(work, "x", "a", claim.claim["token"])
    assert "+three" in diff_of(work, "a")


def test_a_task_without_a_log_says_so(repo: Path) -> None:
    work = found(repo, tasks("a"), worktrees=False)
    assert log_text(work, "a") == "no attempt at task a left a log"
