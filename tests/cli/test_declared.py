"""A command is declared once, in click's words; click makes its command of them."""

from __future__ import annotations

import click
import pytest

from gitcoord.cli.app import App
from gitcoord.cli.declared import ClickType, Declared, argument, command, option


@command(
    argument("names", nargs=-1),
    option("-n", "limit", type=ClickType("IntRange", 1, 5), default=2, help="How many."),
    option("--kind", type=ClickType("Choice", ["a", "b"])),
    option("--dry-run", is_flag=True),
    context_settings={"allow_interspersed_args": False},
)
def example(
    app: App, names: tuple[str, ...], limit: int, kind: str | None, dry_run: bool
) -> tuple[object, ...]:
    """Do something.

    Example: gitcoord example
    """
    return app.start.name, names, limit, kind, dry_run


def run(*words: str) -> object:
    app = App(start="here", ledger=None, agent=None, as_json=False, as_orchestrator=False)
    return example.made().main([*words], standalone_mode=False, obj=app)


def test_click_reads_by_the_declaration_and_hands_on_the_app() -> None:
    assert run("-n", "3", "--kind", "b", "--dry-run", "x", "y") == (
        "here",
        ("x", "y"),
        3,
        "b",
        True,
    )
    assert run() == ("here", (), 2, None, False)


def test_types_and_settings_are_clicks() -> None:
    with pytest.raises(click.BadParameter, match="1<=x<=5"):
        run("-n", "9")
    with pytest.raises(click.BadParameter, match="'a', 'b'"):
        run("--kind", "c")
    assert run("x", "--dry-run") == ("here", ("x", "--dry-run"), 2, None, False)


def test_help_is_made_of_the_declaration() -> None:
    made = example.made()
    shown = made.get_help(click.Context(made))
    assert "Do something." in shown
    assert "How many." in shown


def test_a_parameter_has_the_name_that_click_gives_it() -> None:
    assert isinstance(example, Declared)
    names = [one.name for one in example.parameters]
    assert names == [param.name for param in example.made().params if param.name != "help"]
    assert option("--path", "--paths").name == "path"
    assert option("-w", "--write-local").name == "write_local"
