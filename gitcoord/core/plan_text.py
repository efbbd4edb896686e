"""Read the text of a plan as TOML, and say what else it seems to be.

Plans come from editors, shells and assistants: with byte order marks, in
Markdown's fences, as JSON or YAML. One mistake does not hide the others:
where the whole cannot be read, each of its tables is read alone.
"""

from __future__ import annotations

import codecs
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from gitcoord.core import codec
from gitcoord.core.errors import UsageError
from gitcoord.core.shapes import NamedTuple

__all__ = ["Mistake", "decode", "read_tables"]

MAX_MISTAKES = 100
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TABLE = re.compile(
    r"\s*+\[\[?\s*+(?:plan|worktree|pool|phase|task|tasks|template\.[^\]]{1,200})"
    r"\s*+\]\]?\s*+(?:#.*)?"
)
_ASSIGNMENT = re.compile(r"""\s*+["']?[A-Za-z0-9_.-]++["']?\s*+=""")
_ENTRY = re.compile(r"\s*+(?:[-*+]|\d{1,4}[.)])\s++\S")
_MAPPING = re.compile(r"\s*+(?:-\s++)?[A-Za-z_][A-Za-z0-9_-]*+\s*+:(?:\s|$)")
_BARE = re.compile(r"[^=]*+=\s*+([A-Za-z~./][^\"'\[\]{}#,]*+)")
_PLACE = re.compile(r"\(at line (\d+), column \d+\)$")
_AS_TABLES = "write each task as [[task]] with id, title and paths"


class Mistake(NamedTuple):
    """What cannot be read as TOML, and on which line."""

    line: int
    text: str


def decode(raw: bytes, name: str) -> str:
    """Return the text of a plan file, whichever byte order mark it begins with.

    Raises:
        UsageError: The bytes are not text in UTF-8 (or in UTF-16 with a mark).

    """
    encoding, rest = "utf-8", raw
    for mark, marked in _MARKS:
        if raw.startswith(mark):
            encoding, rest = marked, raw[len(mark) :]
    try:
        return rest.decode(encoding)
    except UnicodeDecodeError as error:
        line = rest[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{name}:{line}: not valid UTF-8 ({error.reason})", hint="save the plan as UTF-8"
        ) from None


def read_tables(text: str) -> tuple[dict[str, Any], str, list[Mistake]]:
    """Return what can be read of a plan, as values and as text, and every mistake.

    The text has the lines of the whole, empty where they cannot be read.
    """
    try:
        return tomllib.loads(text), text, []
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        foreign = _foreign(text)
        if foreign is not None:
            return {}, "", [foreign]
        first = _explained(error, text.split("\n"), 0)
    return _read_each(text, first)


def _read_each(text: str, first: Mistake) -> tuple[dict[str, Any], str, list[Mistake]]:
    """Read each table alone; leave out those that cannot be read."""
    mistakes: dict[int, Mistake] = {}
    readable: list[str] = []
    for start, lines in _tables(text):
        try:
            tomllib.loads("\n".join(lines))
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            found = _explained(error, lines, start)
            mistakes.setdefault(found.line, found)
            lines = [""] * len(lines)  # noqa: PLW2901 - the lines after it keep their numbers
        readable += lines
        if len(mistakes) >= MAX_MISTAKES:
            break
    try:
        known = tomllib.loads("\n".join(readable))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        known = {}
        mistakes.setdefault(first.line, first)
    return known, "\n".join(readable), [mistakes[line] for line in sorted(mistakes)]


def _tables(text: str) -> Iterator[tuple[int, list[str]]]:
    """Split a text before each header of a table that plans have.

    Headers inside of texts that span lines are part of those texts.
    """
    start = 0
    lines: list[str] = []
    is_inside = False
    for number, line in enumerate(text.split("\n")):
        if not is_inside and lines and _TABLE.fullmatch(line):
            yield start, lines
            start, lines = number, []
        if (line.count('"""') + line.count("'" * 3)) % 2:
            is_inside = not is_inside
        lines.append(line)
    yield start, lines


def _explained(error: Exception, lines: list[str], start: int) -> Mistake:
    """Return a mistake with its line in the file, and with a remedy."""
    said = str(error)
    place = _PLACE.search(said)
    number = len(lines)
    if place is not None:
        number = int(place[1])
    said = re.sub(r"\s*\(at [^)]*\)$", "", said)[:200] or "nested too deeply"
    line = ""
    if number <= len(lines):
        line = lines[number - 1]
    remedy = _remedy(said, line)
    if remedy:
        said = f"{said}: {remedy}"
    return Mistake(start + number, codec.printable(said))


def _remedy(said: str, line: str) -> str:  # noqa: PLR0911 - a list of habits
    """Return how a line is written that TOML does not take, or nothing."""
    bare = _BARE.match(line)
    value = ""
    if bare is not None:
        value = bare[1].strip()
    if "twice" in said or "overwrite" in said or "mutate immutable" in said:
        return "a table that stands many times has two brackets, as [[task]]; a key stands once"
    if line.lstrip().startswith("```"):
        return "leave out the lines that begin with ```"
    if line.lstrip().startswith(("//", "/*")):
        return "a comment begins with #"
    if any(quote in line for quote in "\u201c\u201d\u2018\u2019"):
        return 'texts stand in straight quotes: "like this"'
    if value in {"True", "False"}:
        return f"write {value.lower()}"
    if value in {"null", "None", "nil"}:
        return "leave the key out"
    if value and value not in {"true", "false", "inf", "nan"}:
        return f'texts stand in quotes: "{value[:60]}"'
    if _MAPPING.match(line):
        return "a key and its value have = between them"
    if _ENTRY.match(line):
        return f"this is a list of Markdown: {_AS_TABLES}"
    if line.count("{") > line.count("}"):
        return "what stands in braces stands on one line"
    return ""


def _foreign(text: str) -> Mistake | None:
    """Return which other format a text is in that has nothing of a plan."""
    lines = text.split("\n")
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    first, line = next(iter(filled), (1, ""))
    if line.lstrip().startswith(("{", "[{")) or line.strip() == "[":
        return Mistake(first, f"this is JSON, and a plan is TOML: {_AS_TABLES}")
    if any(_TABLE.fullmatch(one) or _ASSIGNMENT.match(one) for _, one in filled):
        return None
    for number, one in filled:
        if _MAPPING.match(one) or one.strip() == "---":
            return Mistake(number, f"this is YAML, and a plan is TOML: {_AS_TABLES}")
        if _ENTRY.match(one):
            return Mistake(number, f"this is Markdown, and a plan is TOML: {_AS_TABLES}")
    return Mistake(first, f"this is not TOML: {_AS_TABLES}")
