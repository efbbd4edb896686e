"""The commands of agents: one or several come, are shown, and go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.features.setup import plans, trust
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a", "b"), "one", "two")
    yield work
    work.close()


@pytest.fixture
def cli(work: Workspace, repo: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(repo, capsys)


@pytest.mark.parametrize("assistant", ["claude", "codex"])
def test_several_agents_are_added_ready_to_start(cli: Cli, work: Workspace, assistant: str) -> None:
    said = cli.json("agent", "add", "x", "y", "--assistant", assistant)
    starts = [one["start"] for one in said["agents"]]
    words = f'{assistant} "Work on your gitcoord task"'
    assert starts == [f"cd {work.worktree_of(name)} && {words}" for name in "xy"]
    assert said["entry"] == said["agents"][-1]["entry"]
    cli("setup", assistant, "--check")
    told = cli("agent", "add", "v", "w", "--assistant", assistant).splitlines()
    assert [line.partition(" ")[0] for line in told] == ["agent", "agent", "next:", "next:"]


def test_one_place_cannot_be_that_of_two_agents(cli: Cli, work: Workspace) -> None:
    tip = work.ledger.tip()
    error = cli.json("agent", "add", "x", "y", "--worktree", "../elsewhere", status=2)
    assert error["message"] == "--worktree is the place of one agent"
    assert work.ledger.tip() == tip


def test_what_was_added_before_one_failed_is_told(cli: Cli, work: Workspace) -> None:
    # A link to nowhere looks free, until a worktree is to be made there.
    beside = work.place.common_dir.parent.with_name("repo.worktrees")
    shutil.rmtree(beside / "two")
    (beside / "two").symlink_to("missing/folder")
    cli("agent", "add", "x", "two", status=14)
    assert f"agent x added with worktree {beside / 'x'}" in cli.err
    assert work.ledger.snapshot().agent("x") is not None


def test_an_agent_is_listed_and_shown_with_what_it_holds(cli: Cli, work: Workspace) -> None:
    cli("claim", "a", "--agent", "one")
    first, second = cli.json("agent", "list")["agents"]
    assert (first["id"], first["claims"], second["claims"]) == ("one", ["a"], [])
    assert first["worktree"] == str(work.worktree_of("one"))
    assert "one    any    a" in cli("agent", "list")
    shown = cli.json("agent", "show", "one")
    assert [claim["task"] for claim in shown["agent"]["claims"]] == ["a"]
    assert "  holds     a until " in cli("agent", "show", "one")


def test_an_agent_that_holds_something_stays(cli: Cli, work: Workspace) -> None:
    cli("claim", "a", "--agent", "one")
    assert cli.json("agent", "remove", "one", status=14)["reason"] == "holds-claims"
    cli("release", "--agent", "one")
    assert cli("agent", "remove", "one") == "agent one removed\n"
    assert work.ledger.snapshot().agent("one") is None


def test_a_setup_that_failed_is_told_with_the_file_that_has_its_output(
    cli: Cli, work: Workspace
) -> None:
    plans.apply_plan(work, '[worktree]\nsetup = "echo no compiler; exit 3"\n' + tasks("a"), "p")
    trust.trust(work, work.ledger.snapshot())
    cli("agent", "add", "x")
    named = cli.err.partition("setup failed: ")[2].partition(" has its output")[0]
    assert Path(named).read_text() == "no compiler\n"
