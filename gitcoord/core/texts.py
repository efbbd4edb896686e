"""Shape texts: what people type and what programs print."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gitcoord.core import codec
from gitcoord.core.errors import UsageError
from gitcoord.core.model import MAX_LOG_BYTES, MAX_MESSAGE_BYTES

__all__ = ["MAX_LISTED", "clause", "counted", "fill", "first_line", "listed", "log_tail", "text_of"]

MAX_LINE_CHARS = 160
MAX_LISTED = 4
_OPTIONAL = r"\[([^\[\]]*)\]"
_PLACE = r"\{([a-z_/]+)(?::(\d+))?\}"
_Place = tuple[str, int | None, str]
"""The key of a place, how many characters of it are shown, and the text after it."""


def text_of(text: str, what: str) -> str:
    """Return a message as it may stand in the ledger.

    Raises:
        UsageError: It is empty or larger than 4 KiB.

    """
    clean = codec.printable(text, lines=True).strip()
    if not clean:
        raise UsageError(f"the {what} is empty", hint=f"give a {what} of a few words")
    size = len(clean.encode())
    if size > MAX_MESSAGE_BYTES:
        raise UsageError(
            f"the {what} has {size} bytes, and at most {MAX_MESSAGE_BYTES} fit",
            hint="say it shorter, and keep the rest in a file of the work",
        )
    return clean


def first_line(text: str) -> str:
    """Return the first line of a text, cut to what fits into a subject."""
    line = text.strip().split("\n", 1)[0]
    if len(line) <= MAX_LINE_CHARS:
        return line
    return line[: MAX_LINE_CHARS - 1] + "…"


def clause(form: str, value: object) -> str:
    """Return a form with a value in its place ``{}``, or nothing where there is no value."""
    if not value:
        return ""
    return form.format(value)


def counted(count: int, words: str) -> str:
    """Return how many there are: ``1 entry``, ``2 entries``.

    What has no plural stays as it is: ``1 failed``.
    """
    if count != 1:
        return f"{count} {words}"
    if words.endswith("ies"):
        return f"1 {words.removesuffix('ies')}y"
    return f"1 {words.removesuffix('s')}"


def fill(template: str, values: Mapping[str, Any], *, is_cut: bool = True) -> str:
    """Fill a template with what values say.

    ``{key}`` stands for the first line of what is said there, ``{key:12}``
    for its first twelve characters, ``{key/below}`` for a key of what is
    there, or of each of what is listed there. A part in brackets is left
    out where one of its keys says nothing. Without ``is_cut`` texts stand
    in full.
    """
    text = ""
    for is_optional, begin, places in _parts(template):
        said = [_said(values, path, is_cut=is_cut)[:most] for path, most, _ in places]
        if is_optional and not all(said):
            continue
        text += begin
        for one, (_, _, after) in zip(said, places, strict=True):
            text += one + after
    return text


@lru_cache(maxsize=256)
def _parts(template: str) -> list[tuple[bool, str, list[_Place]]]:
    """Split a template into its parts: whether one is optional, how it begins, and its places.

    A history is told by few templates: each is read once.
    """
    parts = []
    for number, part in enumerate(re.split(_OPTIONAL, template)):
        begin, *rest = re.split(_PLACE, part)
        places = []
        for path, most, after in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            places.append((path, int(most) if most else None, after))
        parts.append((number % 2 == 1, begin, places))
    return parts


def _said(values: Mapping[str, Any], path: str, *, is_cut: bool) -> str:
    """Return what values say at a key, or at a key of what is there."""
    key, _, below = path.partition("/")
    value: Any = values.get(key)
    if below and isinstance(value, list):
        value = [one[below] for one in value]
    elif below and value is not None:
        value = value.get(below)
    if value is None or value is False:
        return ""
    if value is True:
        return key
    if isinstance(value, list):
        names = [str(one) for one in value]
        shown = ", ".join(names[:MAX_LISTED])
        if is_cut:
            shown = first_line(shown)
        return listed(shown, len(names) - MAX_LISTED)
    if key.endswith("_ms"):
        return f"{value / 1000:g} s"
    if is_cut:
        return first_line(str(value))
    return str(value)


def listed(shown: str, more: int) -> str:
    """Return the names that are shown, and how many more there are."""
    if more <= 0:
        return shown
    return f"{shown} and {more} more"


def log_tail(log: bytes) -> bytes:
    """Cut a log to what the ledger keeps, and say so where it was cut."""
    text = codec.printable(log[-MAX_LOG_BYTES:].decode("utf-8", "replace"), lines=True)
    tail = text.encode()
    if len(log) <= MAX_LOG_BYTES and len(tail) <= MAX_LOG_BYTES:
        return tail
    first = f"[{len(log)} bytes in all; this is the end]\n".encode()
    return first + tail[-(MAX_LOG_BYTES - len(first)) :].decode("utf-8", "ignore").encode()
