"""A worktree that would not fit is refused before anything of it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git import room, worktrees
from gitcoord.git.program import Git
from tests.support.world import git, write


def head_of(repo: Path) -> Oid:
    return Oid(git("rev-parse", "HEAD", cwd=repo).strip())


def test_a_checkout_is_measured_in_whole_blocks(repo: Path) -> None:
    before = room.checkout_bytes(Git(repo), head_of(repo))
    write(repo, "a/large", "x" * 9000)
    after = room.checkout_bytes(Git(repo), head_of(repo))
    assert after - before == 3 * room.BLOCK_BYTES


def test_a_worktree_that_leaves_no_reserve_is_not_begun(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "deep" / "place"
    with monkeypatch.context() as patched:
        patched.setattr(room, "RESERVE_BYTES", 2**62)
        with pytest.raises(UnavailableError, match="free, and a worktree needs"):
            worktrees.add(Git(repo), place, commit=head_of(repo))
    assert not place.parent.exists()
    worktrees.add(Git(repo), place, commit=head_of(repo))
    assert worktrees.is_worktree(Git(repo), place)
