"""Tell what is a record from what is only JSON.

Whoever can write the ledger can put any JSON in a record's place. What is
read is checked once against the declared shape, so that every rule may
trust it afterwards; what does not fit is damage of the ledger.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gitcoord.core import model
from gitcoord.core.layout import PLAN

__all__ = ["problem_of", "shape_at"]

_SHAPES = {
    "settings": model.Settings,
    PLAN: model.PlanRecord,
    "tasks": model.TaskRecord,
    "live": model.TaskRecord,
    "agents": model.AgentRecord,
    "phases": model.PhaseRecord,
    "locks": model.LockRecord,
    "escalations": model.Escalation,
    "notes": model.NoteRecord,
    "checkpoints": model.CheckpointRecord,
    "gates": model.GateRun,
    "checks": model.GateRun,
}
"""The shape of the records in each folder.

``plan.json`` lies at the top; ``settings.json``, whose shape depends on the
format that it names, is asked for as ``settings``.
"""

Fits = Callable[[Any], bool]
_Field = tuple[str, bool, frozenset[Any], Fits]
_PLAIN = frozenset({str, int, bool, float, types.NoneType})
_NO_TYPE: frozenset[Any] = frozenset()


def shape_at(path: str) -> type | None:
    """Return the shape of the records at a path, None where any JSON may be."""
    return _SHAPES.get(path.partition("/")[0])


def problem_of(path: str, record: object) -> str:
    """Return what is wrong with the record at a path, or nothing.

    Keys that are not declared are passed over: a newer gitcoord may have
    written them.
    """
    shape = shape_at(path)
    if shape is None:
        return ""
    if not isinstance(record, dict):
        return "it is not an object"
    for key, is_required, plain, fits in _fields(shape):
        if key not in record:
            if is_required:
                return f"it has no {key}"
        elif type(record[key]) not in plain and not fits(record[key]):
            return f"its {key} is not what it has to be"
    return ""


@lru_cache(maxsize=64)
def _fields(shape: type) -> tuple[_Field, ...]:
    """Return the keys of a shape, whether each is required, and its test.

    Before its test stand the types whose values all fit: those of most need no other.
    """
    fields = []
    for owner in reversed(shape.__mro__):
        for key, annotation in vars(owner).get("__annotations__", {}).items():
            hint = _evaluated(owner.__module__, annotation)
            is_optional = typing.get_origin(hint) is typing.NotRequired
            if is_optional:
                (hint,) = typing.get_args(hint)
            fields.append((key, not is_optional, _plain_of(hint), _test_of(hint)))
    return tuple(fields)


@lru_cache(maxsize=256)
def _evaluated(module: str, annotation: str) -> Any:
    """Return the type that an annotation of ours names.

    ``typing.get_type_hints`` does the same in five times as long, which
    every command would wait for.
    """
    known = {"NotRequired": typing.NotRequired}
    return eval(annotation, vars(sys.modules[module]), known)  # noqa: S307 - our own source


@lru_cache(maxsize=256)
def _test_of(hint: Any) -> Fits:
    """Return what tells whether a value is of a type; a kind of text is a text."""
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is object:
        return lambda _value: True
    if hint is None or hint is types.NoneType:
        return lambda value: value is None
    if origin is typing.Literal:
        return lambda value: type(value) is str and value in arguments
    if origin in {typing.Union, types.UnionType}:
        return _fits_one([_test_of(one) for one in arguments])
    if origin is list:
        inner = _test_of(arguments[0])
        return lambda value: type(value) is list and all(map(inner, value))
    if origin is dict:
        inner = _test_of(arguments[1])
        return lambda value: type(value) is dict and all(map(inner, value.values()))
    if hint in {str, int, bool, float}:
        return lambda value: type(value) is hint
    return _fits_shape(hint)


def _plain_of(hint: Any) -> frozenset[Any]:
    """Return the plain types all of whose values are of a type."""
    hint = getattr(hint, "__supertype__", hint)
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return _NO_TYPE.union(*map(_plain_of, typing.get_args(hint)))
    if hint is None:
        hint = types.NoneType
    return _PLAIN & {hint}


def _fits_one(tests: list[Fits]) -> Fits:
    if len(tests) == 2:
        # Most are something or nothing, and every record has many of them.
        first, second = tests
        return lambda value: first(value) or second(value)
    return lambda value: any(test(value) for test in tests)


def _fits_shape(shape: type) -> Fits:
    def fits(value: object) -> bool:
        if type(value) is not dict:
            return False
        for key, is_required, plain, is_right in _fields(shape):
            if key not in value:
                if is_required:
                    return False
            elif type(value[key]) not in plain and not is_right(value[key]):
                return False
        return True

    return fits
