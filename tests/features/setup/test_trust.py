"""Trust is given by people, whatever way an agent takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitcoord.cli.main import run
from gitcoord.features.setup import trust
from gitcoord.features.workspace import Workspace, agent_at
from tests.support.builders import tasks
from tests.support.world import found

PLAN = tasks("a") + 'check = "true"\n'


@pytest.fixture
def work(repo: Path, tmp_path: Path) -> Workspace:
    (tmp_path / "evil.toml").write_text(tasks("b") + 'check = "touch pwned"\n')
    return found(repo, PLAN, "x")


def place_of(work: Workspace) -> Path:
    place = work.worktree_of("x")
    assert place is not None
    return place


WAYS = [
    ["trust", "--yes"],
    ["-C", "REPO", "trust", "--yes"],
    ["--as-orchestrator", "trust", "--yes"],
    ["--as-orchestrator", "plan", "apply", "EVIL", "--trust"],
    ["--as-orchestrator", "-C", "REPO", "plan", "apply", "EVIL", "--trust"],
    ["--as-orchestrator", "--ledger", "other", "init", "EVIL", "--trust"],
    ["--as-orchestrator", "-C", "REPO", "--ledger", "other", "init", "EVIL", "--trust"],
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_an_agent_trusts_nothing_from_its_worktree(
    work: Workspace, tmp_path: Path, way: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = work.ledger.tip()
    monkeypatch.chdir(place_of(work))
    named = {"REPO": str(tmp_path / "repo"), "EVIL": str(tmp_path / "evil.toml")}
    assert run([named.get(word, word) for word in way]) == 14
    assert list((tmp_path / "home").rglob("trust.json")) == []
    assert work.ledger.tip() == tip
    assert work.store.list_refs("refs/heads/gitcoord/").keys() == {"refs/heads/gitcoord/ledger"}


@pytest.mark.parametrize("name", ["GITCOORD_AGENT", "GITCOORD_CLAIM", "GITCOORD_COMMIT"])
def test_what_gitcoord_started_for_an_agent_trusts_nothing(
    work: Workspace, repo: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    monkeypatch.setenv(name, "x")
    assert run(["trust", "--yes"]) == 14
    assert list((tmp_path / "home").rglob("trust.json")) == []
    monkeypatch.delenv(name)
    assert run(["trust", "--yes"]) == 0
    assert trust.untrusted(work, trust.commands_of(work.ledger.snapshot())) == []


def test_a_repository_inside_of_a_worktree_does_not_hide_whose_it_is(work: Workspace) -> None:
    inner = place_of(work) / "a" / "inner"
    subprocess.run(["git", "init", "-q", str(inner)], check=True)
    assert agent_at(inner) == "x"
    assert agent_at(place_of(work)) == "x"
    assert agent_at(work.place.common_dir) is None


def test_an_orchestrators_command_from_a_worktree_is_refused_whatever_c_says(
    work: Workspace, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place_of(work))
    assert run(["-C", str(repo), "cancel", "a"]) == 14
    assert run(["-C", str(repo), "--as-orchestrator", "cancel", "a"]) == 0
    assert work.ledger.snapshot().require_task("a")["state"] == "cancelled"
