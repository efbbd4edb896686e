"""Declare commands in click's words, without loading click.

To import click and to build its commands takes longer than what most commands
do. So a command that is over in a moment is declared here, in the words that
click's decorators take: `plain_reading` reads simple arguments by that
declaration, and `Declared.made` hands the same words to click for all others,
for help and for completion. There is one declaration, and click has the last word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gitcoord.core.shapes import NamedTuple

if TYPE_CHECKING:
    import click

__all__ = ["ClickType", "Declared", "Parameter", "argument", "command", "option"]


class ClickType:
    """One of click's types by its name, such as ``ClickType("IntRange", 1, 100)``."""

    def __init__(self, name: str, *values: Any) -> None:
        self._name, self._values = name, values

    def made(self) -> click.ParamType[Any]:
        """Return click's type."""
        import click

        kind: click.ParamType[Any] = getattr(click, self._name)(*self._values)
        return kind


class Parameter(NamedTuple):
    """An argument or an option, in the words that click's decorator takes."""

    is_option: bool
    words: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """The name under which the command's function takes it."""
        for word in self.words:
            if word.isidentifier():
                return word
        longest = max(self.words, key=lambda word: len(word) - len(word.lstrip("-")))
        return longest.lstrip("-").replace("-", "_")

    def decorate(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Hand it to click's decorator."""
        import click

        settings = dict(self.settings)
        if isinstance(settings.get("type"), ClickType):
            settings["type"] = settings["type"].made()
        if self.is_option:
            return click.option(*self.words, **settings)(function)
        return click.argument(*self.words, **settings)(function)


def argument(word: str, **settings: Any) -> Parameter:
    """Declare an argument; the settings are those of ``click.argument``."""
    return Parameter(is_option=False, words=(word,), settings=settings)


def option(*words: str, **settings: Any) -> Parameter:
    """Declare an option; the settings are those of ``click.option``."""
    return Parameter(is_option=True, words=words, settings=settings)


class Declared:
    """A command: its function, which takes the ``App`` first, and what it takes beside it."""

    def __init__(
        self, function: Callable[..., Any], parameters: tuple[Parameter, ...], **settings: Any
    ) -> None:
        self.function = function
        self.parameters = parameters
        self.settings = settings

    def made(self) -> click.Command:
        """Return click's command."""
        import click

        from gitcoord.cli.app import pass_app

        function: Callable[..., Any] = pass_app(self.function)
        for parameter in reversed(self.parameters):
            function = parameter.decorate(function)
        made: click.Command = click.command(**self.settings)(function)
        return made


def command(*parameters: Parameter, **settings: Any) -> Callable[[Callable[..., Any]], Declared]:
    """Declare a command; the settings are those of ``click.command``."""

    def declare(function: Callable[..., Any]) -> Declared:
        return Declared(function, parameters, **settings)

    return declare
