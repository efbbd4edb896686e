"""Count what one claim syncs: each sync has a reason, and none is added unseen.

docs/performance.md gives the reason of each.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from gitcoord.store.open import ENGINES
from tests.support import strace
from tests.support.fault_rows import ROWS
from tests.support.world import environment

pytestmark = pytest.mark.skipif(strace.STRACE is None, reason="there is no strace")

SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")
MOVES = ("rename", "renameat", "renameat2", "link", "linkat")
CALL = re.compile(rf"\b({'|'.join((*SYNCS, *MOVES, 'mkdir'))})\((.*)\)\s+= (-?\d+)")
PLACE = re.compile(r'"([^"]*)"|<([^>]*)>')

# Both claims of a long-lived caller are traced; the second one is counted.
CALLER = """
import os, sys
from pathlib import Path
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace
repo = Path(sys.argv[1])
work = open_workspace(repo)
held = claims.claim(work, "x", "b", checkout=False)
results.release(work, "x", "b", held.claim["token"])
os.mkdir(repo / "begin")
claims.claim(work, "x", "a", checkout=False)
os.mkdir(repo / "end")
"""


class Counted(NamedTuple):
    """What a claim synced by kind, and how many names it gave."""

    syncs: dict[str, int]
    objects: int
    fan_outs: int
    names: int


def traced(repo: Path, engine: str, *, is_one_shot: bool, **more: str) -> Counted:
    """Claim a task under strace, and sort what was synced."""
    argv = [sys.executable, "-c", CALLER, str(repo)]
    if is_one_shot:
        argv = strace.command("-C", str(repo), "--agent", "x", "claim", "a", "--no-checkout")
    file = repo.parent / "trace"
    spec = "trace=" + ",".join(f"?{name}" for name in (*SYNCS, *MOVES, "mkdir"))
    env = environment(GITCOORD_UPKEEP="off", GITCOORD_ENGINE=engine, **more)
    subprocess.run(
        [str(strace.STRACE), "-f", "-qq", "-y", "-s", "300", "-o", str(file), "-e", spec, *argv],
        env=env,
        check=True,
        capture_output=True,
    )
    text = file.read_text("utf-8", "replace")
    if not is_one_shot:
        text = text.partition(f'"{repo}/begin"')[2].partition(f'"{repo}/end"')[0]
    calls = [
        (found[1], [a or b for a, b in PLACE.findall(found[2])])
        for found in CALL.finditer(text)
        if found[3] == "0"
    ]
    git_dir = f"{repo.resolve()}/.git/"
    syncs = Counter(
        kind_of(places[0].removeprefix(git_dir) if places else "everything")
        for name, places in calls
        if name in SYNCS
    )
    named = [places[-1] for name, places in calls if name in MOVES]
    # Python too gives names by a rename, to the modules that it compiles beside their source.
    moved = [place.removeprefix(git_dir) for place in named if place.startswith(git_dir)]
    objects = [place for place in moved if place.startswith("objects/")]
    return Counted(dict(syncs), len(objects), len({place[:10] for place in objects}), len(moved))


def kind_of(place: str) -> str:
    """Say what a synced place is to a claim."""
    kinds = {
        r"gitcoord/agents/.*/claims/.*": "token",
        r"objects/tmp_.*": "object",
        r"objects": "objects folder",
        r"objects/..": "fan-out folder",
        r"refs/heads/gitcoord/ledger\.lock": "ref",
        r"refs/heads/gitcoord": "ref's folder",
    }
    return next((kind for pattern, kind in kinds.items() if re.fullmatch(pattern, place)), place)


@pytest.mark.parametrize("is_one_shot", [False, True], ids=["api", "one-shot"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_claim_syncs_what_the_promise_needs_and_nothing_more(
    tmp_path: Path, engine: str, is_one_shot: bool
) -> None:
    ROWS["claim"].setup(tmp_path / "live")
    counted = traced(tmp_path / "live" / "repo", engine, is_one_shot=is_one_shot)
    # A record, the trees from it to the root, and the commit.
    assert counted.objects == 6
    assert counted.syncs == {
        "token": 1,
        "object": 6,
        "objects folder": 1,
        "fan-out folder": counted.fan_outs,
        "ref": 1,
        "ref's folder": 1,
    }
    # Beside the objects' names: those of the pending file, the token and the ref.
    assert counted.names == counted.objects + 3
    print(f"\n{engine}: {sum(counted.syncs.values())} syncs, {counted.names} renames")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_one_shot_claim_that_need_not_survive_a_power_cut_syncs_nothing_at_all(
    tmp_path: Path, engine: str
) -> None:
    ROWS["claim"].setup(tmp_path / "live")
    counted = traced(
        tmp_path / "live" / "repo", engine, is_one_shot=True, GITCOORD_DURABILITY="process"
    )
    assert counted.objects == 6
    assert counted.syncs == {}
