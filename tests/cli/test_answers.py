"""What commands answer in JSON is what the shapes say, key by key."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, is_typeddict

import click
import pytest

from gitcoord.cli.main import cli as root
from gitcoord.features.inspect.answers import ANSWERS
from gitcoord.features.inspect.shapes import SHAPES
from tests.support.cli import Cli
from tests.support.world import write
from tests.test_docs import ROOT, generate

COMMON = {"schema", "ok", "op", "notices"}
PLAN = """
[[pool]]
name = "default"
[[phase]]
name = "one"
gates = [{ name = "tests", run = "true" }]
[[phase]]
name = "two"
after = ["one"]
[[task]]
id = "a"
title = "A"
phase = "one"
paths = ["a/"]
check = "true"
[[task]]
id = "b"
title = "B"
phase = "two"
paths = ["b/"]
needs = ["a"]
[[task]]
id = "c"
title = "C"
phase = "two"
paths = ["c/"]
"""


def mistakes(hint: Any, value: Any, at: str) -> list[str]:
    """Return where a value is not of its type, or has keys that its shape lacks."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return []
    if is_typeddict(hint):
        return _object_mistakes(hint, value, at)
    if origin is list and isinstance(value, list):
        return [one for item in value for one in mistakes(inner[0], item, f"{at}[]")]
    if origin is dict and isinstance(value, dict):
        return [
            one for key, item in value.items() for one in mistakes(inner[1], item, f"{at}.{key}")
        ]
    if origin is Literal:
        return [] if value in inner else [f"{at}: {value!r}"]
    if origin in {Union, types.UnionType}:
        tried = [mistakes(one, value, at) for one in inner]
        return min(tried, key=len)
    is_number = hint is float and type(value) is int
    plain = type(None) if hint is None else hint
    return [] if is_number or type(value) is plain else [f"{at}: {value!r} is not {hint}"]


def _object_mistakes(shape: Any, value: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is not an object"]
    fields = generate.fields_of(shape)
    found = [
        f"{at}: has {key}, which {shape.__name__} lacks" for key in value.keys() - fields.keys()
    ]
    for key, (hint, is_required) in fields.items():
        if key in value:
            found += mistakes(hint, value[key], f"{at}.{key}")
        elif is_required:
            found.append(f"{at}: lacks {key}")
    return found


class Checked(Cli):
    """Run commands, and hold each answer against its shape."""

    seen: set[str]

    def answer(self, *words: str) -> Any:
        answer = json.loads(self(*words, "--json"))
        op = answer["op"]
        facts = {key: value for key, value in answer.items() if key not in COMMON}
        if op in ANSWERS:
            assert mistakes(ANSWERS[op], facts, op) == []
            self.seen.add(op)
        return answer


def _agents_work(cli: Checked, place: Path) -> None:
    """Do what an agent does, from its claim to the landing of its phase."""
    cli.answer("claim", "a", "--agent", "ada")
    cli.answer("progress", "half", "--percent", "50", "--agent", "ada")
    cli.answer("beat", "--agent", "ada")
    cli.answer("lock", "docs/", "--agent", "ada", "--for", "10m")
    cli.answer("locks")
    cli.answer("unlock", "docs/", "--agent", "ada")
    asked = cli.answer("escalate", "may I?", "--task", "a", "--agent", "ada")["escalation"]
    cli.answer("note", "tabs are evil", "--task", "a")
    cli.answer("inbox")
    cli.answer("status")
    cli.answer("resolve", asked, "yes")
    write(place, "a/x")
    cli.answer("complete", "--agent", "ada")
    cli.answer("phase", "check", "one")
    cli.answer("phase", "land", "one")


def test_answers_are_as_their_shapes_say(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Checked(repo, capsys)
    cli.seen = set()
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    for words in (
        ["init", str(plan), "--trust"],
        ["plan", "check", str(plan)],
        ["plan", "apply", str(plan)],
        ["plan", "show"],
        ["trust", "--yes"],
        ["agent", "add", "ada"],
        ["agent", "add", "bob", "--no-worktree"],
        ["agent", "list"],
        ["agent", "show", "ada"],
    ):
        cli.answer(*words)
    _agents_work(cli, repo.with_name("repo.worktrees") / "ada")
    for words in (
        ["claim", "b", "--agent", "ada"],
        ["fail", "--reason", "no", "--kind", "permanent", "--agent", "ada"],
        ["status"],
        ["retry", "b"],
        ["assign", "b", "bob"],
        ["claim", "c", "--agent", "ada"],
        ["release", "--agent", "ada"],
        ["cancel", "c"],
        ["reap"],
        ["show", "a"],
        ["show", "b"],
        ["tasks"],
        ["impact", "b"],
        ["log"],
        ["verify"],
        ["phase", "list"],
        ["commands"],
        ["agent", "remove", "bob"],
    ):
        cli.answer(*words)
    assert ANSWERS.keys() - cli.seen <= {"run", "doctor"}


def test_every_shape_belongs_to_a_command_and_is_said_on_the_page() -> None:
    commands = set()
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        commands.add(name)
        if isinstance(command, click.Group):
            commands |= {f"{name} {inner}" for inner in command.list_commands(context)}
    assert ANSWERS.keys() <= commands
    page = generate.json_page()
    assert all(f"\n## {name}\n" in page for name in [*ANSWERS, *(one.__name__ for one in SHAPES)])


def test_the_schema_that_is_shipped_is_fresh_and_refers_to_what_it_has() -> None:
    text = (ROOT / "schemas" / "answers.schema.json").read_text("utf-8")
    assert text == generate.answers_schema(), "run `make docs`"
    schema = json.loads(text)
    referred = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert referred <= schema["$defs"].keys()
