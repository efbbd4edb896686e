"""Read arguments that nobody could read in two ways, without click.

What is read here is what click reads, which a test holds over random
arguments. Whatever is unusual, wrong, or needs more than is written here is
not read at all: click reads it, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gitcoord.cli.declared import Declared, Parameter

__all__ = ["plain_values"]

MAX_DIGITS = 9
_UNDERSTOOD = frozenset(
    {
        "default",
        "help",
        "is_flag",
        "metavar",
        "multiple",
        "nargs",
        "required",
        "show_default",
        "type",
    }
)
"""The settings of a parameter that are understood here."""


class _UncertainError(Exception):
    """Click is to read this."""


def plain_values(declared: Declared, words: Sequence[str]) -> dict[str, Any] | None:
    """Return what the words give to a command's function; None if click is to read them."""
    if declared.settings:
        return None
    try:
        return _read(declared.parameters, iter(words))
    except _UncertainError:
        return None


def _read(parameters: Sequence[Parameter], words: Iterator[str]) -> dict[str, Any]:
    options, arguments = _by_word(parameters)
    found: dict[str, Any] = {}
    places: list[str] = []
    for word in words:
        if not word.startswith("-"):
            places.append(word)
            continue
        name, equals, value = word.partition("=")
        parameter = options.get(name)
        # Of "-n5" and "-n=5" click makes something else.
        if parameter is None or (equals and not name.startswith("--")):
            raise _UncertainError
        if parameter.settings.get("is_flag"):
            if equals:
                raise _UncertainError
            found[parameter.name] = True
            continue
        if not equals:
            value = next(words, "")
        _keep(found, parameter, value)
    _place(found, arguments, places)
    for parameter in parameters:
        if parameter.name not in found:
            found[parameter.name] = _absent(parameter)
    return found


def _by_word(parameters: Sequence[Parameter]) -> tuple[dict[str, Parameter], list[Parameter]]:
    """Return the options by the words that begin them, and the arguments."""
    options: dict[str, Parameter] = {}
    arguments = []
    for parameter in parameters:
        if not parameter.settings.keys() <= _UNDERSTOOD:
            raise _UncertainError
        if parameter.is_option:
            options |= dict.fromkeys(parameter.words, parameter)
        else:
            arguments.append(parameter)
    return options, arguments


def _keep(found: dict[str, Any], parameter: Parameter, word: str) -> None:
    """Keep the value of an option, which may be given once, or as often as it says."""
    value = _value(parameter, word)
    if parameter.settings.get("multiple"):
        found[parameter.name] = (*found.get(parameter.name, ()), value)
    elif parameter.name not in found:
        found[parameter.name] = value
    else:
        raise _UncertainError


def _place(found: dict[str, Any], arguments: Sequence[Parameter], words: Sequence[str]) -> None:
    """Put the words of each argument into ``found``; only the last one may take several."""
    for number, parameter in enumerate(arguments):
        rest = words[number:]
        if parameter.settings.get("nargs") == -1:
            if rest and parameter is arguments[-1]:
                found[parameter.name] = tuple(_value(parameter, word) for word in rest)
                return
        elif rest:
            found[parameter.name] = _value(parameter, rest[0])
    if len(words) > len(arguments):
        raise _UncertainError


def _absent(parameter: Parameter) -> Any:
    """Return the value of a parameter that no word gave."""
    settings = parameter.settings
    if settings.get("required", not parameter.is_option and "nargs" not in settings):
        raise _UncertainError
    if settings.get("is_flag"):
        return False
    if settings.get("multiple") or settings.get("nargs") == -1:
        return ()
    return settings.get("default")


def _value(parameter: Parameter, word: str) -> Any:
    """Return what a word means to a parameter; an empty one, or one like an option, is click's."""
    kind = parameter.settings.get("type")
    if word == "" or word.startswith("-"):
        raise _UncertainError
    if kind is None:
        return word
    is_number = word.isascii() and word.isdigit() and len(word) <= MAX_DIGITS
    if kind in {int, float} and is_number:
        return kind(word)
    raise _UncertainError
