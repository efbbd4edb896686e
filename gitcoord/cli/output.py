"""Turn values into text or JSON: the one place that decides how they look."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from gitcoord.core import codec
from gitcoord.core.errors import GitcoordError, IncompleteError

__all__ = ["Output", "Recorded", "git_line", "incomplete_if", "shown_paths", "table", "wrapped"]

SCHEMA = 1
WIDTH = 80
MAX_LINE_BYTES = 2000
"""Of each line of an error."""
_COLORS = {
    "ready": "32",
    "claimed": "33",
    "review": "36",
    "done": "32",
    "landed": "32;1",
    "failed": "31;1",
    "blocked": "31",
    "cancelled": "90",
    "waiting": "90",
    "late": "35",
    "open": "33",
    "landing": "33",
}
_OURS = "(\x1b\\[(?:" + "|".join(sorted({*_COLORS.values(), "0"})) + ")m)"
"""The pattern of a colour of ours."""


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """Align rows in columns; the last one is left as long as it is."""
    cells = [[codec.printable(str(cell)) for cell in row] for row in rows]
    if head and cells:
        cells.insert(0, list(head))
    if not cells:
        return ""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def wrapped(label: str, text: str) -> str:
    """Return a text after its label, in lines that fit any terminal, below each other."""
    from textwrap import wrap

    lines = wrap(
        text,
        WIDTH,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "\n".join(lines)


def git_line(answer: Mapping[str, Any]) -> str:
    """Return the git command that shows the same, as every view ends."""
    return f"with git: {answer['git']}"


def shown_paths(patterns: Sequence[str] | None) -> str:
    """Return patterns in one line; without a list every path may be written."""
    if patterns is None:
        return "any"
    return ", ".join(patterns) or "none"


def incomplete_if(problems: object) -> int:
    """Return the exit status of a command that looked: 18 where it found problems."""
    if problems:
        return IncompleteError.exit_status
    return 0


class Output:
    """Where answers, notices and errors of one command go."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        """Keep a notice that is shown beside the answer."""
        self.notices.append(text)

    def answer(self, op: str, facts: dict[str, Any], text: str) -> None:
        """Write a command's answer: one object, or text for people."""
        if self.as_json:
            self._object(_answer_object(op, facts, self.notices))
            return
        self._flush_notices()
        if text:
            self._write(sys.stdout, _clean(text) + "\n")

    def error(self, error: GitcoordError) -> None:
        """Show an error, with its next step."""
        if self.as_json:
            self._object(_error_object(error, self.notices))
            return
        self._flush_notices()
        self._write(sys.stderr, _error_text(error) + "\n")

    def line(self, facts: dict[str, Any], text: str) -> None:
        """Write one line of a stream."""
        if self.as_json:
            self._object({"schema": SCHEMA, "ok": True, **facts})
        else:
            self._write(sys.stdout, _clean(text) + "\n")

    def state(self, name: str, width: int = 0) -> str:
        """Colour the name of a state, on a terminal only."""
        padded = name.ljust(width)
        if not is_coloured(sys.stdout):
            return padded
        return f"\x1b[{_COLORS.get(name, '0')}m{padded}\x1b[0m"

    def _object(self, value: dict[str, Any]) -> None:
        # JSON lets DEL stand as it is; every other control character is escaped.
        text = json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")
        self._write(sys.stdout, text + "\n")

    def _flush_notices(self) -> None:
        for text in self.notices:
            self._write(sys.stderr, _notice_line(text) + "\n")
        self.notices = []

    @staticmethod
    def _write(stream: IO[str], text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except UnicodeEncodeError:
            stream.write(text.encode("ascii", "backslashreplace").decode())
            stream.flush()


class Recorded(Output):
    """An output that keeps one command's answer, as facts and as text."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: dict[str, Any] = {}
        self.text = ""

    def answer(self, op: str, facts: dict[str, Any], text: str) -> None:
        """Keep a command's answer."""
        self._keep(_answer_object(op, facts, self.notices), codec.printable(text, lines=True))

    def error(self, error: GitcoordError) -> None:
        """Keep an error, with its next step."""
        self._keep(_error_object(error, self.notices), _error_text(error))

    def state(self, name: str, width: int = 0) -> str:
        """Return the name of a state, without a colour."""
        return name.ljust(width)

    def _keep(self, facts: dict[str, Any], text: str) -> None:
        self.facts = facts
        self.text = "\n".join([*map(_notice_line, self.notices), text])


def _answer_object(op: str, facts: dict[str, Any], notices: list[str]) -> dict[str, Any]:
    return {"schema": SCHEMA, "ok": True, "op": op, "notices": notices, **facts}


def _error_object(error: GitcoordError, notices: list[str]) -> dict[str, Any]:
    facts = {
        "code": error.code,
        "message": _bounded(error.message),
        "hint": error.hint,
        **error.facts,
    }
    return {"schema": SCHEMA, "ok": False, "error": facts, "notices": notices}


def _error_text(error: GitcoordError) -> str:
    lines = [f"gitcoord: {codec.printable(_bounded(error.message), lines=True)}"]
    problems = error.facts.get("problems")
    if isinstance(problems, list) and problems != [error.message]:
        lines += [f"  {codec.printable(_bounded(str(problem)))}" for problem in problems]
    if error.hint:
        lines.append(f"  next: {codec.printable(error.hint, lines=True)}")
    return "\n".join(lines)


def _bounded(text: str) -> str:
    """Cut the lines of an error that repeats something endless, and say so."""
    return "\n".join(
        codec.cut(line, MAX_LINE_BYTES) if len(line) > MAX_LINE_BYTES else line
        for line in text.split("\n")
    )


def _notice_line(text: str) -> str:
    return f"gitcoord: notice: {codec.printable(text)}"


def _clean(text: str) -> str:
    """Remove what could steer a terminal, but for colours of our own."""
    if not is_coloured(sys.stdout):
        return codec.printable(text, lines=True)
    parts = re.split(_OURS, text)
    for index in range(0, len(parts), 2):
        parts[index] = codec.printable(parts[index], lines=True)
    return "".join(parts)


def is_coloured(stream: IO[str]) -> bool:
    """Return whether colours fit: a terminal, and nobody asked for none."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()
