"""A seat is one process's for as long as it lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gitcoord.host.seats import take_seat

HOLD = """
import sys
from pathlib import Path
from gitcoord.host.seats import take_seat
print(take_seat(Path(sys.argv[1])).number, flush=True)
sys.stdin.read()
"""


def test_two_of_one_process_have_different_seats_and_a_left_one_is_free(tmp_path: Path) -> None:
    first, second = take_seat(tmp_path), take_seat(tmp_path)
    assert (first.number, second.number) == (1, 2)
    first.leave()
    assert take_seat(tmp_path).number == 1


def test_the_seat_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        other = take_seat(tmp_path)
        assert other.number == 2
        holder.kill()
        holder.wait()
    assert take_seat(tmp_path).number == 1
