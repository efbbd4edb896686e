"""The command that starts work which no plan has, and a repository that has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.world import git, write


def test_init_alone_and_two_starts_are_enough(cli: Cli, repo: Path) -> None:
    assert "gitcoord start TITLE" in cli("init")
    assert "no gate" in cli.err
    started = cli.json("start", "Write the menu", "--agent", "ana", "--id", "menu")
    worktree = Path(started["worktree"])
    assert (started["task"]["phase"], started["checkout"]) == ("adhoc", "done")
    assert cli.json("start", "Add tea", "--paths", "tea.txt", cwd=worktree, status=14)[
        "reason"
    ] == ("capacity")
    write(worktree, "menu.txt")
    cli("complete", cwd=worktree)
    assert cli.json("status")["next"][0]["text"] == "stream adhoc has 1 task(s) to land"
    assert cli.json("phase", "land", "adhoc")["given_back"] == []
    assert cli.json("phase", "land", "adhoc", status=14)["reason"] == "nothing-to-do"
    assert "nothing is done" in cli("phase", "check", "adhoc", status=18)


def test_whoever_started_here_is_known_by_the_branch(cli: Cli, repo: Path) -> None:
    cli("init")
    name = cli.json("start", "Fix it", "--here")["task"]["id"]
    write(repo, "new.txt")
    assert cli.json("complete")["task"] == name
    cli("phase", "land", "adhoc")
    git("switch", "-q", "main", cwd=repo)
    assert (repo / "new.txt").exists()
    assert "which agent is asking?" in cli.json("progress", "x", status=2)["message"]


def test_complete_commits_what_work_without_paths_wrote(cli: Cli, repo: Path) -> None:
    cli("init")
    worktree = Path(cli.json("start", "Fix it", "--id", "fix")["worktree"])
    (worktree / "one.txt").write_text("1\n")
    assert cli.json("complete", "--commit", "Fix it", cwd=worktree)["result"]["files"] == 1
    assert cli.json("show", "fix")["task"]["widened"] == ["one.txt"]


def test_a_plan_that_is_applied_later_finishes_although_adhoc_stays_open(
    cli: Cli, repo: Path
) -> None:
    cli("init")
    (repo / "plan.toml").write_text('[[task]]\nid = "a"\ntitle = "A"\npaths = ["a/"]\n')
    cli("plan", "apply", str(repo / "plan.toml"))
    cli("agent", "add", "x", "--no-worktree")
    cli("cancel", "a")
    cli.json("claim", "--agent", "x", status=11)
    cli("start", "One thing", "--id", "thing")
    cli.json("claim", "--agent", "x", status=10)


@pytest.mark.parametrize("word", ["close", "open"])
def test_a_stream_is_closed_and_opened_once(cli: Cli, repo: Path, word: str) -> None:
    cli("init")
    cli("start", "One thing", "--id", "thing")
    if word == "open":
        cli("phase", "close", "adhoc")
    answer = cli.json("phase", word, "adhoc", "--reason", "so it is")
    assert (answer["phase"], answer["state"]) == ("adhoc", "open")
    assert cli.json("phase", word, "adhoc", status=14)["reason"] == "nothing-to-do"
    listed = cli.json("phase", "list")["phases"][0]
    assert listed["is_closed"] is (word == "close")


def test_what_was_started_before_is_gone_on_with(cli: Cli, repo: Path) -> None:
    cli("init")
    words = ("--agent", "ana", "--id", "menu")
    first = cli.json("start", "Write the menu", *words)
    worktree = Path(first["worktree"])
    again = cli.json("start", "Write the menu", *words)
    assert (again["already"], again["claim"]["token"]) == (True, first["claim"]["token"])
    again = cli.json("start", "Write the bill", *words, status=14)
    assert (again["reason"], again["hint"]) == ("exists", "`gitcoord claim menu` goes on with it")
    assert cli.json("claim", "menu", cwd=worktree)["already"]


def test_a_path_that_is_none_is_told_once(cli: Cli, repo: Path) -> None:
    cli("init")
    cli("start", "Write the menu", "--path", "../up", status=2)
    assert cli.err.count("'../up'") == 1
