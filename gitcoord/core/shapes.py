"""Shapes of records: named tuples and typed dicts that are made quickly.

``typing`` has these names too, and does more for them at run time: it compiles
the type of each field, for those who ask for the types later. Nobody here does.
To make thirty classes of ``typing.TypedDict`` takes two milliseconds of each
command's start; a ``typing.NamedTuple`` of five fields takes two and a half
times as long as the ``collections.namedtuple`` that it is made of, and half of
that one's time goes into compiling what makes tuples of the class. Here one
function makes them for all classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["NamedTuple", "TypedDict", "is_shape"]

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple, TypedDict
else:

    class TypedDict:
        """A class whose calls give a plain dict, and that has no instances."""

        def __new__(cls, *args: Any, **values: Any) -> dict[str, Any]:
            """Make a dict."""
            return dict(*args, **values)

    from collections import _tuplegetter as getter

    class _Named(tuple):
        """What all named tuples can do, as those of ``collections``."""

        __slots__ = ()

        def __new__(cls, /, *values: Any, **named: Any) -> Any:
            """Make a tuple of values in order, by their names, and of what is left out."""
            if named or len(values) != len(cls._fields):
                values = _in_order(cls, values, named)
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values: Iterable[Any]) -> Any:
            return cls(*values)

        def _replace(self, /, **named: Any) -> Any:
            return type(self)(**(self._asdict() | named))

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self))  # noqa: B905 - as many as there are

        def __repr__(self) -> str:
            shown = [f"{field}={value!r}" for field, value in self._asdict().items()]
            return f"{type(self).__name__}({', '.join(shown)})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

    def _in_order(cls: type[_Named], values: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        """Return the values of all fields, those that are left out by default.

        Raises:
            TypeError: One is missing, is not a field, or is given twice.

        """
        fields = cls._fields
        first = dict(zip(fields, values))  # noqa: B905 - fewer than there are fields
        every = {**cls._field_defaults, **first, **named}
        missing = [field for field in fields if field not in every]
        if missing:
            raise TypeError(f"{cls.__name__} lacks {missing}")
        if len(every) > len(fields):
            raise TypeError(f"{cls.__name__} has no {sorted(every.keys() - set(fields))}")
        if len(values) > len(fields) or not first.keys().isdisjoint(named):
            raise TypeError(f"{cls.__name__} has too many values: {values}, {named}")
        return [every[field] for field in fields]

    class _MadeByFields(type):
        """Make a class of named tuples out of its fields' annotations."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body["__annotations__"])
            defaults = {field: body[field] for field in fields if field in body}
            places = {field: getter(number, None) for number, field in enumerate(fields)}
            known = {"_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            return type(name, (_Named,), {"__slots__": (), **body, **places, **known})

    class NamedTuple(metaclass=_MadeByFields):
        """A class of named tuples: its annotations are its fields, in their order."""


def is_shape(value: object) -> bool:
    """Return whether a value is the shape of a record."""
    return isinstance(value, type) and any(
        base.__name__ == "TypedDict" for base in value.__mro__[1:]
    )
