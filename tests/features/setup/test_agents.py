"""Agents and their worktrees come and go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitcoord.core.errors import (
    RefusedError,
)
from gitcoord.features.inspect import facts
from gitcoord.features.setup import agents, trust
from gitcoord.features.workspace import open_workspace
from tests.support.builders import tasks
from tests.support.world import environment, found, git


def test_thirteen_agents_added_at_the_same_time_all_succeed(repo: Path) -> None:
    found(repo, tasks("a")).close()
    script = (
        "import sys; from pathlib import Path; from gitcoord.features.setup import agents\n"
        "from gitcoord.features.workspace import open_workspace\n"
        "agents.add(open_workspace(Path(sys.argv[1])), sys.argv[2])"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(repo), f"x{number}"], env=environment())
        for number in range(13)
    ]
    assert [process.wait() for process in running] == [0] * 13
    assert len(git("worktree", "list", cwd=repo).splitlines()) == 14
    assert len(facts.status(open_workspace(repo))["agents"]) == 13


def test_removing_an_agent_never_loses_work(repo: Path) -> None:
    work = found(repo, tasks("a"), "x")
    place = work.worktree_of("x")
    assert place is not None
    (place / "new.txt").write_text("precious\n")
    with pytest.raises(RefusedError) as caught:
        agents.remove(work, "x")
    assert caught.value.reason == "uncommitted"
    git("add", "-A", cwd=place)
    git("commit", "-q", "-m", "on no branch", cwd=place)
    with pytest.raises(RefusedError) as caught:
        agents.remove(work, "x")
    assert caught.value.reason == "unmerged"
    git("branch", "kept", "HEAD", cwd=place)
    agents.remove(work, "x")
    assert not place.exists()
    assert work.ledger.snapshot().agent("x") is None


def test_files_are_copied_and_setup_runs_only_when_trusted(repo: Path) -> None:
    (repo / ".env").write_text("SECRET=1\n")
    plan = '[worktree]\ncopy = [".env"]\nsetup = "echo made > setup.txt"\n' + tasks("a")
    work = found(repo, plan)
    one = agents.add(work, "x")
    assert one.setup == "untrusted"
    assert (Path(one.worktree or "") / ".env").read_text() == "SECRET=1\n"
    assert not (Path(one.worktree or "") / "setup.txt").exists()
    trust.trust(work, work.ledger.snapshot())
    two = agents.add(work, "y")
    assert two.setup == "done"
    assert (Path(two.worktree or "") / "setup.txt").exists()
