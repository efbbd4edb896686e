"""Commands are listed by whom they are for, and the nearest one is named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from gitcoord.cli import groups
from gitcoord.cli.main import COMMANDS, GROUPS, run
from gitcoord.cli.root import cli
from gitcoord.core import machine


def _walk(group: click.Group, context: click.Context) -> list[tuple[str, click.Command]]:
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append((f"{context.command_path} {name}", command))
        if isinstance(command, click.Group):
            found += _walk(command, click.Context(command, parent=context, info_name=name))
    return found


def test_help_lists_every_command_once_under_whom_it_is_for() -> None:
    shown = cli.get_help(click.Context(cli, info_name="gitcoord", **cli.context_settings))
    for title in ("Setting up", "For agents", "For orchestrators", "Auditing", "For machines"):
        assert f"\n{title}:\n" in shown
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name} ") for line in shown.splitlines()) == 1
    assert sum(len(rows) for rows in GROUPS.values()) == len(COMMANDS)


def test_options_that_take_a_name_say_of_what_kind() -> None:
    vague = []
    for path, command in _walk(
        cli, click.Context(cli, info_name="gitcoord", **cli.context_settings)
    ):
        for param in command.params:
            takes_text = isinstance(param, click.Option) and not param.is_flag
            if takes_text and param.type is click.STRING and param.metavar is None:
                vague.append(f"{path} {param.opts[0]}")
    assert vague == []


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["help"], "gitcoord --help"),
        (["list"], "gitcoord tasks"),
        (["ls"], "gitcoord tasks"),
        (["calim"], "gitcoord claim"),
        (["land"], "gitcoord phase land"),
        (["agent", "ls"], "gitcoord agent list"),
        (["agent", "help"], "gitcoord agent --help"),
        (["agent", "delete"], "gitcoord agent remove"),
        (["plan", "aply"], "gitcoord plan apply"),
    ],
)
def test_a_word_that_is_no_command_is_told_what_it_was_meant_for(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert f"Did you mean `{meant}`?" in capsys.readouterr().err


def test_the_op_of_an_answer_is_the_command_as_typed() -> None:
    commands = {
        path.removeprefix("gitcoord ")
        for path, _ in _walk(cli, click.Context(cli, info_name="gitcoord", **cli.context_settings))
    }
    answered = set()
    for module in Path(groups.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in {"answer", "_tell"}:
                answered |= {arg.value for arg in call.args[:1] if isinstance(arg, ast.Constant)}
    assert len(answered) > 40
    assert answered <= commands


FOREIGN = re.compile(r"^(Say|Name|Give(?! up))s?\b|\b(heal|mend|whoever|nobody's)", re.IGNORECASE)


def _sentences(text: str) -> list[str]:
    plain = " ".join(text.replace("\b", "").split())
    return re.split(r"(?<=[.;:]) ", plain)


def test_help_is_written_in_the_words_of_manuals() -> None:
    texts = {name: text for rows in GROUPS.values() for name, (_, text) in rows.items()}
    for path, command in _walk(
        cli, click.Context(cli, info_name="gitcoord", **cli.context_settings)
    ):
        texts[path] = command.help or ""
        for param in command.params:
            texts[f"{path} {param.opts[0]}"] = getattr(param, "help", None) or ""
    assert len(texts) > 100
    foreign = [
        f"{where}: {sentence}"
        for where, text in texts.items()
        for sentence in _sentences(text)
        if FOREIGN.search(sentence)
    ]
    assert foreign == []


GENERAL = {
    "ANSWER",
    "ARGUMENTS",
    "BYTES",
    "CMD",
    "COMMAND",
    "FILE",
    "MESSAGE",
    "MODEL",
    "N",
    "NAME",
    "PORT",
    "S",
    "SHELL",
    "SIZE",
    "TEXT",
    "TIME",
    "TITLE",
    "USD",
    "VALUE",
}
"""Metavars that are words of everybody's, and need no line in the glossary."""
SAID_OTHERWISE = {
    "EVENT": "event",
    "OP": "entry",
    "REV": "entry",
    "RANGE": "entry",
    "PATH": "boundary",
    "STATE": "ready",
    "WHAT": "agent",
}
"""The words under which the glossary has what a metavar means."""


def _glossary() -> set[str]:
    page = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    return {word.strip() for row in rows for word in row.split(",")}


def test_the_glossary_has_every_noun_that_a_command_takes_or_is() -> None:
    nouns = set()
    for _, command in _walk(cli, click.Context(cli, info_name="gitcoord", **cli.context_settings)):
        if isinstance(command, click.Group):
            nouns.add(str(command.name).removesuffix("s").upper())
        for param in command.params:
            shown = param.metavar or ""
            if isinstance(param, click.Argument):
                shown = shown or str(param.name).upper()
            nouns |= set(re.findall(r"[A-Z]+", shown))
    nouns |= {"BRIEF", "CHECKPOINT", "BATCH", "LOCK", "NOTE", "REVIEW"}
    known = {noun: SAID_OTHERWISE.get(noun, noun.lower()) for noun in nouns - GENERAL}
    assert len(known) > 15
    assert {noun for noun, word in known.items() if word not in _glossary()} == set()


def test_what_a_command_changes_has_its_topic_in_the_rules_and_in_the_features() -> None:
    package = Path(groups.__file__).parents[1]
    without = {
        topic
        for topic in machine.TOPICS
        if not list(package.glob(f"features/*/{topic}.py"))
        or not (package / "core" / "operations" / f"{topic}.py").is_file()
    }
    assert without == set()
