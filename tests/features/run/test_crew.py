"""A run finds how many agents are worth it, and stops where all of them fail."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.pacing import paced
from gitcoord.features.run.order import Order
from tests.support.builders import tasks
from tests.support.runs import ONCE, WRITE, run, told
from tests.support.world import found


def test_a_run_finds_its_number_of_agents(repo: Path) -> None:
    work = found(repo, tasks(*"abcdefgh"))
    done, notes = run(work, repo, f"sleep 0.3; {WRITE}", 3, Order(pace=paced(1, 3)))
    assert done.is_landed
    agents = {note.agent for note in notes if note.what == "claimed"}
    # What others at work on this machine take makes the overhead, and with it the pace.
    assert {"run-1"} <= agents <= {"run-1", "run-2", "run-3"}
    assert told(notes, "pace")


def test_ten_failures_in_a_row_end_a_run_unless_it_is_to_go_on(repo: Path) -> None:
    names = [f"t{number}" for number in range(12)]
    work = found(repo, ONCE + tasks(*names))
    done, _ = run(work, repo, "exit 1", 1, Order())
    assert (done.stopped, done.counts) == ("failures", {"failed": 10, "ready": 2})
    done, _ = run(work, repo, "exit 1", 1, Order(keep_going=True))
    assert (done.stopped, done.counts) == ("", {"failed": 12})
