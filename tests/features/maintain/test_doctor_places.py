"""Doctor looks at the places around the ledger."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gitcoord.features.maintain import doctor
from tests.support.ailments import states
from tests.support.builders import tasks
from tests.support.world import found, git


def test_the_hooks_that_git_really_runs_are_named(repo: Path, tmp_path: Path) -> None:
    work = found(repo, tasks("a"), "x")
    folder = tmp_path / "own-hooks"
    folder.mkdir()
    (folder / "pre-commit").write_text("#!/bin/sh\n")
    git("config", "core.hooksPath", str(folder), cwd=repo)
    told = [one for one in doctor.examine(work).findings if one.check == "hooks"]
    assert [one.state for one in told] == ["problem", "ok"]
    assert f"git looks in {folder} and runs nothing for pre-commit, commit-msg" in told[1].text
    (folder / "pre-commit").chmod(0o755)
    assert states(work) == {}
    assert "runs your hook for pre-commit; nothing for commit-msg" in next(
        one.text for one in doctor.examine(work).findings if one.check == "hooks"
    )


def test_a_lock_of_a_living_git_is_never_removed(repo: Path) -> None:
    import os

    work = found(repo, tasks("a"), "x")
    place = work.worktree_of("x")
    assert place is not None
    lock = Path(git("rev-parse", "--absolute-git-dir", cwd=place)) / "index.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    child = subprocess.Popen(
        ["git", "update-ref", "--stdin"],
        cwd=place,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        assert states(work, fix=True) == {"locks": "problem"}
        assert lock.exists()
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
    assert states(work) == {"locks": "problem"}
    assert lock.exists()
    assert states(work, fix=True) == {"locks": "fixed"}
    assert not lock.exists()
