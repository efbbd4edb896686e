"""Whether somebody has a file open is asked of the kernel, wherever he runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitcoord.host.open_files import is_open_for_writing

HOLD = """
import os, sys
os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
sys.stdin.read()
"""
CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@contextmanager
def holder(path: Path, *prefix: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold a file open for writing."""
    command = [*prefix, sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process


def test_a_file_is_open_for_as_long_as_its_process_lives(tmp_path: Path) -> None:
    lock = tmp_path / "tables.list.lock"
    assert is_open_for_writing(lock) is False
    lock.touch()
    assert is_open_for_writing(lock) is False
    with holder(lock) as process:
        assert is_open_for_writing(lock) is True
        process.kill()
    assert is_open_for_writing(lock) is False


def test_whoever_only_reads_a_file_does_not_hold_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with lock.open("rb"):
        assert is_open_for_writing(lock) is False


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root")
def test_a_process_in_another_container_is_seen(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with holder(lock, *CONTAINER) as process:
        assert is_open_for_writing(lock) is True
        process.communicate()
    assert is_open_for_writing(lock) is False


def test_a_link_or_a_pipe_in_its_place_neither_hangs_nor_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    os.mkfifo(pipe)
    with target.open("wb"):
        assert not is_open_for_writing(link)
    assert not is_open_for_writing(pipe)
