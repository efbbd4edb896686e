"""What is acknowledged was synced first: counted, since no power can be cut here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.formats import needs_libgit2, require_reftable
from tests.support.world import environment, git

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="syncs are counted by strace, which is not installed"
)

WRITER = """
import os, sys
from pathlib import Path
from gitcoord.git.places import discover
from gitcoord.store.open import open_store
store = open_store(discover(Path(sys.argv[1])), is_durable=sys.argv[2] == "full")
tree = store.write_tree(None, {"a/b.json": b"one"})
one = store.write_entry(tree, (), "one", ("x", "x@x"), 1)
two = store.write_entry(tree, (one,), "two", ("x", "x@x"), 2)
store.swap("refs/heads/gitcoord/ledger", None, one)
os.write(1, b"created")
store.swap("refs/heads/gitcoord/ledger", one, two)
"""


def traced(log: Path, calls: str, script: str, *words: str) -> str:
    """Run a script; return what strace says of some of its calls."""
    strace = ["strace", "-f", "-y", "-qq", "-s", "400", "-e", f"trace={calls}", "-o", str(log)]
    done = subprocess.run(
        [*strace, sys.executable, "-c", script, *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:100]}")
    assert done.returncode == 0, done.stderr
    return log.read_text()


def synced(repo: Path, log: Path, durability: str) -> tuple[list[str], list[str]]:
    """Write two entries; list what was synced before the second swap, and in it."""
    told = traced(log, "fsync,fdatasync,write", WRITER, str(repo / ".git"), durability)
    top = f"{(repo / '.git').resolve()}/"
    before, _, after = told.partition('"created"')
    first, second = (
        [
            path.removeprefix(top)
            for path in re.findall(r"f(?:data)?sync\(\d+<([^>]*)>\) += 0", part)
        ]
        for part in (before, after)
    )
    return first, second


@needs_libgit2
def test_every_object_every_ref_and_every_folder_is_synced_before_it_is_acknowledged(
    repo: Path, tmp_path: Path
) -> None:
    old = {
        path.relative_to(repo / ".git").as_posix()
        for path in (repo / ".git" / "objects").glob("??/*")
    }
    first, second = synced(repo, tmp_path / "log", "full")
    new = {
        path.relative_to(repo / ".git").as_posix()
        for path in (repo / ".git" / "objects").glob("??/*")
    } - old
    assert len(new) == 5
    assert sum(path.startswith("objects/tmp_obj") for path in first) == len(new)
    assert {path.rpartition("/")[0] for path in new} <= set(first)
    ref = "refs/heads/gitcoord/ledger"
    folders = {"refs/heads/gitcoord", "refs/heads", "refs"}
    assert {f"{ref}.lock", *folders} <= set(first), "a new ref's folders are new too"
    assert {f"{ref}.lock", "refs/heads/gitcoord"} <= set(second)
    assert second.index(f"{ref}.lock") < second.index("refs/heads/gitcoord")


def test_durability_process_syncs_nothing(repo: Path, tmp_path: Path) -> None:
    assert synced(repo, tmp_path / "log", "process") == ([], [])


def test_where_refs_are_kept_in_tables_the_folder_with_their_names_is_synced_last(
    tmp_path: Path,
) -> None:
    require_reftable()
    top = tmp_path / "tables"
    git("init", "-q", "--ref-format=reftable", str(top), cwd=tmp_path)
    for part in synced(top, tmp_path / "log", "full"):
        tables = [path for path in part if path.startswith("reftable")]
        assert any(path.endswith(".ref") or ".temp." in path for path in tables)
        assert "reftable/tables.list.lock" in tables
        assert part[-1] == "reftable"


PACK_PART = r"\.gitcoord-pack-[0-9a-f]+\.[0-9a-f]+\.new"
TURN = """
import sys
from pathlib import Path
from tests.store.test_own_packs import REF, turn
from gitcoord.store.plumbing import PlumbingStore
store = PlumbingStore(Path(sys.argv[1]))
store.swap(REF, None, turn(store, 0))
store.close()
"""


def test_a_pack_is_on_the_disk_before_it_has_its_name_and_kept_until_the_ref_has_moved(
    repo: Path, tmp_path: Path
) -> None:
    calls = "fsync,rename,renameat,renameat2,unlink,unlinkat"
    told = traced(tmp_path / "log", calls, TURN, str((repo / ".git").resolve()))
    name = r"objects/pack/gitcoord-pack-[0-9a-f]+"
    wanted = [
        rf'rename\(.*, ".*/{name}\.keep"\) += 0',
        rf"fsync\(\d+<.*/{PACK_PART}>\) += 0",
        rf"fsync\(\d+<.*/{PACK_PART}>\) += 0",
        rf'rename\(.*, ".*/{name}\.pack"\) += 0',
        rf'rename\(.*, ".*/{name}\.idx"\) += 0',
        r"fsync\(\d+<.*/objects/pack>\) += 0",
        r'rename\(.*, ".*/(gitcoord/x|tables\.list)"\) += 0',
        rf'unlink\(".*/{name}\.keep"\) += 0',
    ]
    lines = iter(told.splitlines())
    for pattern in wanted:
        assert any(re.search(pattern, line) for line in lines), f"{pattern} is not next"
