"""A lock file lets one process at a time in, and is free when that is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.host.lock_files import locked

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom gitcoord.host.lock_files import locked\n"
    "with locked(Path(sys.argv[1]), 1, 'it', ''):\n"
    "    print('held', flush=True)\n    time.sleep(60)\n"
)


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "one.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        told = rf"process {child.pid} \(.+\) is busy with the tests"
        with (
            pytest.raises(UnavailableError, match=told),
            locked(path, 0.05, "the tests", ""),
        ):
            pass
        child.kill()
        child.wait()
    with locked(path, 0, "the tests", ""):
        assert path.read_text().strip() == str(os.getpid())


def test_what_cannot_be_opened_is_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "one.lock").mkdir()
    with (
        pytest.raises(UnavailableError, match="cannot be opened") as caught,
        locked(tmp_path / "one.lock", 0, "the tests", "look there"),
    ):
        pass
    assert caught.value.hint == "look there"
