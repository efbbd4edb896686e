"""What a run made whole lands, and is told after what made it whole."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.ids import PhaseId
from gitcoord.features.maintain import verify
from gitcoord.features.run.order import Order
from gitcoord.features.work.choices import Scope
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.runs import TWO_PHASES, WRITE, run, spread
from tests.support.world import found, git, record


def _states(work: Workspace, *names: str) -> list[str]:
    return [record(work, name)["state"] for name in names]


def test_a_run_of_one_phase_leaves_the_others_alone_and_lands_it(repo: Path) -> None:
    work = found(repo, TWO_PHASES + spread("a one red", "b two blue", "c one blue"))
    within = Scope(phases=frozenset({PhaseId("one")}))
    done, notes = run(work, repo, WRITE, 1, Order(within=within))
    assert (done.is_landed, done.landed, done.counts) == (True, ("one",), {"landed": 2})
    assert _states(work, "b") == ["open"]
    whats = [note.what for note in notes]
    assert [note.text for note in notes if note.what == "landed"] == ["2 result(s) on main"]
    assert whats.index("landed") > max(at for at, what in enumerate(whats) if what == "completed")


def test_a_run_lands_a_stream_in_batches_and_the_last_one_although_it_is_not_full(
    repo: Path,
) -> None:
    names = [f"t{number}" for number in range(5)]
    phase = '[[phase]]\nname = "default"\nstream = true\nbatch = { max = 2, wait = "1s" }\n'
    work = found(repo, tasks(*names, head='[plan]\nlanding = "auto"\n' + phase))
    done, notes = run(work, repo, WRITE, 2, Order())
    assert (done.is_landed, done.counts) == (True, {"landed": 5})
    batches = [note for note in notes if note.what == "landed"]
    assert len(batches) >= 3
    listed = git("ls-tree", "-r", "--name-only", "main", cwd=repo).split()
    assert {f"{name}/file.txt" for name in names} <= set(listed)
    verify.verify(work)
