"""Write types as JSON Schema, and as rows of a page."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable
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

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def fields_of(shape: type) -> dict[str, tuple[Any, bool]]:
    """Return the type of each key, and whether it is always there."""
    hints = get_type_hints(shape, include_extras=True)
    found = {}
    for key, hint in hints.items():
        is_optional = get_origin(hint) is NotRequired
        found[key] = (get_args(hint)[0] if is_optional else hint, not is_optional)
    return found


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type; shapes are referred to by name."""
    hint = getattr(hint, "__supertype__", hint)
    origin, inner = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if is_typeddict(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in {Union, types.UnionType}:
        return {"anyOf": [schema_of(one) for one in inner]}
    return {}


def object_schema(shape: type) -> dict[str, Any]:
    """Return the JSON Schema of a shape itself."""
    fields = fields_of(shape)
    return {
        "type": "object",
        "description": first_line(shape),
        "properties": {key: schema_of(hint) for key, (hint, _) in fields.items()},
        "required": [key for key, (_, is_required) in fields.items() if is_required],
    }


def parts_of(shapes: Iterable[type]) -> list[type]:
    """Return the shapes that others are made of, by name."""
    parts: dict[str, type] = {}
    left = list(shapes)
    while left:
        for hint, _ in fields_of(left.pop()).values():
            fresh = [part for part in _shapes_in(hint) if part.__name__ not in parts]
            parts |= {part.__name__: part for part in fresh}
            left += fresh
    return [parts[name] for name in sorted(parts)]


def _shapes_in(hint: Any) -> list[type]:
    if is_typeddict(hint):
        return [hint]
    return [shape for inner in get_args(hint) for shape in _shapes_in(inner)]


def first_line(shape: type) -> str:
    """Return what a shape is."""
    return (inspect.getdoc(shape) or "").splitlines()[0]


def shown(hint: Any) -> str:
    """Write a type as a page shows it."""
    hint = getattr(hint, "__supertype__", hint)
    origin, inner = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if is_typeddict(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if origin is list:
        return f"list of {shown(inner[0])}"
    if origin is dict:
        return f"object of {shown(inner[1])}"
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin in {Union, types.UnionType}:
        return " or ".join(shown(one) for one in inner)
    return "anything"
