"""Loose objects are packed, and our packs are merged."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.maintain import upkeep, verify
from gitcoord.features.workspace import open_workspace
from gitcoord.git.maintenance import MARK, MAX_PACKS
from tests.support.builders import tasks
from tests.support.growth import churn
from tests.support.world import found, git


def test_packs_are_merged_and_those_of_others_left_alone(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    git("repack", "-q", cwd=repo)
    packs = repo / ".git/objects/pack"
    theirs = {path.name for path in packs.glob("*.pack")}
    for _ in range(MAX_PACKS * 2):
        churn(work, 1)
        upkeep.upkeep(work)
    assert theirs <= {path.name for path in packs.glob("*.pack")}
    assert len(list(packs.glob(f"{MARK}*.pack"))) <= MAX_PACKS + 1
    verify.verify(open_workspace(repo))
    git("fsck", "--strict", cwd=repo)
