"""Edit a settings file in JSON as text, so that all that is not ours stays.

Comments, order and spacing of the rest are kept. What was added first in a
container and is taken away again leaves the very bytes that were there
before. Pure: text goes in, text comes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from gitcoord.core.shapes import NamedTuple

__all__ = [
    "Removal",
    "SettingsError",
    "add",
    "has",
    "has_member",
    "parse_settings",
    "put",
    "remove",
    "take",
    "value_of",
]

MAX_DEPTH = 60
Path = tuple[str, ...]
"""The keys that lead from the outermost object to a container."""

_TRIVIA = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")


class SettingsError(Exception):
    """Raised when a file is not settings that can be edited, with its line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Node(NamedTuple):
    """A value, where it stands, and what it holds."""

    kind: str
    start: int
    end: int
    children: tuple[Child, ...] = ()
    value: Any = None


class Child(NamedTuple):
    """An entry of a container; ``start`` is where its key begins, if it has one."""

    key: str
    start: int
    node: Node


class Removal(NamedTuple):
    """A text without what is ours, and whether anything of ours was there."""

    text: str
    is_changed: bool


# reading


def parse_settings(text: str) -> Node:
    """Read JSON with comments into a tree of places.

    Raises:
        SettingsError: It is not an object in JSON, or names a key twice.

    """
    reader = _Reader(text)
    start = _TRIVIA.match(text, 1 if text.startswith("\ufeff") else 0)
    assert start is not None
    node = reader.value(start.end(), 0)
    if node.kind != "object":
        raise reader.error("the file does not hold a JSON object", node.start)
    end = reader.skip(node.end)
    if end != len(text):
        raise reader.error("there is more after the end of the JSON object", end)
    return node


class _Reader:
    """Read one text, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text

    def error(self, message: str, at: int) -> SettingsError:
        return SettingsError(message, self._text.count("\n", 0, at) + 1)

    def skip(self, at: int) -> int:
        found = _TRIVIA.match(self._text, at)
        assert found is not None
        return found.end()

    def value(self, at: int, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error("the settings are nested too deeply", at)
        first = self._text[at : at + 1]
        if first == "{":
            return self._container("object", at, "}", depth)
        if first == "[":
            return self._container("array", at, "]", depth)
        if first == '"':
            return self._string(at)
        found = _SCALAR.match(self._text, at)
        if found is None:
            raise self.error("this is not valid JSON", at)
        try:
            return Node("scalar", at, found.end(), value=json.loads(found[0]))
        except ValueError:
            raise self.error("this is not valid JSON", at) from None

    def _string(self, at: int) -> Node:
        found = _STRING.match(self._text, at)
        try:
            if found is not None:
                return Node("scalar", at, found.end(), value=json.loads(found[0]))
        except ValueError:
            pass
        raise self.error("a string is not valid JSON", at)

    def _container(self, kind: str, at: int, closing: str, depth: int) -> Node:
        children: list[Child] = []
        here = self.skip(at + 1)
        while self._text[here : here + 1] != closing:
            if children:
                here = self._past(",", here)
            child = self._child(kind, here, depth)
            if kind == "object" and any(child.key == other.key for other in children):
                raise self.error(f"duplicate key {child.key!r}", child.start)
            children.append(child)
            here = self.skip(child.node.end)
        return Node(kind, at, here + 1, tuple(children))

    def _child(self, kind: str, at: int, depth: int) -> Child:
        if kind == "array":
            return Child("", at, self.value(at, depth + 1))
        key = self._string(at) if self._text[at : at + 1] == '"' else None
        if key is None:
            raise self.error("a key in quotes is missing", at)
        value_at = self._past(":", self.skip(key.end))
        return Child(str(key.value), at, self.value(value_at, depth + 1))

    def _past(self, sign: str, at: int) -> int:
        if self._text[at : at + 1] != sign:
            raise self.error(f"{sign!r} is missing", at)
        return self.skip(at + 1)


def value_of(node: Node) -> Any:
    """Return a tree's value, as ``json.loads`` would."""
    if node.kind == "object":
        return {child.key: value_of(child.node) for child in node.children}
    if node.kind == "array":
        return [value_of(child.node) for child in node.children]
    return node.value


def _find(node: Node, path: Sequence[str]) -> Node | None:
    for key in path:
        if node.kind != "object":
            return None
        found = next((child.node for child in node.children if child.key == key), None)
        if found is None:
            return None
        node = found
    return node


def has(text: str, path: Path, item: Any) -> bool:
    """Return whether the array at a path holds exactly this item."""
    found = _find(parse_settings(text), path)
    if found is None or found.kind != "array":
        return False
    return any(value_of(child.node) == item for child in found.children)


def has_member(text: str, path: Path, value: Any) -> bool:
    """Return whether the member at a path is there with exactly this value."""
    found = _find(parse_settings(text), path)
    return found is not None and value_of(found) == value


# adding


def add(text: str, path: Path, item: Any) -> tuple[str, list[Path]]:
    """Put an item first into the array at a path; name the containers made.

    What is missing on the way is made. An item that is there already stays
    where it is.

    Raises:
        SettingsError: Something else than an object, or an array at the end,
            stands on the way.

    """
    if has(text, path, item):
        return text, []
    found = _find(parse_settings(text), path)
    if found is None:
        text, made = put(text, path, [item])
        return text, [*made, path]
    _require_kind(text, found, path, "array")
    return _inserted(text, found, len(path), (), item), []


def put(text: str, path: Path, value: Any) -> tuple[str, list[Path]]:
    """Put a member first into the object that a path leads to; name the containers made.

    What is missing on the way is made. The same member stays where it is.

    Raises:
        SettingsError: Something else than an object stands on the way, or
            another value under that key.

    """
    if has_member(text, path, value):
        return text, []
    root = parse_settings(text)
    for depth in range(len(path), -1, -1):
        here = _find(root, path[:depth])
        if here is None:
            continue
        if depth == len(path):
            line = text.count("\n", 0, here.start) + 1
            raise SettingsError(f"{'.'.join(path)} is there already", line)
        _require_kind(text, here, path[:depth], "object")
        made = [path[:end] for end in range(depth + 1, len(path))]
        return _inserted(text, here, depth, path[depth:], value), made
    raise SettingsError("the file does not hold a JSON object", 1)


def _require_kind(text: str, node: Node, path: Path, kind: str) -> None:
    if node.kind != kind:
        line = text.count("\n", 0, node.start) + 1
        name = ".".join(path) or "the file"
        raise SettingsError(f"{name} is not an {kind}", line)


def _inserted(text: str, here: Node, depth: int, missing: Path, value: Any) -> str:
    """Write a value, or the member that will hold it, first into a container."""
    newline = "\n"
    if "\r\n" in text:
        newline = "\r\n"
    unit = _indent_of(text)
    for key in reversed(missing[1:]):
        value = {key: value}
    shown = json.dumps(value, indent=unit, ensure_ascii=False)
    if missing:
        shown = f"{json.dumps(missing[0])}: {shown}"
    inner = newline + unit * (depth + 1)
    shown = shown.replace("\n", inner)
    at = here.start + 1
    if here.children:
        space = _SPACE.match(text, at)
        lead = ""
        if space is not None:
            lead = space[0]
        return text[:at] + lead + shown + "," + text[at:]
    return text[:at] + inner + shown + newline + unit * depth + text[at:]


def _indent_of(text: str) -> str:
    """Return what one level is indented by, as the file's first line shows it."""
    found = re.match(r"\ufeff?\s*\{[ \t]*\r?\n([ \t]+)\"", text)
    if found is None:
        return "  "
    return found[1]


# taking away


def remove(
    text: str, path: Path, is_ours: Callable[[Any], bool], made: Sequence[Path] | None = None
) -> Removal:
    """Take every item that is ours out of the array at a path.

    A container that is empty afterwards goes too, if it is one of ``made``;
    with None, whichever it is.

    Raises:
        SettingsError: The text cannot be read.

    """
    is_changed = False
    while True:
        found = _find(parse_settings(text), path)
        if found is None or found.kind != "array":
            return Removal(text, is_changed)
        places = [at for at, child in enumerate(found.children) if is_ours(value_of(child.node))]
        if not places:
            break
        text = _without(text, found, places[-1], len(path))
        is_changed = True
    if is_changed:
        text = _without_empty(text, path, made)
    return Removal(text, is_changed)


def take(
    text: str, path: Path, is_ours: Callable[[Any], bool], made: Sequence[Path] | None = None
) -> Removal:
    """Take the member at a path out, if it is ours; a container goes as with ``remove``.

    Raises:
        SettingsError: The text cannot be read.

    """
    root = parse_settings(text)
    found, outer = _find(root, path), _find(root, path[:-1])
    if found is None or outer is None or not is_ours(value_of(found)):
        return Removal(text, is_changed=False)
    place = next(at for at, child in enumerate(outer.children) if child.key == path[-1])
    text = _without(text, outer, place, len(path) - 1)
    return Removal(_without_empty(text, path[:-1], made), is_changed=True)


def _without_empty(text: str, path: Path, made: Sequence[Path] | None) -> str:
    """Take away the containers on the way that hold nothing any more."""
    for depth in range(len(path), 0, -1):
        here = path[:depth]
        root = parse_settings(text)
        node, outer = _find(root, here), _find(root, here[:-1])
        if (
            node is None
            or outer is None
            or node.children
            or (made is not None and here not in made)
        ):
            return text
        place = next(at for at, child in enumerate(outer.children) if child.key == here[-1])
        text = _without(text, outer, place, depth - 1)
    return text


def _without(text: str, container: Node, place: int, depth: int) -> str:
    """Cut one child out, with the comma that belongs to it."""
    child = container.children[place]
    if place > 0:
        comma = text.rindex(",", container.children[place - 1].node.end, child.start)
        return text[:comma] + text[child.node.end :]
    start = container.start + 1
    if len(container.children) > 1:
        comma = text.index(",", child.node.end)
        return text[:start] + text[comma + 1 :]
    rest = text[child.node.end :]
    # The space before our child is one level deeper than the one after it.
    lead = text[start : child.start]
    indent = lead.lstrip("\r\n")
    closing = lead[: len(lead) - len(indent)] + indent[: len(indent) * depth // (depth + 1)]
    return text[:start] + rest.removeprefix(closing)
