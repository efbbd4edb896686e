"""Expand what a plan abbreviates: ranges of ids, templates, placeholders."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gitcoord.core import codec, ids
from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.plan_source import Places

__all__ = ["MAX_TASKS", "Problems", "expand_ids", "fill", "use_template"]

MAX_TASKS = 200_000
MAX_PROBLEMS = 500
_RANGE = re.compile(r"([A-Za-z0-9._-]*?)(\d{1,9})-(\1)(\d{1,9})", re.ASCII)
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class Problems:
    """Every problem of a plan, with its place, in the order of lines."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._found: dict[str, int] = {}

    def add(self, at: str, text: str) -> None:
        """Record a problem at a place (``file:line``), once."""
        if len(self._found) < MAX_PROBLEMS:
            self._found.setdefault(f"{at}: {text}", int(at.rpartition(":")[2]))

    def raise_all(self, name: str) -> None:
        """Raise what was found, if anything was.

        Raises:
            InvalidPlanError: There is at least one problem.

        """
        if self._found:
            rows = sorted(self._found, key=lambda row: self._found[row])
            count = len(rows)
            raise InvalidPlanError(f"{name} has {count} problem{'s' * (count != 1)}", rows,
                                   hint="mend them, and run `gitcoord plan check` again")  # fmt: skip


def expand_ids(value: object, at: str, problems: Problems) -> list[str]:
    """Write a range out: ``26-69``, ``a1-a9``, with its leading zeros."""
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, str) and ids.is_id(value):
            return [value]
        problems.add(at, f'{codec.printable(str(value))[:80]!r} is no range of ids like "26-69"')
        return []
    first, last = int(match[2]), int(match[4])
    if last < first or last - first >= MAX_TASKS:
        problems.add(at, f"the range {value} is empty, or longer than {MAX_TASKS}")
        return []
    width = len(match[2]) if match[2].startswith("0") else 0
    return [f"{match[1]}{number:0{width}d}" for number in range(first, last + 1)]


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
        near = ids.nearest(str(name), templates)
        problems.add(at("use"), f"there is no template {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
        return dict(table)
    return {**templates[name], **table}


def fill(table: dict[str, Any], task: str, at: Callable[[str], str], problems: Problems) -> dict[str, Any]:
    """Fill ``{name}`` in; ``{{`` and ``}}`` stand for the braces themselves."""
    given = table.get("with", {})
    if not isinstance(given, dict) or not all(isinstance(one, str | int) for one in given.values()):
        problems.add(at("with"), 'with is a table of texts: with = { name = "lexer" }')
        given = {}
    known = {key: str(value) for key, value in given.items()} | {"id": task}
    is_used = "use" in table or "ids" in table

    def one(text: str, key: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[0] in {"{{", "}}"}:
                return match[0][0]
            if match[1] not in known:
                problems.add(at(key), f"unknown placeholder {{{match[1]}}}; known: {', '.join(sorted(known))}")
                return ""
            return known[match[1]]

        return _PLACEHOLDER.sub(replace, text) if is_used and ("{" in text or "}" in text) else text

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


