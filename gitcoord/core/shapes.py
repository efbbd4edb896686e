"""Shapes of records: named tuples and typed dicts that are made quickly.

``typing`` has these names too, and does more for them at run time: it compiles
the type of each field, for those who ask for the types later. Nobody here does.
To make thirty classes of ``typing.TypedDict`` takes two milliseconds of each
command's start; a ``typing.NamedTuple`` of five fields takes two and a half
times as long as the ``collections.namedtuple`` that it is made of.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

__all__ = ["NamedTuple", "TypedDict", "is_shape"]

if TYPE_CHECKING:
    from typing import NamedTuple, TypedDict
else:

    class TypedDict:
        """A class whose calls give a plain dict, and that has no instances."""

        def __new__(cls, *args: Any, **values: Any) -> dict[str, Any]:
            """Make a dict."""
            return dict(*args, **values)

    class _MadeByFields(type):
        """Make a class by ``collections.namedtuple`` out of its fields' annotations."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body["__annotations__"])
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults)  # noqa: PYI024 - it is typed above
            for key in body.keys() - set(fields):
                setattr(made, key, body[key])
            return made

    class NamedTuple(metaclass=_MadeByFields):
        """A class of named tuples: its annotations are its fields, in their order."""


def is_shape(value: object) -> bool:
    """Return whether a value is the shape of a record."""
    return isinstance(value, type) and any(
        base.__name__ == "TypedDict" for base in value.__mro__[1:]
    )
