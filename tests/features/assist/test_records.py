"""A hook tells from loose objects, and packs of ours, whether what it judged by still stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.ids import Oid
from gitcoord.features.assist.records import record_oids
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from gitcoord.git.pack_folder import own_packs, pack_folder
from gitcoord.store import disk_store
from tests.support.builders import tasks
from tests.support.world import found, git

PATHS = ("plan.json", "agents/one.json", "live/a.json", "live/b.json", "nothing/here.json")


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, tasks("a", "b"), "one", "two", worktrees=False)


def oids(work: Workspace) -> dict[str, Oid] | None:
    return record_oids(str(work.place.common_dir), work.ledger.tip() or "", PATHS)


def test_each_record_is_named_as_git_names_it(work: Workspace, repo: Path) -> None:
    claims.claim(work, "one", "a", checkout=False)
    named = oids(work)
    assert named is not None
    for path in ("plan.json", "agents/one.json", "live/a.json"):
        assert named[path] == git("rev-parse", f"gitcoord/ledger:{path}", cwd=repo)
    assert (named["live/b.json"], named["nothing/here.json"]) == ("", "")


def test_what_is_in_a_pack_of_ours_is_read_as_well(
    work: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = oids(work)
    monkeypatch.setattr(disk_store, "MIN_PACKED", 1)
    claims.claim(work, "one", "a", checkout=False)
    assert own_packs(pack_folder(work.place.common_dir))
    packed = oids(work)
    assert packed is not None
    assert packed != loose
    assert packed["live/a.json"] == git("rev-parse", "gitcoord/ledger:live/a.json", cwd=repo)
    git("repack", "-q", "-a", "-d", cwd=repo)
    assert oids(work) is None, "a pack of git's is read by the ledger"


def test_only_what_changed_differs(work: Workspace) -> None:
    claims.claim(work, "one", "a", checkout=False)
    before = oids(work)
    other = claims.claim(work, "two", "b", checkout=False)
    results.progress(work, "two", "b", other.claim["token"], "on it")
    after = oids(work)
    assert before is not None
    assert after is not None
    assert {path for path in PATHS if before[path] != after[path]} == {"live/b.json"}


def test_what_is_packed_missing_or_broken_is_left_to_the_ledger(
    work: Workspace, repo: Path
) -> None:
    tip = work.ledger.tip() or ""
    common = str(work.place.common_dir)
    assert record_oids(common, "0" * 40, PATHS) is None
    assert record_oids(common, "not an oid", PATHS) is None
    file = work.place.common_dir / "objects" / tip[:2] / tip[2:]
    file.chmod(0o644)
    file.write_bytes(b"not zlib")
    assert record_oids(common, tip, PATHS) is None
    file.unlink()
    file.symlink_to("/dev/zero")
    assert record_oids(common, tip, PATHS) is None
