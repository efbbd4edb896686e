"""A copy of the index is this thread's alone, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.git.index_copies import index_copy
from gitcoord.git.program import Git
from tests.git.building import git


def test_git_works_on_the_copy_and_the_index_stays_as_it_is(repo: Path) -> None:
    (repo / "new.txt").write_text("new\n")
    with index_copy(repo) as copy:
        Git(repo).run("add", "new.txt", env={"GIT_INDEX_FILE": str(copy)})
        assert git(repo, "diff", "--cached", "--name-only") == ""
    assert not copy.exists()


def test_what_fails_over_it_leaves_no_copy(repo: Path) -> None:
    with pytest.raises(KeyError), index_copy(repo) as copy:
        raise KeyError
    assert not copy.exists()


def test_the_lock_of_a_git_that_was_killed_over_it_stops_no_other_try(repo: Path) -> None:
    with index_copy(repo) as copy:
        lock = copy.with_name(f"{copy.name}.lock")
        lock.touch()
    assert not lock.exists()
    lock.touch()  # of a process that had this number before
    with index_copy(repo) as copy:
        Git(repo).run("read-tree", "HEAD", env={"GIT_INDEX_FILE": str(copy)})
