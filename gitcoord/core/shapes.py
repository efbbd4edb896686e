"""Name the shapes of records for type checkers, at no cost when running.

Making thirty classes of ``typing.TypedDict`` takes two milliseconds of each
command's start, and nobody asks for anything but their annotations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["TypedDict", "is_shape"]

if TYPE_CHECKING:
    from typing import TypedDict
else:

    class TypedDict:
        """A class whose calls give a plain dict, and that has no instances."""

        def __new__(cls, *args: Any, **values: Any) -> dict[str, Any]:
            """Make a dict."""
            return dict(*args, **values)


def is_shape(value: object) -> bool:
    """Return whether a value is the shape of a record."""
    return isinstance(value, type) and any(
        base.__name__ == "TypedDict" for base in value.__mro__[1:]
    )
