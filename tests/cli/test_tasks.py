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


def test_an_agent_proposes_a_task_and_the_answer_that_grants_it_adds_it(
    cli: Cli, repo: Path
) -> None:
    found(repo, tasks("a"), "x").close()
    place = repo.with_name("repo.worktrees") / "x"
    propose = ["task", "propose", "Document it", "--path", "docs/", "--check", "make docs"]
    asked = cli.json(*propose, cwd=place)
    name = asked["task"]
    assert name.startswith("document-it-")
    listed = cli("inbox")
    assert f"shall task {name} be added, Document it?" in listed
    assert "gitcoord resolve ID ANSWER --grant adds the proposed task" in listed
    assert cli.json("show", name, status=2)["code"] == "not-found"
    before = cli.json("status")["tip"]
    granted = cli("resolve", asked["escalation"], "yes, do", "--grant").splitlines()
    assert granted[1:] == [f"added {name}: Document it"]
    assert "`gitcoord trust`" in cli.err
    # The answer and the task are one entry.
    assert cli.json("log", "-n", "2")["entries"][1]["entry"] == before
    assert cli.json("show", name)["task"]["paths"] == ["docs/"]
    cli("claim", "a", cwd=place)
    assert "granted: yes, do" in cli.err
    assert [one["id"] for one in cli.json("task", "list")["tasks"]] == ["a", name]


def test_an_agent_adds_no_task_to_the_plan_and_a_refused_proposal_adds_none(
    cli: Cli, repo: Path
) -> None:
    found(repo, tasks("a"), "x").close()
    place = repo.with_name("repo.worktrees") / "x"
    more = ["Document it", "--id", "d", "--path", "docs/"]
    assert cli.json("task", "add", *more, cwd=place, status=14)["reason"] == "role"
    asked = cli.json("task", "propose", *more, cwd=place)["escalation"]
    cli("resolve", asked, "not now")
    assert [one["id"] for one in cli.json("tasks")["tasks"]] == ["a"]
    assert cli.json("resolve", asked, "yes", "--grant", status=14)["reason"] == "resolved"
    assert "which agent is asking?" in cli.json("task", "propose", *more, status=2)["message"]
