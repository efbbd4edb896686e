"""Every command that answers in JSON has a shape, on the page and in the schema."""

from __future__ import annotations

import json

import click

from gitcoord.cli.root import cli
from gitcoord.features.inspect.answers import ANSWERS, SILENT, STREAMS
from tests.test_docs import ROOT, generate


def _commands(group: click.Group, context: click.Context, before: str = "") -> set[str]:
    found = set()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= _commands(command, context, f"{name} ")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            found.add(before + name)
    return found


def test_every_command_has_a_shape_or_a_reason_to_have_none() -> None:
    commands = _commands(cli, click.Context(cli))
    assert len(commands) > 50
    assert commands - ANSWERS.keys() - SILENT.keys() == set()
    assert (ANSWERS.keys() | SILENT.keys()) - commands == set()
    assert ANSWERS.keys() & SILENT.keys() == set()


def test_every_shape_is_said_on_the_page() -> None:
    page = generate.json_page()
    shapes = [shape for shapes in ANSWERS.values() for shape in shapes]
    parts = generate.parts_of([*shapes, *STREAMS.values()])
    names = [*ANSWERS, *STREAMS, *(part.__name__ for part in parts)]
    assert [name for name in names if f"\n## {name}\n" not in page] == []
    assert [s.__name__ for s in shapes if f"\n{generate.first_line(s)}\n" not in page] == []


def test_the_schema_that_is_shipped_is_fresh_and_refers_to_what_it_has() -> None:
    text = (ROOT / "schemas" / "answers.schema.json").read_text("utf-8")
    assert text == generate.answers_schema(), "run `make docs`"
    schema = json.loads(text)
    referred = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert referred == schema["$defs"].keys()
    ops = [answer["properties"].get("op", {}) for answer in schema["anyOf"]]
    said = {op.get("const") for op in ops}
    assert ANSWERS.keys() <= said
