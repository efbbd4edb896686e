"""How the gates of a phase ended last."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.inspect.gates import failed_gates
from gitcoord.features.land import landings
from gitcoord.features.setup import plans, trust
from gitcoord.features.workspace import Workspace
from tests.support.gates import gated, trusted
from tests.support.world import do, git


def failed(work: Workspace) -> list[tuple[str, str]]:
    snapshot = work.ledger.snapshot()
    phase = snapshot.phase("default")
    assert phase is not None
    return [(one["gate"], one["reason"]) for one in failed_gates(snapshot, phase)]


def test_a_gate_has_failed_until_it_passes_or_is_redefined(repo: Path, tmp_path: Path) -> None:
    run = f"echo here is why; test -e {tmp_path}/well"
    work = trusted(repo, gated("a", run=run), "x")
    assert failed(work) == []
    do(work, "x", "a")
    with pytest.raises(RefusedError):
        landings.land(work, "default")
    assert failed(work) == [("g", "it ended with status 1")]
    snapshot = work.ledger.snapshot()
    phase = snapshot.phase("default")
    assert phase is not None
    (one,) = failed_gates(snapshot, phase)
    assert "here is why" in git("show", f"gitcoord/ledger:{one['log']}", cwd=repo)
    plans.apply_plan(work, gated("a", run=f"{run} # again"), "plan.toml")
    assert failed(work) == [], "what is defined now has not been run"
    trust.trust(work, work.ledger.snapshot())
    (tmp_path / "well").touch()
    landings.land(work, "default")
    assert failed(work) == []
