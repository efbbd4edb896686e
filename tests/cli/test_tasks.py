"""What the orchestrator does to tasks, as commands."""

from __future__ import annotations

from pathlib import Path

from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.world import found


def test_what_was_done_is_told_in_one_line(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a", "b", b=["a"]), "x", worktrees=False).close()
    assert cli("assign", "a", "x") == "a is for x\n"
    assert cli("assign", "a", "-") == "a is for anyone\n"
    assert cli("cancel", "a", "--reason", "done by hand") == "a is cancelled\n"
    assert cli("retry", "a") == "a is open again\n"
    assert cli("reap") == "no claim and no lock is over\n"
    assert cli.json("retry", "a", status=14)["reason"] == "state"


def test_a_paused_task_waits_and_its_holder_is_told(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a", "b"), "x", "y", worktrees=False).close()
    cli("claim", "a", "--agent", "x")
    assert cli("pause", "a", "--reason", "the design changes").splitlines() == [
        "a is paused: `gitcoord unpause a` ends that",
        "x holds it, is told, and may complete it",
    ]
    cli("progress", "half", "--agent", "x")
    why = "task a is paused by orchestrator (the design changes)"
    assert cli.err == f"gitcoord: notice: your claim on task a stands, but {why}\n"
    cli("release", "--agent", "x")
    cli("claim", "b", "--agent", "y")
    waits = cli.json("claim", "--agent", "x", status=10)["waiting_for"]
    assert (why, "gitcoord unpause a") in [(one["text"], one["command"]) for one in waits]
    shown = cli.json("show", "a")["task"]
    assert shown["state"] == "waiting"
    assert [(one["kind"], one["command"]) for one in shown["waiting_for"]] == [
        ("paused", "gitcoord unpause a")
    ]
    assert cli.json("status")["counts"] == {"waiting": 1, "claimed": 1}
    assert cli.json("unpause", "a")["task"] == "a"
    assert cli.json("claim", "--agent", "x")["task"]["id"] == "a"


def test_an_agent_does_not_pause_from_its_worktree(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), "x").close()
    place = repo.with_name("repo.worktrees") / "x"
    for command in ("pause", "unpause"):
        assert cli.json(command, "a", cwd=place, status=14)["reason"] == "role"


def test_a_task_is_added_and_changed_from_the_command_line(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), "x", worktrees=False).close()
    options = ["--path", "docs/", "--needs", "a", "--check", "make docs", "--estimate", "30m"]
    assert cli("task", "add", "Document it", "--id", "d", *options).splitlines() == [
        "added d: Document it",
        "next: gitcoord claim d",
    ]
    assert "`gitcoord trust`" in cli.err
    assert cli("task", "edit", "d", "--title", "Document all of it") == "changed d\n"
    shown = cli.json("show", "d")["task"]
    assert (shown["title"], shown["needs"]) == ("Document all of it", ["a"])
    again = cli.json("task", "add", "T", "--id", "d", "--path", "d/", status=14)
    assert again["reason"] == "exists"
    assert cli.json("task", "add", "T", status=2)["code"] == "invalid-plan"
