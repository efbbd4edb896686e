"""Every command of every page is run, page by page."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import click
import pytest

from gitcoord.cli.main import split_options
from gitcoord.cli.root import cli
from gitcoord.core.plan import parse
from tests.support.pages import ELSEWHERE, ROOT, is_as_shown, named_commands, run_page, steps_of

GENERATED = {"commands.md", "errors.md", "records.md", "states.md"}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name not in GENERATED),
]
SERVED = {"three-machines.md": "tests/e2e/test_three_machines.py"}
"""Pages that need a server, with what runs them."""
RUN = [
    path
    for path in PAGES
    if path.name not in SERVED and any(step.kind != "toml" for step in steps_of(path))
]
PLANS = [(path, step) for path in PAGES for step in steps_of(path) if step.kind == "toml"]
NAMED = sorted({(path, command) for path in PAGES for command in named_commands(path)})
GLOBAL = {"--json", "--agent", "--ledger", "--as-orchestrator", "--offline", "-C"}
GLOBAL |= {"--help", "-h", "--version"}


def _name(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


@pytest.mark.parametrize("path", RUN, ids=_name)
def test_a_page_does_what_it_says(path: Path, tmp_path: Path) -> None:
    assert run_page(path, tmp_path) == []


@pytest.mark.parametrize(
    ("path", "step"), PLANS, ids=lambda value: _name(getattr(value, "line", value))
)
def test_a_plan_on_a_page_is_valid(path: Path, step: object) -> None:
    text = str(getattr(step, "command", ""))
    tables = tomllib.loads(text)
    if "task" in tables or "tasks" in tables:
        parse(text, name=path.name)


@pytest.mark.parametrize(("path", "command"), NAMED, ids=_name)
def test_a_command_that_a_page_names_exists_with_its_options(path: Path, command: str) -> None:
    words, _ = split_options(shlex.split(command.replace("...", "'...'"), comments=True)[1:])
    found: click.Command | None = cli
    context = click.Context(cli)
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        found = found.get_command(context, words.pop(0))
    assert found is not None, command
    known = {
        option for param in found.params for option in (*param.opts, *param.secondary_opts)
    } | GLOBAL
    end = words.index("--") if "--" in words else len(words)
    for word in words[:end]:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known, command


def test_what_is_run_elsewhere_is_there() -> None:
    assert [name for name in ELSEWHERE.values() if not (ROOT / name).exists()] == []


def test_a_page_that_prints_something_else_is_found() -> None:
    assert is_as_shown(
        "entry 7c1e09a55d21, lease 15m\n...\nend\n",
        "entry 0a1b2c3d4e5f, lease 9s\nmore\nmore\nend\n",
    )
    assert is_as_shown("claimed ...: x\n", "claimed anything at all: x\n")
    assert not is_as_shown("a\n", "a\nb\n")
    assert not is_as_shown("25 is done\n", "26 is done\n")
