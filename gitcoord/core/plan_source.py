"""Find the line on which each part of a plan stands.

``tomllib`` reads the values and says nothing of places. This scanner only
has to find table headers and keys, with regard to strings that span
lines; where it is not sure it gives the line of the enclosing table.
"""

from __future__ import annotations

import re

from gitcoord.core.errors import InvalidPlanError

__all__ = ["Places", "refuse_bombs"]

MAX_LINE_CHARS = 16 * 1024
MAX_KEY_PARTS = 16
_HEADER = re.compile(r"^\s*+(\[\[?+)([^\]]++)\]\]?\s*+(?:#.*)?$")
_KEY_PART = r"""(?:"[^"]*+"|'[^']*+'|[A-Za-z0-9_-]++)"""
_KEY = re.compile(rf"^\s*+({_KEY_PART}(?:\s*+\.\s*+{_KEY_PART})*+)\s*+=")
# A dotted key may stand anywhere: in a header, before a sign, inside braces.
_DOTTED = re.compile(rf"(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){{{MAX_KEY_PARTS}}}")
_LONG_STRING = re.compile(r'"""(?:(?!""").)*+"""' + r"|'''(?:(?!''').)*+'''")
# One that does not end on its line is taken to the end: looking for the end
# again from each of its quotes would be quadratic.
_STRING = re.compile(
    r'(?<!")"(?!"")(?:[^"\\]++|\\.?)*+(?:"(?!")|$)' + r"|(?<!')'(?!'')[^']*+'(?!')"
)
_QUOTES = ('"""', "'" * 3)


def refuse_bombs(text: str, name: str) -> None:
    """Refuse what would keep the parser busy for ever.

    Its time is quadratic in the parts of a dotted key.

    Raises:
        InvalidPlanError: A line is too long, or a key has too many parts.

    """
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE_CHARS:
            problems.append(f"{name}:{number}: a line has at most {MAX_LINE_CHARS} characters")
            continue
        if line.count(".") >= MAX_KEY_PARTS and _has_long_key(line):
            problems.append(f"{name}:{number}: a key has at most {MAX_KEY_PARTS} parts")
    if problems:
        raise InvalidPlanError(f"{name} cannot be read", problems[:50])


def _has_long_key(line: str) -> bool:
    """Return whether a line has a dotted key that is too long.

    Dots inside of strings are harmless, and a string may be part of a key.
    """
    return _DOTTED.search(_without_strings(line, "_")) is not None


class Places:
    """Where the tables and keys of one text begin."""

    __slots__ = ("_counts", "_keys", "_name", "_tables")

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._tables: dict[tuple[str, int], int] = {}
        self._keys: dict[tuple[str, int, str], int] = {}
        self._counts: dict[str, int] = {}
        self._scan(text)

    def _scan(self, text: str) -> None:
        table, index = "", 0
        until: str | None = None
        depth = 0
        for number, line in enumerate(text.split("\n"), 1):
            if until is not None:
                if until in line:
                    until = None
                continue
            if depth <= 0:
                depth = 0
                header = _HEADER.match(line)
                if header:
                    table = ".".join(part.strip(" \t\"'") for part in header[2].split("."))
                    index = self._counts.get(table, -1) + 1
                    self._counts[table] = index
                    self._tables[table, index] = number
                    continue
                key = _KEY.match(line)
                if key:
                    name = key[1].split(".")[0].strip(" \"'")
                    self._keys.setdefault((table, index, name), number)
            bare = _without_strings(line)
            for quote in _QUOTES:
                if bare.count(quote) % 2:
                    until = quote
            if until is None:
                depth += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")

    def at(self, table: str, index: int = 0, key: str | None = None) -> str:
        """Return ``file:line`` of a key, or of its table where it is not found."""
        line = None
        if key is not None:
            line = self._keys.get((table, index, key))
        line = line or self._tables.get((table, index)) or 1
        return f"{self._name}:{line}"


def _without_strings(line: str, mark: str = "") -> str:
    """Replace the strings that begin and end on a line; drop comments."""
    return _STRING.sub(mark, _LONG_STRING.sub(mark, line)).split("#", 1)[0]
