"""An agent whose worktree is not prepared is offered nothing, until its setup has succeeded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import RefusedError
from gitcoord.features.maintain import doctor
from gitcoord.features.prepared import failed_setup
from gitcoord.features.setup import agents, preparing, trust
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import environment, found


@pytest.fixture
def ready(repo: Path) -> Path:
    return repo.parent / "ready"


def world(repo: Path, setup: str) -> Workspace:
    work = found(repo, tasks("a", head=f"[worktree]\nsetup = {setup!r}\n"))
    trust.trust(work, work.ledger.snapshot())
    return work


def test_nothing_is_offered_until_the_setup_succeeds(repo: Path, ready: Path) -> None:
    work = world(repo, f"echo looking; test -e {ready}")
    agents.add(work, "ada")
    with pytest.raises(RefusedError, match="the setup of ada's worktree failed") as caught:
        claims.claim(work, "ada")
    assert (caught.value.reason, caught.value.hint) == (
        "worktree",
        "`gitcoord agent setup ada` runs it again",
    )
    problems = [one for one in doctor.examine(work).problems if one.check == "worktrees"]
    assert ["ada" in one.text and "agent setup ada" in one.advice for one in problems] == [True]
    (one,) = preparing.prepare_again(work, [])
    assert (one.agent, one.setup) == ("ada", "failed")
    assert Path(one.log).read_text() == "looking\n"
    ready.touch()
    assert [one.setup for one in preparing.prepare_again(work, [])] == ["done"]
    assert preparing.prepare_again(work, []) == []
    assert claims.claim(work, "ada").task["id"] == "a"


def test_a_setup_that_was_killed_counts_as_failed(repo: Path, ready: Path) -> None:
    work = world(repo, f"test -e {ready} || kill -9 $PPID")
    script = (
        "import sys; from pathlib import Path; from gitcoord.features.setup import agents\n"
        "from gitcoord.features.workspace import open_workspace\n"
        "agents.add(open_workspace(Path(sys.argv[1])), 'ada')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(repo)], env=environment(), check=False)
    assert done.returncode == -9
    assert failed_setup(work, "ada")
    ready.touch()
    assert [one.setup for one in preparing.prepare_again(work, ["ada"])] == ["done"]
