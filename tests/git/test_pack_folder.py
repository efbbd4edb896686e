"""Packs are counted and told apart, and what their dead writers left is cleared."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from gitcoord.git.maintenance import merge_packs
from gitcoord.git.pack_folder import (
    KEEP,
    MARK,
    clear_dead_packs,
    count_packs,
    own_packs,
    pack_folder,
)
from gitcoord.git.program import Git
from gitcoord.store.plumbing import PlumbingStore
from tests.store.test_own_packs import own, turn
from tests.support.world import git

KILLED = """
import os, signal, sys
from pathlib import Path
from gitcoord.store.plumbing import PlumbingStore
from tests.store.test_own_packs import turn
turn(PlumbingStore(Path(sys.argv[1])), 0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_kept_is_given_back(repo: Path) -> None:
    folder = pack_folder(repo / ".git")
    done = subprocess.run([sys.executable, "-c", KILLED, str(repo / ".git")], check=False)
    assert done.returncode == -signal.SIGKILL
    (keep,) = own(repo, KEEP)
    (pack,) = own(repo, ".pack")
    assert merge_packs(Git(repo)) == 0
    pack.with_suffix(KEEP + "s").write_text("not ours")
    theirs = folder / f"{MARK}0000{KEEP}"
    theirs.write_text("somebody wants this one to stay\n")
    assert clear_dead_packs(folder, 0) == 1
    assert not keep.exists()
    assert pack.exists(), "its entries may have been published"
    assert theirs.exists()


def test_what_a_living_writer_keeps_stays(repo: Path) -> None:
    store = PlumbingStore(repo / ".git")
    turn(store, 0)
    assert clear_dead_packs(pack_folder(repo / ".git"), 0) == 0
    assert own_packs(pack_folder(repo / ".git")) == []
    assert len(own(repo, KEEP)) == 1
    store.close()
    assert len(own_packs(pack_folder(repo / ".git"))) == 1


def test_a_pack_that_never_got_its_index_goes(repo: Path) -> None:
    folder = pack_folder(repo / ".git")
    pack, unnamed = folder / f"{MARK}00.pack", folder / f".{MARK}00.ab.new"
    for path in (pack, unnamed):
        path.write_bytes(b"PACK")
    changed = pack.stat().st_mtime
    assert clear_dead_packs(folder, changed + 60) == 0, "its index may be on its way"
    assert clear_dead_packs(folder, changed + 4000) == 2
    assert not pack.exists()
    assert not unnamed.exists()


def test_packs_of_others_are_counted_and_are_not_ours(repo: Path) -> None:
    folder = pack_folder(repo / ".git")
    assert count_packs(folder) == 0
    git("repack", "-q", cwd=repo)
    store = PlumbingStore(repo / ".git")
    turn(store, 0)
    store.close()
    assert count_packs(folder) == 2
    ((size, name),) = own_packs(folder)
    assert (folder / f"{name}.pack").stat().st_size == size
    assert count_packs(folder / "missing") == 0
