"""What killed processes leave is told by its kind, and removed once nobody is at work on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitcoord.features.maintain import verify
from gitcoord.features.maintain.litter import clear_litter, dead_hints, old_files, task_locks
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.ledger.pending import HINTS, PendingFiles
from tests.support.builders import tasks
from tests.support.formats import needs_ref_files, require_reftable
from tests.support.world import environment, found, git

DEAD = "another-boot:1:1:1"
DAY_S = 86_400
CHURN = """
import sys
from pathlib import Path
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
work = open_workspace(Path(sys.argv[1]))
for _ in range(int(sys.argv[3])):
    claimed = claims.claim(work, sys.argv[2], checkout=False)
    held = claimed.task["claim"]
    results.release(work, sys.argv[2], claimed.task["id"], held["token"])
"""
"""A writer of the ledger that is a process of its own: two entries a round."""


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, tasks("a", "b"), "x")


def old(path: Path, text: str = "") -> Path:
    """Make a file as a process that was killed a day ago left it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    when = time.time() - DAY_S
    os.utime(path, (when, when))
    return path


def dead_hint(work: Workspace, verified: str) -> Path:
    """Write the record of a dead writer of a hint, which only verified a ref."""
    path = work.ledger.files.pending / HINTS / f"{'0' * 32}.json"
    return old(path, json.dumps({"process": DEAD, "verified": [verified]}))


def test_a_sound_repository_has_none(work: Workspace) -> None:
    assert dead_hints(work) == list(old_files(work)) == task_locks(work) == []
    assert clear_litter(work) == []


def test_the_record_of_a_dead_writer_of_a_hint_goes_when_it_accounts_for_no_lock(
    work: Workspace,
) -> None:
    path = dead_hint(work, "refs/heads/main")
    assert dead_hints(work) == [path]
    clear_litter(work)
    assert not path.exists()


@needs_ref_files
def test_the_record_of_a_dead_writer_stays_as_long_as_a_lock_may_be_its_own(
    work: Workspace,
) -> None:
    lock = old(work.place.common_dir / "refs/heads/main.lock")
    path = dead_hint(work, "refs/heads/main")
    assert dead_hints(work) == []
    clear_litter(work)
    assert not lock.exists()
    assert not path.exists()


def test_the_record_of_a_living_writer_of_a_hint_is_none(work: Workspace) -> None:
    other = PendingFiles(work.ledger.files.pending)
    other.begin(HINTS, "0" * 32, {"verified": ["refs/heads/main"]})
    (path,) = other.own()
    assert dead_hints(work) == []
    clear_litter(work)
    assert path.exists()
    other.end(path.stem)


@pytest.mark.parametrize(
    "name",
    [
        "gitcoord-trial-1",
        "worktrees/x/gitcoord-trial-1",
        "gitcoord/tokens/.x.json.new",
        "worktrees/x/gitcoord/.brief.new",
        "hooks/.pre-commit.0123abcd.new",
    ],
)
def test_a_temporary_file_goes_once_its_maker_must_be_over(work: Workspace, name: str) -> None:
    fresh = work.place.common_dir / f"{name}-fresh".replace(".new-fresh", "-fresh.new")
    left = old(work.place.common_dir / name)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.touch()
    assert list(old_files(work)) == [left]
    assert clear_litter(work) == [str(left)]
    assert (left.exists(), fresh.exists()) == (False, True)


@pytest.mark.parametrize(
    "name",
    [
        "gitcoord/kept/x/.something.new",
        "gitcoord/tokens/x.json",
        "objects/gitcoord-trial-1",
        "trial-1",
    ],
)
def test_what_is_kept_or_of_another_name_stays(work: Workspace, name: str) -> None:
    left = old(work.place.common_dir / name)
    assert clear_litter(work) == []
    assert left.exists()


def test_a_folder_with_the_name_of_a_temporary_file_stays(work: Workspace) -> None:
    folder = work.place.common_dir / "gitcoord-trial-1"
    old(folder / "somebody's")
    os.utime(folder, (0, 0))
    assert clear_litter(work) == []
    assert folder.is_dir()


def test_a_link_in_the_place_of_a_temporary_file_is_removed_and_not_followed(
    work: Workspace, tmp_path: Path
) -> None:
    target = old(tmp_path / "precious")
    link = work.place.common_dir / "gitcoord-trial-1"
    link.symlink_to(target)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert clear_litter(work) == [str(link)]
    assert target.exists()


@needs_ref_files
def test_the_lock_of_a_work_branch_goes_when_no_process_is_at_work_on_it(work: Workspace) -> None:
    folder = work.place.common_dir / "refs/heads/task"
    left = old(folder / "a/1-abcdef.lock")
    fresh = folder / "a/2-abcdef.lock"
    fresh.touch()
    held = old(folder / "b/1-abcdef.lock")
    with held.open("a"):
        assert task_locks(work) == [left]
        assert clear_litter(work) == [str(left)]
    assert not left.exists()
    assert fresh.exists()
    assert held.exists()


@needs_ref_files
def test_the_lock_of_a_branch_that_is_not_ours_stays(work: Workspace) -> None:
    lock = old(work.place.common_dir / "refs/heads/feature.lock")
    assert clear_litter(work) == []
    assert lock.exists()


def test_the_worktree_of_a_killed_check_goes_and_is_counted(work: Workspace, repo: Path) -> None:
    place = repo.parent / "repo.gates" / "0123456789ab"
    git("worktree", "add", "-q", "--detach", str(place), cwd=repo)
    marker = work.ledger.files.root / "checks" / "0123456789ab.marker"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(f"{place}\n{DEAD}\n")
    assert clear_litter(work) == ["1 worktree(s) of killed checks"]
    assert not place.exists()
    assert not marker.exists()


@pytest.mark.long
@pytest.mark.parametrize(
    "command",
    [
        ["repack", "-q", "-d", "--geometric=2", "--write-midx"],
        ["maintenance", "run", "--quiet", "--task=gc"],
        ["maintenance", "run", "--quiet", "--task=loose-objects", "--task=incremental-repack"],
    ],
    ids=["geometric", "gc", "incremental"],
)
def test_the_users_own_maintenance_beside_writers_loses_nothing(
    work: Workspace, repo: Path, command: list[str]
) -> None:
    before = verify.verify(work).entries
    # Without any pack git's own incremental repack fails.
    git("repack", "-q", "-d", cwd=repo)
    writer = subprocess.Popen(
        [sys.executable, "-c", CHURN, str(repo), "x", "6"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    rounds = 0
    while writer.poll() is None or not rounds:
        git(*command, cwd=repo)
        rounds += 1
    _, told = writer.communicate()
    assert (writer.returncode, told) == (0, "")
    assert verify.verify(open_workspace(repo)).entries == before + 12
    git("fsck", "--strict", cwd=repo)


def test_a_dead_gits_lock_on_a_table_of_a_worktree_goes(tmp_path: Path) -> None:
    require_reftable()
    repo = tmp_path / "tables"
    git("init", "-q", "--ref-format=reftable", str(repo), cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=repo)
    work = found(repo, tasks("a"), "x")
    table = next((repo / ".git" / "worktrees").glob("*/reftable/*.ref"))
    left = table.with_name(f"{table.name}.lock")
    left.touch()
    assert clear_litter(work) == [str(left)]
    assert not left.exists()
    assert table.exists()
    work.close()
