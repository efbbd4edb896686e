"""What a command of a run may use is bounded where that is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.features.run.resources import NO_BOUNDS, Resources, size_of


def test_a_command_without_bounds_is_started_as_it_is() -> None:
    assert NO_BOUNDS.around(["a", "b c"]) == ["a", "b c"]


def test_a_command_within_bounds_gets_its_words_and_its_limits() -> None:
    bounded = Resources(memory_bytes=512 << 20, cpu_s=60).around(
        ["sh", "-c", 'ulimit -v; ulimit -t; echo "$1"', "sh", "a b"]
    )
    told = subprocess.run(bounded, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [str(512 << 10), "60", "a b"]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not bound the address space")
def test_what_needs_more_memory_than_it_may_have_fails() -> None:
    words = [sys.executable, "-c", "bytearray(2 << 30)"]
    assert subprocess.run(words, check=False).returncode == 0
    bounded = Resources(memory_bytes=1 << 30).around(words)
    assert subprocess.run(bounded, check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_sizes_have_a_unit() -> None:
    assert size_of("2G") == 2 << 30
    assert size_of("512 MiB") == 512 << 20
    for wrong in ("2", "G", "-1G", "2 gigabytes"):
        with pytest.raises(UsageError, match="is not a size"):
            size_of(wrong)
