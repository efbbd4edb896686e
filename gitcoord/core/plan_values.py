"""Expand what a plan abbreviates: ranges of ids, templates, placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

from gitcoord.core import codec, ids
from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.ids import TaskId
from gitcoord.core.model import MAX_RECORD_BYTES, MAX_TITLE_CHARS, PhaseSpec, PlanRecord
from gitcoord.core.plan_source import Places
from gitcoord.core.texts import clause

__all__ = [
    "MAX_PHASES",
    "MAX_SPEC_BYTES",
    "MAX_TASKS",
    "Problems",
    "expand_ids",
    "fill",
    "refuse_large",
    "shown",
    "use_template",
]

MAX_TASKS = 200_000
MAX_PHASES = 1000
MAX_SPEC_BYTES = MAX_RECORD_BYTES - 4096
MAX_PROBLEMS = 500
MAX_RANGE_CHARS = 160
MAX_FILLED_CHARS = 64 * 1024
MAX_NEAR = 5_000
_RANGE = re.compile(r"([A-Za-z0-9._-]*?)(\d{1,9})-(\1)(\d{1,9})", re.ASCII)
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class Problems:
    """Every problem of a plan, with its place, in the order of lines."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._found: dict[str, int] = {}

    def add(self, at: str, text: str) -> None:
        """Record a problem at a place (``file:line``), once."""
        if not self.is_full:
            self._found.setdefault(f"{at}: {text}", int(at.rpartition(":")[2]))

    @property
    def is_full(self) -> bool:
        """Whether nothing more is listed."""
        return len(self._found) >= MAX_PROBLEMS

    def near(self, word: str, known: Collection[str], most: int = 3) -> list[str]:
        """List the known names that look like a word, where that is cheap."""
        is_cheap = len(word) <= MAX_RANGE_CHARS and len(known) <= MAX_NEAR and not self.is_full
        if not is_cheap:
            return []
        return ids.nearest(word, known, most)

    def raise_all(self, name: str) -> None:
        """Raise what was found, if anything was.

        Raises:
            InvalidPlanError: There is at least one problem.

        """
        if self._found:
            rows = sorted(self._found, key=lambda row: self._found[row])
            count = len(rows)
            raise InvalidPlanError(
                f"{name} has {count} problem{'s' * (count != 1)}",
                rows,
                hint="fix them, and run `gitcoord plan check` again",
            )


def refuse_large(plan: PlanRecord, phases: list[PhaseSpec], problems: Problems, name: str) -> None:
    """Refuse records that could not be read back."""
    if len(phases) > MAX_PHASES:
        problems.add(
            f"{name}:1", f"a plan has at most {MAX_PHASES} phases, and its tasks name {len(phases)}"
        )
    if len(codec.dump(plan)) > 3 * MAX_RECORD_BYTES:
        problems.add(
            f"{name}:1",
            f"[plan], [worktree] and the pools are larger than {3 * MAX_RECORD_BYTES} bytes",
        )
    for index, phase in enumerate(phases):
        if len(codec.dump(phase)) > MAX_SPEC_BYTES:
            problems.add(
                problems.places.at("phase", index, "gates"),
                f"phase {phase['id']} is larger than {MAX_SPEC_BYTES} bytes: shorten it",
            )
    if len(phases) > MAX_PHASES:
        # What follows compares every phase with every other.
        problems.raise_all(name)


def shown(value: object) -> str:
    """Show a value that is wrong, however large it is."""
    if isinstance(value, str):
        return repr(codec.printable(value[:80]))
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number of many digits"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    return repr(value)


def expand_ids(value: object, at: str, problems: Problems, most: int = MAX_TASKS) -> list[TaskId]:
    """Write a range out: ``26-69``, ``a1-a9``, with its leading zeros."""
    match = None
    if isinstance(value, str) and len(value) <= MAX_RANGE_CHARS:
        match = _RANGE.fullmatch(value)
    if match is None:
        if isinstance(value, str) and ids.is_id(value):
            return [TaskId(value)]
        problems.add(at, f'{shown(value)} is not a range of ids like "26-69"')
        return []
    first, last = int(match[2]), int(match[4])
    if last < first or last - first >= most:
        problems.add(at, f"the range {value} is empty, or longer than {most}")
        return []
    width = 0
    if match[2].startswith("0"):
        width = len(match[2])
    return list(_numbered(match[1], width, first, last))


@lru_cache(maxsize=8)
def _numbered(prefix: str, width: int, first: int, last: int) -> tuple[TaskId, ...]:
    """Write a range out once: tasks that need the same one share its texts."""
    return tuple(TaskId(f"{prefix}{number:0{width}d}") for number in range(first, last + 1))


def use_template(
    table: dict[str, Any], templates: dict[str, Any], at: Callable[[str], str], problems: Problems
) -> dict[str, Any]:
    """Lay a task over the template that it uses."""
    name = table.get("use")
    if name is None:
        if "with" in table:
            problems.add(at("with"), "with goes with use: it fills in a template")
        return dict(table)
    if not isinstance(name, str) or name not in templates:
        text = f"there is no template {shown(name)}"
        if isinstance(name, str):
            near = problems.near(name, templates)
            text += clause(": did you mean {!r}?", next(iter(near), ""))
        problems.add(at("use"), text)
        return dict(table)
    return {**templates[name], **table}


def fill(
    table: dict[str, Any], task: TaskId, at: Callable[[str], str], problems: Problems
) -> dict[str, Any]:
    """Fill ``{name}`` in; ``{{`` and ``}}`` stand for the braces themselves."""
    given = table.get("with", {})
    if not isinstance(given, dict) or not all(_is_short(one) for one in given.values()):
        problems.add(at("with"), 'with is a table of short texts: with = { name = "lexer" }')
        given = {}
    known = {key: str(value) for key, value in given.items()} | {"id": task}
    longest = max(map(len, known.values()))
    left = MAX_FILLED_CHARS
    is_used = "use" in table or "ids" in table

    def one(text: str, key: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[0] in {"{{", "}}"}:
                return match[0][0]
            if match[1] not in known:
                name, names = codec.printable(match[1])[:80], ", ".join(sorted(known))
                problems.add(
                    at(key),
                    f"unknown placeholder {{{name}}}; known: {codec.printable(names)[:200]}",
                )
                return ""
            return known[match[1]]

        nonlocal left
        if not is_used or ("{" not in text and "}" not in text):
            return text
        left -= len(text) + text.count("{") * longest
        if left < 0:
            problems.add(at(key), f"{key} is too long with its placeholders filled in")
            return ""
        return _PLACEHOLDER.sub(replace, text)

    filled: dict[str, Any] = {}
    for key, value in table.items():
        if key in {"with", "use", "id", "ids"}:
            continue
        if isinstance(value, str):
            filled[key] = one(value, key)
        elif isinstance(value, list):
            filled[key] = [one(item, key) if isinstance(item, str) else item for item in value]
        else:
            filled[key] = value
    return filled


def _is_short(value: object) -> bool:
    """Return whether a value can stand for a placeholder."""
    return (isinstance(value, str) and len(value) <= MAX_TITLE_CHARS) or (
        isinstance(value, int) and value.bit_length() <= 64
    )
