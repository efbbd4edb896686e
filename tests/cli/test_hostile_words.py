"""Whatever words a command is given, it answers with a status that the reference lists."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from gitcoord.cli.root import cli as commands
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.pages import ROOT

LONG = "x" * 5000
HOSTILE = (
    "",
    " ",
    "\n",
    "-",
    "-1",
    "/",
    "*",
    "../..",
    "a..b",
    "@{-1}",
    ":/x",
    "nan",
    "1e999",
    "9" * 30,
    "\x1b[2Jb",
    "\u202eb",
    "\udcff",
    "$(touch owned)",
    ".git/config",
    "refs/heads/main",
)
NUMBERS = ("nan", "1e999", "-1", "")
FITTING = {
    "answer": "yes",
    "assistant": "claude",
    "command": "/no/such/program",
    "message": "half",
    "name": "ada",
    "phase": "default",
    "plan_file": "plan.toml",
    "task": "a",
}
"""What stands beside the hostile word, where a command wants more than one."""
ELSEWHERE = {("completion",), ("demo",), ("events",), ("hook",), ("mcp",)}
"""Commands without a ledger of ours, that never end, or that speak their callers' dialects."""


class Leaf(NamedTuple):
    """A command, and one parameter that takes a word."""

    path: tuple[str, ...]
    command: click.Command
    hostile: click.Parameter


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    if path in ELSEWHERE:
        return
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _leaves(found, (*path, name))
    for param in command.params:
        if path and not (isinstance(param, click.Option) and param.is_flag):
            yield Leaf(path, command, param)


LEAVES = list(_leaves(commands))


def _words(leaf: Leaf, value: str) -> list[str]:
    options: list[str] = []
    arguments: list[str] = []
    for param in leaf.command.params:
        is_hostile = param is leaf.hostile
        word = value
        if not is_hostile:
            word = FITTING.get(param.name or "", "a")
        if isinstance(param, click.Argument):
            arguments.append(word)
        elif is_hostile or (param.required and isinstance(param, click.Option)):
            options.append(f"{param.opts[0]}={word}")
    return [*leaf.path, *options, "--agent", "ada", "--", *arguments]


def _values(number: int, leaf: Leaf) -> Iterator[str]:
    """Return some of the words for each parameter, so that all are tried often."""
    yield LONG
    yield HOSTILE[number % len(HOSTILE)]
    if not isinstance(leaf.hostile.type, click.types.StringParamType):
        yield from NUMBERS


def _refs(repo: Path) -> dict[str, bytes]:
    folder = repo / ".git" / "refs"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _documented() -> set[int]:
    rows = (ROOT / "docs" / "reference" / "errors.md").read_text().splitlines()
    first = [row.split("|")[1].strip() for row in rows if row.startswith("| ")]
    return {int(cell) for cell in first if cell.isdigit()} - {1}


@pytest.fixture
def held(cli: Cli, repo: Path) -> Cli:
    """Return a ledger whose agent holds a task."""
    (repo / "plan.toml").write_text(tasks("a", "b", b=["a"]))
    cli("init", str(repo / "plan.toml"))
    cli("agent", "add", "ada", "--no-worktree")
    cli("claim", "a", "--agent", "ada")
    return cli


def test_no_word_is_a_bug_and_a_refusal_changes_nothing(
    held: Cli, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes seconds, since it is every parameter of every command."""
    monkeypatch.chdir(repo)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    statuses = _documented()
    for number, leaf in enumerate(LEAVES):
        for value in _values(number, leaf):
            words = _words(leaf, value)
            before = _refs(repo)
            status = held.status_of(*words)
            told = (words, status, held.err[:500])
            assert status in statuses, told
            assert "\x1b" not in held.out + held.err, told
            if status:
                assert len(held.err) < 2 * len(LONG), told
                assert "  next: " in held.err or '"hint": "' in held.out, told
                assert _refs(repo) == before, told
    assert not (repo / "owned").exists()
    held("verify")


def test_an_endless_word_is_repeated_in_part(cli: Cli, plan: Path) -> None:
    cli("init", str(plan))
    cli("progress", f"--percent={LONG}", "half", status=2)
    assert len(cli.err) < len(LONG)
    assert "[cut]" in cli.err
    said = cli.json("progress", f"--percent={LONG}", "half", status=2)["message"]
    assert len(said) < len(LONG)


@pytest.mark.parametrize("option", ["-C", "--ledger", "--agent"])
@pytest.mark.parametrize("value", [LONG, "", "\n", "../..", "\udcff", "a\x1b[2J"])
def test_the_options_of_every_command_bear_any_word(
    cli: Cli, plan: Path, option: str, value: str
) -> None:
    cli("init", str(plan))
    status = cli.status_of("claim", option, value)
    assert status in {2, 15}
    assert "  next: " in cli.err
    assert "\x1b" not in cli.err
