"""Folders that are gone with the process that made them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.git.temporary import temporary_folder
from tests.support.world import environment

HOLD = """
import sys, time
from pathlib import Path
from gitcoord.git.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""


def holder(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that holds a folder."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(parent)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


def test_it_is_empty_private_and_gone_at_the_end(tmp_path: Path) -> None:
    parent = tmp_path / "deep" / "parent"
    with temporary_folder(parent) as one, temporary_folder(parent) as other:
        assert one != other
        assert list(one.iterdir()) == []
        assert one.stat().st_mode & 0o777 == 0o700
        (one / "sub").mkdir()
        (one / "sub" / "file").write_text("x")
    assert list(parent.iterdir()) == []


def test_it_goes_after_an_error_too(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "file").write_text("x")
        raise KeyError

    with pytest.raises(KeyError), temporary_folder(tmp_path / "parent") as folder:
        fail(folder)
    assert list((tmp_path / "parent").iterdir()) == []


def test_a_killed_processs_folder_goes_with_the_next_and_a_living_ones_stays(
    tmp_path: Path,
) -> None:
    dead, its = holder(tmp_path)
    living, theirs = holder(tmp_path)
    try:
        dead.kill()
        dead.communicate()
        assert its.is_dir()
        with temporary_folder(tmp_path):
            assert not its.exists()
            assert (theirs / "file").exists()
    finally:
        living.kill()
        living.communicate()
    with temporary_folder(tmp_path):
        assert not theirs.exists()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_where_no_folder_can_be_made_nothing_is_left(tmp_path: Path, kind: str) -> None:
    parent, elsewhere = tmp_path / "parent", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "file":
        parent.write_text("mine")
    else:
        parent.symlink_to(elsewhere)
    with pytest.raises(UnavailableError, match="no folder can be made"), temporary_folder(parent):
        pytest.fail("it was made")
    assert list(elsewhere.iterdir()) == []
