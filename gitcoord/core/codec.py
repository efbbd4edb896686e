"""Turn records into canonical bytes and back.

The same value always gives the same bytes (sorted keys, ASCII, two-space
indent, one final newline), so that equal states are equal trees. Reading
is strict and bounded: what a hostile writer may have left in a tree ends
in ``CorruptError``, never in a hang or another exception.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, NoReturn

from gitcoord.core.errors import CorruptError

__all__ = ["cut", "dump", "dump_line", "load", "printable"]

MAX_DEPTH = 24
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def dump(value: object) -> bytes:
    """Give the canonical bytes of a record."""
    return (_indented(value, "\n") + "\n").encode("ascii")


def _indented(value: object, line: str) -> str:
    """Write as ``json.dumps`` does with ``sort_keys`` and ``indent=2``.

    The standard library indents in pure Python generators, four times
    slower; a test holds both to the same bytes. ``line`` starts a line.
    """
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        if not value:
            return "{}"
        inner = line + "  "
        rows = [f"{_quoted(key)}: {_indented(value[key], inner)}" for key in sorted(value)]
        return "{" + inner + ("," + inner).join(rows) + line + "}"
    if isinstance(value, list | tuple):
        if not value:
            return "[]"
        inner = line + "  "
        return "[" + inner + ("," + inner).join([_indented(one, inner) for one in value]) + line + "]"
    return json.dumps(value, allow_nan=False)


def dump_line(value: object) -> str:
    """Give the canonical form of an event: one line, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def load(content: bytes | str, limit: int, what: str) -> Any:
    """Read JSON of at most ``limit`` bytes.

    Raises:
        CorruptError: Too large, too deep, not UTF-8, not JSON, a key twice,
            or a number that is no plain integer or float.

    """
    if len(content) > limit:
        raise CorruptError(f"{what} is larger than {limit} bytes")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        _refuse_depth(text, what)
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{what} is not valid JSON: {str(error)[:200]}") from None


def _refuse_depth(text: str, what: str) -> None:
    depth = 0
    for bracket in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text) if "[" in text or "{" in text else ():
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise CorruptError(f"{what} is nested deeper than {MAX_DEPTH}")
        elif bracket in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number here")


def printable(text: str, *, lines: bool = False) -> str:
    """Remove what could steer a terminal; keep line feeds if ``lines``.

    Control characters (C0, C1, DEL), bidirectional overrides, zero-width
    characters and lone surrogates become U+FFFD.
    """
    text = _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\t", " "))
    return text if lines else " ".join(text.split("\n"))


def cut(text: str, limit_bytes: int) -> str:
    """Shorten a text to a number of UTF-8 bytes, and say that it was cut."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit_bytes:
        return raw.decode("utf-8")
    mark = " [cut]"
    return raw[: limit_bytes - len(mark)].decode("utf-8", "ignore") + mark
