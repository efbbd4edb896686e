"""Hold what commands answer against the shapes that are documented."""

from __future__ import annotations

import types
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from gitcoord.features.inspect.answers import ANSWERS, STREAMS

COMMON = {"schema", "ok", "op", "notices"}


def answer_mistakes(answer: dict[str, Any]) -> list[str]:
    """Return where an answer is of none of its command's shapes, for the nearest one."""
    op = answer["op"]
    facts = {key: value for key, value in answer.items() if key not in COMMON}
    return min((mistakes(shape, facts, op) for shape in ANSWERS[op]), key=len)


def line_mistakes(stream: str, line: dict[str, Any]) -> list[str]:
    """Return where a line of a stream is not of its shape."""
    facts = {key: value for key, value in line.items() if key not in {"schema", "ok"}}
    return mistakes(STREAMS[stream], facts, stream)


def mistakes(hint: Any, value: Any, at: str) -> list[str]:
    """Return where a value is not of its type, or has keys that its shape lacks."""
    hint = getattr(hint, "__supertype__", hint)
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
    hints = get_type_hints(shape, include_extras=True)
    found = [
        f"{at}: has {key}, which {shape.__name__} lacks" for key in value.keys() - hints.keys()
    ]
    for key, hint in hints.items():
        is_optional = get_origin(hint) is NotRequired
        if key in value:
            wanted = get_args(hint)[0] if is_optional else hint
            found += mistakes(wanted, value[key], f"{at}.{key}")
        elif not is_optional:
            found.append(f"{at}: lacks {key}")
    return found
