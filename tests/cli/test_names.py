"""What does not exist is not found, with the nearest names; what is meant is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.builders import tasks
from tests.support.cli import Cli

PLAN = '[plan]\nname = "p"\n[[pool]]\nname = "builders"\n[[phase]]\nname = "build"\n' + tasks(
    "lexer", "parser", "25"
).replace("needs", 'phase = "build"\npool = "builders"\nneeds')


@pytest.fixture
def cli(repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    found = Cli(repo, capsys)
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    found("init", str(path))
    found("agent", "add", "ada", "--no-worktree")
    return found


TASKS: list[tuple[str, ...]] = [
    ("claim", "{}", "--agent", "ada"),
    ("show", "{}"),
    ("show", "{}", "--log"),
    ("impact", "{}"),
    ("log", "{}"),
    ("retry", "{}"),
    ("cancel", "{}"),
    ("assign", "{}", "ada"),
    ("review", "claim", "{}", "--agent", "ada"),
    ("note", "text", "--task", "{}"),
    ("note", "--task", "{}"),
    ("escalate", "text", "--task", "{}", "--agent", "ada"),
    ("complete", "{}", "--agent", "ada"),
    ("fail", "{}", "--reason", "x", "--agent", "ada"),
    ("release", "{}", "--agent", "ada"),
    ("progress", "text", "--task", "{}", "--agent", "ada"),
    ("beat", "--task", "{}", "--agent", "ada"),
]
PHASES: list[tuple[str, ...]] = [
    ("tasks", "--phase", "{}"),
    ("phase", "check", "{}"),
    ("phase", "land", "{}"),
]
PHASES += [("phase", "land", "{}", "--dry-run"), ("rollback", "--phase", "{}", "--dry-run")]
POOLS: list[tuple[str, ...]] = [
    ("tasks", "--pool", "{}"),
    ("claim", "--pool", "{}", "--agent", "ada"),
]
POOLS += [("agent", "add", "bob", "--no-worktree", "--pool", "{}")]
AGENTS: list[tuple[str, ...]] = [
    ("tasks", "--agent", "{}"),
    ("log", "--agent", "{}"),
    ("claim", "--agent", "{}"),
    ("agent", "show", "{}"),
    ("agent", "remove", "{}"),
    ("assign", "lexer", "{}"),
    ("complete", "--agent", "{}"),
    ("unlock", "a/", "--of", "{}"),
]
CASES = [
    *((words, "lexar", "lexer") for words in TASKS),
    *((words, "buidl", "build") for words in PHASES),
    *((words, "buidlers", "builders") for words in POOLS),
    *((words, "adda", "ada") for words in AGENTS),
]


@pytest.mark.parametrize(("words", "wrong", "right"), CASES, ids=lambda value: str(value)[:40])
def test_what_does_not_exist_is_not_found_with_the_nearest_name(
    cli: Cli, words: tuple[str, ...], wrong: str, right: str
) -> None:
    error = cli.json(*(word.format(wrong) for word in words), status=2)
    assert error["code"] == "not-found", error
    assert right in error["hint"], error


def test_a_name_that_is_like_no_other_gets_the_command_that_lists_them(cli: Cli) -> None:
    assert "gitcoord tasks" in cli.json("show", "zzzzzz", status=2)["hint"]
    assert "phase list" in cli.json("phase", "check", "zzzzzz", status=2)["hint"]
    assert "agent list" in cli.json("agent", "remove", "zzzzzz", status=2)["hint"]


def test_an_unmistakable_beginning_is_enough_and_a_number_is_never_cut(cli: Cli) -> None:
    assert cli.json("show", "lex")["task"]["id"] == "lexer"
    assert cli("phase", "check", "bui", status=18).startswith("phase build: ")
    assert cli.json("claim", "pars", "--agent", "ada")["task"]["id"] == "parser"
    assert cli.json("cancel", "lex")["task"] == "lexer"
    assert cli.json("cancel", "2", status=2)["code"] == "not-found"


def test_prefixes_are_enough_in_commands_that_change(cli: Cli) -> None:
    cli("agent", "add", "bobby", "--no-worktree", "--pool", "buil")
    assert cli.json("assign", "lex", "bob")["assigned"] == "bobby"
    assert cli.json("claim", "lex", "--agent", "bobby")["task"]["id"] == "lexer"
    assert cli.json("lock", "docs/", "--task", "lex", "--agent", "bobby")["lock"]["task"] == "lexer"
    assert cli.json("locks", "--agent", "bob")["locks"][0]["agent"] == "bobby"
    assert cli.json("unlock", "docs/", "--of", "bob")["agent"] == "bobby"
    asked = cli.json("escalate", "hm?", "--task", "lex", "--agent", "bobby")["escalation"]
    assert cli.json("resolve", asked[:6], "yes")["escalation"] == asked
    left = cli.json("note", "tabs", "--task", "lex")["note"]
    assert cli.json("note", "--drop", left[:6])["note"] == left
    assert [task["id"] for task in cli.json("tasks", "--agent", "bob")["tasks"]] == ["lexer"]
    assert cli.json("log", "--agent", "bob")["entries"]
    released = cli.json("release", "lex", "--agent", "bobby")
    assert cli.json("agent", "remove", "bob")["agent"] == "bobby"
    assert cli.json("rollback", "--to", released["entry"][:9])["onto"] == released["entry"]


def test_who_acts_is_named_in_full(cli: Cli) -> None:
    assert cli.json("claim", "lexer", "--agent", "ad", status=2)["code"] == "not-found"


def test_an_ambiguous_prefix_changes_nothing_and_lists_what_it_can_be(cli: Cli) -> None:
    cli("agent", "add", "adam", "--no-worktree")
    error = cli.json("agent", "remove", "ad", status=2)
    assert (error["code"], error["candidates"]) == ("usage", ["ada", "adam"])
    assert len(cli.json("agent", "list")["agents"]) == 2


def test_what_was_once_there_can_still_be_asked_for(cli: Cli) -> None:
    cli("agent", "add", "bob", "--no-worktree")
    cli("claim", "25", "--agent", "bob")
    cli("release", "--agent", "bob")
    cli("agent", "remove", "bob")
    assert cli.json("log", "--agent", "bob")["entries"]
    assert cli.json("tasks", "--agent", "ada")["tasks"] == []
