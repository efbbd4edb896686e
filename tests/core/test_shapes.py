"""Shapes are made in less time than typing makes them, and are the same."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from gitcoord.core.shapes import NamedTuple


class Point(NamedTuple):
    """A place in a plane."""

    x: int
    y: int = 0
    name: str = "here"

    @property
    def is_far(self) -> bool:
        """Whether it is more than ten away."""
        return abs(self.x) + abs(self.y) > 10

    def moved(self, *, by: int) -> Point:
        """Return the point a few steps to the right."""
        return self._replace(x=self.x + by)


class Typed(typing.NamedTuple):
    """A place in a plane."""

    x: int
    y: int = 0
    name: str = "here"


def test_a_named_tuple_has_what_typing_gives_it() -> None:
    assert Point._fields == Typed._fields
    assert Point._field_defaults == Typed._field_defaults
    assert Point.__doc__ == Typed.__doc__
    assert Point.__annotations__.keys() == Typed.__annotations__.keys()
    assert Point.__module__ == __name__
    assert Point.__qualname__ == "Point"
    assert repr(Point(1)) == repr(Typed(1)).replace("Typed", "Point")
    assert Point(1, name="there")._asdict() == Typed(1, name="there")._asdict()


def test_a_named_tuple_is_a_tuple_with_its_own_methods() -> None:
    x, y, name = Point(7, 5)
    assert (x, y, name) == Point(7, 5) == Point(y=5, x=7)
    assert Point(7, 5).is_far
    assert Point(7).moved(by=2) == (9, 0, "here")
    assert not hasattr(Point(7), "__dict__")


def test_a_named_tuple_is_matched_and_made_of_a_list() -> None:
    match Point._make([1, 2, "there"]):
        case Point(x, y, name):
            assert (x, y, name) == (1, 2, "there")
        case _:
            raise AssertionError


def test_a_named_tuple_is_copied_and_sent_as_what_it_is() -> None:
    point = Point(1, 2, "there")
    for other in (copy.deepcopy(point), pickle.loads(pickle.dumps(point))):
        assert isinstance(other, Point)
        assert other == point


def test_a_named_tuple_wants_its_fields_and_no_others() -> None:
    with pytest.raises(TypeError, match="'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="z"):
        Point(1, z=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="too many"):
        Point(1, x=2)  # type: ignore[misc]
    with pytest.raises(TypeError, match="too many"):
        Point(1, 2, "there", 4)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="z"):
        Point(1)._replace(z=2)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
