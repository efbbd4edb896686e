"""A command is ended when it takes too long; one that hangs is told, or ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.sentences import reason_of
from gitcoord.features.run.order import Order
from gitcoord.features.run.watching import TimeLimit
from tests.support.builders import tasks
from tests.support.runs import ONCE, WRITE, run, told
from tests.support.world import found, record


def test_a_command_that_takes_too_long_is_ended_and_its_attempt_failed(repo: Path) -> None:
    work = found(repo, ONCE + tasks("a"))
    done, _ = run(work, repo, "echo begun; sleep 60", 1, Order(limit=TimeLimit(1000)))
    assert done.counts == {"failed": 1}
    why = reason_of(record(work, "a")["setbacks"][0])
    assert why == "the command took longer than 1s and was ended:\nbegun"


def test_the_estimate_bounds_a_command_and_a_time_those_without_one() -> None:
    limit = TimeLimit(60_000, 3.0)
    spec = {"estimate_ms": 1000}
    assert limit.of(spec) == 3000  # type: ignore[arg-type]
    assert limit.of({"estimate_ms": None}) == 60_000  # type: ignore[typeddict-item]


@pytest.mark.parametrize("ends_hung", [True, False])
def test_a_command_that_leaves_no_trace_is_told_or_ended(repo: Path, *, ends_hung: bool) -> None:
    head = '[plan]\nmax_attempts = 1\nhung = "1s"\n'
    work = found(repo, head + tasks("a"))
    script = f"echo begun; sleep 4; {WRITE}"
    done, notes = run(work, repo, script, 1, Order(ends_hung=ends_hung))
    if ends_hung:
        assert done.counts == {"failed": 1}
        why = reason_of(record(work, "a")["setbacks"][0])
        assert "printed, reported and committed nothing for 1s and was ended" in why
        assert "and was ended: begun (" in told(notes, "failed")[0]
    else:
        assert done.is_landed
        assert told(notes, "hung") == ["it printed, reported and committed nothing for 1s"]
