"""The refs of a ledger go all or none, and its tag comes with that."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git.program import Git
from gitcoord.ledger.ending import end_refs
from tests.support.world import git

LEDGER, RESULT = "refs/heads/gitcoord/ledger", "refs/gitcoord/ledger/results/a/x"
TAG = "refs/tags/gitcoord/ledger/done"


def refs(repo: Path) -> list[str]:
    return git("for-each-ref", "--format=%(refname)", cwd=repo).split()


def test_all_refs_go_and_the_tag_is_there_also_the_second_time(repo: Path) -> None:
    tip = git("rev-parse", "HEAD", cwd=repo)
    for ref in (LEDGER, RESULT):
        git("update-ref", ref, tip, cwd=repo)
    end_refs(Git(repo), TAG, tip, {LEDGER: tip, RESULT: tip})
    assert refs(repo) == ["refs/heads/main", TAG]
    end_refs(Git(repo), TAG, tip, {})
    assert refs(repo) == ["refs/heads/main", TAG]


def test_a_ref_that_moved_meanwhile_keeps_all_of_them(repo: Path) -> None:
    tip = git("rev-parse", "HEAD", cwd=repo)
    newer = git("commit-tree", "-p", tip, "-m", "entry", "HEAD^{tree}", cwd=repo)
    git("update-ref", LEDGER, newer, cwd=repo)
    git("update-ref", RESULT, tip, cwd=repo)
    with pytest.raises(UnavailableError, match="could not be removed"):
        end_refs(Git(repo), TAG, tip, {RESULT: tip, LEDGER: tip})
    assert refs(repo) == [RESULT, LEDGER, "refs/heads/main"]
