"""What a run made whole lands, and is told after what made it whole."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.ids import PhaseId
from gitcoord.features.run.order import Order
from gitcoord.features.work.choices import Scope
from gitcoord.features.workspace import Workspace
from tests.support.runs import TWO_PHASES, WRITE, run, spread
from tests.support.world import found, record


def _states(work: Workspace, *names: str) -> list[str]:
    return [record(work, name)["state"] for name in names]


def test_a_run_of_one_phase_leaves_the_others_alone_and_lands_it(repo: Path) -> None:
    work = found(repo, TWO_PHASES + spread("a one red", "b two blue", "c one blue"))
    within = Scope(phases=frozenset({PhaseId("one")}))
    done, notes = run(work, repo, WRITE, 1, Order(within=within))
    assert (done.is_landed, done.landed, done.counts) == (True, ("one",), {"landed": 2})
    assert _states(work, "b") == ["open"]
    whats = [note.what for note in notes]
    assert whats.index("landed") > max(at for at, what in enumerate(whats) if what == "completed")
