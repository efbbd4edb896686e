"""Loose objects are packed, and our packs are merged."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.features.maintain import upkeep, verify
from gitcoord.features.workspace import open_workspace
from gitcoord.git.maintenance import MAX_PACKS, merge_packs
from gitcoord.git.pack_folder import MARK, own_packs
from gitcoord.store import disk_store
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


def test_packs_that_a_multi_pack_index_names_stay(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps such an index merges packs with git's own ``multi-pack-index repack``."""
    work = found(repo, tasks("a"), "x", worktrees=False)
    monkeypatch.setattr(disk_store, "MIN_PACKED", 1)
    churn(work, MAX_PACKS)
    folder = repo / ".git/objects/pack"
    before = own_packs(folder)
    assert len(before) > MAX_PACKS
    git("multi-pack-index", "write", cwd=repo)
    assert merge_packs(work.git) == 0
    assert own_packs(folder) == before
    verify.verify(open_workspace(repo))


def test_an_index_that_names_what_was_merged_meanwhile_is_written_anew(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    monkeypatch.setattr(disk_store, "MIN_PACKED", 1)
    churn(work, MAX_PACKS)
    index = repo / ".git/objects/pack/multi-pack-index"
    git("multi-pack-index", "write", cwd=repo)
    late = index.read_bytes()
    index.chmod(0o600)
    index.unlink()
    assert merge_packs(work.git) > 1
    # As of a git that read the packs before, and is slow.
    index.write_bytes(late)
    assert merge_packs(work.git) == 0
    verify.verify(open_workspace(repo))
    git("fsck", "--strict", cwd=repo)
