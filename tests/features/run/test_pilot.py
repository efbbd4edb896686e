"""A few tasks are tried first, and the rest follows only if that went well."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.run.order import Order
from tests.support.builders import tasks
from tests.support.runs import ONCE, TWO_PHASES, WRITE, run, spread, told
from tests.support.world import found


def test_a_pilot_that_goes_well_is_followed_by_the_rest(repo: Path) -> None:
    rows = ("a one red", "b one red", "c two blue", "d two blue")
    work = found(repo, TWO_PHASES + spread(*rows))
    done, notes = run(work, repo, f"sleep 0.5; {WRITE}", 1, Order(pilot=2))
    assert done.is_landed
    order = [note.task for note in notes if note.what == "claimed"]
    assert set(order[:2]) == {"a", "c"}
    assert "it met what can be judged" in told(notes, "pilot")[0]


def test_a_pilot_that_fails_stops_the_rest_and_tells_the_figures(repo: Path) -> None:
    work = found(repo, ONCE + tasks("a", "b", "c"))
    script = f'[ "$GITCOORD_ATTEMPT" = 9 ] && {WRITE}'
    done, notes = run(work, repo, script, 1, Order(pilot=1))
    assert done.stopped == "pilot"
    # On a busy machine so short a try may have waited for too long, too.
    assert "failure_rate" in done.missed
    assert done.counts == {"failed": 1, "ready": 2}
    assert [one["task"] for one in done.failed] == ["a"]
    assert "failure rate 1.00 (under 0.1)" in told(notes, "pilot")[0]
    done, _ = run(work, repo, f"sleep 0.5; {WRITE}", 1, Order(pilot=1, after_pilot="stop"))
    assert (done.stopped, done.missed) == ("pilot", ())
