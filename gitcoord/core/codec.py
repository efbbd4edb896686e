"""Turn records into canonical bytes and back.

The same value always gives the same bytes (sorted keys, ASCII, two-space
indent, one final newline), so that equal states are equal trees. Reading
is strict and bounded: what a hostile writer may have left in a tree ends
in ``CorruptError``, never in a hang or another exception.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, NoReturn

from gitcoord.core.errors import CorruptError, UsageError

__all__ = ["cut", "dump", "dump_line", "load", "printable"]

MAX_DEPTH = 24
MIN_BYTES_PER_VALUE = 20
_STRING = r'(?s)"(?:[^"\\]++|\\.?)*+"?'
_SURROGATE = r"\\u[dD][89a-fA-F]"
_INFINITE = frozenset({float("inf"), float("-inf")})
_UNPRINTABLE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def dump(value: object) -> bytes:
    """Return the canonical bytes of a record.

    Raises:
        UsageError: A text in it is not Unicode, and could not be read back.

    """
    return (_whole(_indented(value, "\n")) + "\n").encode("ascii")


def _indented(value: object, line: str) -> str:
    """Write as ``json.dumps`` does with ``sort_keys`` and ``indent=2``.

    The standard library indents in pure Python generators, four times
    slower; a test holds both to the same bytes. ``line`` starts a line.
    """
    if type(value) is str:
        return _quoted(value)
    if value is None:
        return "null"
    if type(value) is int:
        return int.__repr__(value)
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
        return (
            "[" + inner + ("," + inner).join([_indented(one, inner) for one in value]) + line + "]"
        )
    return json.dumps(value, allow_nan=False)


def dump_line(value: object) -> str:
    """Return the canonical form of an event: one line, no spaces.

    Raises:
        UsageError: A text in it is not Unicode, and could not be read back.

    """
    return _whole(_writer().encode(value))


@lru_cache(maxsize=1)
def _writer() -> json.JSONEncoder:
    """Make the encoder of events once: whoever reads a history writes each of them again."""
    return json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def _whole(text: str) -> str:
    """Return JSON as it is, unless it holds half a surrogate pair."""
    if _names_surrogates(text) and not _is_unicode(json.loads(text)):
        raise UsageError(
            "a text holds bytes that are not Unicode", hint="write texts and names in UTF-8"
        )
    return text


def _names_surrogates(text: str) -> bool:
    """Return whether JSON may hold half a surrogate pair, as an escape; most has no escape."""
    return "\\u" in text and re.search(_SURROGATE, text) is not None


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def load(content: bytes | str, limit: int, what: str) -> Any:
    """Read JSON of at most ``limit`` bytes.

    Raises:
        CorruptError: Too large, too deep, too many values, not UTF-8, not
            JSON, a duplicate key, half a surrogate pair, or a number that is not a
            plain integer or float.

    """
    if len(content) > limit:
        raise CorruptError(f"{what} is larger than {limit} bytes")
    try:
        if isinstance(content, bytes):
            text = content.decode("utf-8")
        else:
            text = content
        _refuse_bombs(text, limit, what)
        value = _strict().decode(text)
        if (_names_surrogates(text) or not text.isascii()) and not _is_unicode(value):
            raise ValueError("a text is not Unicode")
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{what} is not valid JSON: {str(error)[:200]}") from None
    return value


@lru_cache(maxsize=1)
def _strict() -> json.JSONDecoder:
    """Make the decoder once: it takes as long as reading a record."""
    return json.JSONDecoder(
        object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
    )


def _refuse_bombs(text: str, limit: int, what: str) -> None:
    """Refuse what is small to write and large in memory.

    A value takes up to ten times its bytes, so that they are counted too.
    """
    brackets = text.count("[") + text.count("{")
    max_values = limit // MIN_BYTES_PER_VALUE
    if brackets <= MAX_DEPTH and text.count(",") < max_values:
        return
    bare = re.sub(_STRING, "", text)
    if bare.count(",") + bare.count("[") + bare.count("{") > max_values:
        raise CorruptError(f"{what} holds more than {max_values} values")
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", bare):
        if bracket[0] in "]}":
            depth -= 1
            continue
        depth += 1
        if depth > MAX_DEPTH:
            raise CorruptError(f"{what} is nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key in one object")
    return result


def _finite(digits: str) -> float:
    number = float(digits)
    if number in _INFINITE:
        raise ValueError("a number is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number here")


def printable(text: str, *, lines: bool = False) -> str:
    """Remove what could steer a terminal; keep line feeds if ``lines``.

    Control characters (C0, C1, DEL), bidirectional overrides, zero-width
    characters and lone surrogates become U+FFFD.
    """
    # Nearly every text is harmless: a line of it is left as it is.
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\t", " ")
    # To compile the pattern takes longer than to ask.
    if not text.replace("\n", "").isprintable():
        text = re.sub(_UNPRINTABLE, "\ufffd", text)
    if lines:
        return text
    return text.replace("\n", " ")


def cut(text: str, limit_bytes: int) -> str:
    """Shorten a text to a number of UTF-8 bytes, and say that it was cut."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit_bytes:
        return raw.decode("utf-8")
    mark = " [cut]"
    return raw[: limit_bytes - len(mark)].decode("utf-8", "ignore") + mark
