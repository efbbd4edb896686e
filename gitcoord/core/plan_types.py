"""Read the values of a plan: each of its type, or a problem with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gitcoord.core import codec, ids, paths
from gitcoord.core.model import MAX_TITLE_CHARS, BatchSpec, GateSpec, PhaseSpec, PlanRecord
from gitcoord.core.path_habits import habit_of, two_paths_in
from gitcoord.core.plan_source import Places
from gitcoord.core.plan_values import Problems, shown

__all__ = ["Values"]

_OTHER_WORDS = {
    "after": ("needs",),
    "blocked_by": ("needs", "after"),
    "dependencies": ("needs", "after"),
    "depends": ("needs", "after"),
    "depends_on": ("needs", "after"),
    "deps": ("needs", "after"),
    "requires": ("needs", "after"),
    "allowed_paths": ("paths",),
    "boundary": ("paths",),
    "files": ("paths",),
    "scope": ("paths",),
    "command": ("run", "check"),
    "test": ("check",),
    "verify": ("check",),
    "id": ("name",),
    "name": ("title", "id"),
    "summary": ("title",),
    "details": ("description",),
    "branch": ("target",),
}
"""What other tools call the keys of a plan."""
_MANY_LINES = frozenset({"description", "context"})
_DURATION = 'a duration like "90s", "15m" or "2h"'


class Values:
    """Read typed values of one plan, collecting problems on the way."""

    def __init__(self, raw: dict[str, Any], places: Places, target: str) -> None:
        self.raw = raw
        self.places = places
        self.problems = Problems(places)
        self.target = target
        self.notices: list[str] = []

    # values

    def text(
        self, table: dict[str, Any], key: str, at: str, default: str, *, most: int = MAX_TITLE_CHARS
    ) -> str:
        """Read a text without control characters."""
        value = table.get(key, default)
        if not isinstance(value, str):
            self.problems.add(at, f"{key} is a text, not {_kind(value)}")
            return default
        if codec.printable(value, lines=key in _MANY_LINES) != value:
            self.problems.add(at, f"{key} holds control or invisible characters")
            return default
        if len(value) > most:
            self.problems.add(at, f"{key} has {len(value)} characters, and at most {most} fit")
            return default
        return value

    def choice(
        self, table: dict[str, Any], key: str, at: str, known: Sequence[str], default: str
    ) -> str:
        """Read one of several words."""
        value = table.get(key, default)
        if value not in known:
            self.problems.add(at, f"{key} is one of {', '.join(known)}, not {shown(value)}")
            return default
        return str(value)

    def duration(self, table: dict[str, Any], key: str, at: str, default: str | None) -> int | None:
        """Read a duration as milliseconds."""
        value = table.get(key, default)
        if value is None:
            return None
        found = None
        if isinstance(value, str):
            found = ids.duration_ms(value)
        if found:
            return found
        self.problems.add(at, f"{key} is {_DURATION}, not {shown(value)}")
        if default is None:
            return None
        return ids.duration_ms(default)

    def number(
        self, table: dict[str, Any], key: str, at: str, default: int | None, low: int, high: int
    ) -> int | None:
        """Read a whole number."""
        value = table.get(key, default)
        if value is None and default is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.problems.add(
                at, f"{key} is a whole number from {low} to {high}, not {shown(value)}"
            )
            return default
        return value

    def flag(self, table: dict[str, Any], key: str, at: str) -> bool:
        """Read true or false."""
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.problems.add(at, f"{key} is true or false, not {shown(value)}")
        return value is True

    def texts(self, table: dict[str, Any], key: str, at: str) -> list[str]:
        """Read a list of texts."""
        value = table.get(key, [])
        if isinstance(value, str):
            self.problems.add(at, f'{key} is a list of texts: {key} = ["{shown(value)[1:-1]}"]')
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.problems.add(at, f"{key} is a list of texts, not {_kind(value)}")
            return []
        return list(value)

    def patterns(self, table: dict[str, Any], key: str, at: str) -> list[str]:
        """Read a list of paths."""
        found = []
        for pattern in self.texts(table, key, at):
            problem = habit_of(pattern) or paths.problem_of(pattern)
            if problem:
                self.problems.add(at, f"{key}: {shown(pattern)}: {problem}")
                continue
            if two_paths_in(pattern):
                several = f"{at}: {key}: {shown(pattern)} is one path with spaces in it"
                self.notices.append(f"{several}; several are written as several texts")
            found.append(pattern)
        return found

    def landing_push(self, table: dict[str, Any], at: str, plan: PlanRecord) -> None:
        """Read the remote to which the target is pushed: its name, never an address."""
        remote = self.text(table, "landing_push", at, "")
        if not remote:
            return
        plan["landing_push"] = remote
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", remote):
            self.problems.add(
                at, f"landing_push is the name of a remote, like origin, not {shown(remote)}"
            )

    def reviewers(self, phase: dict[str, Any], spec: PhaseSpec, at: str) -> None:
        """Read who may give the reviews that a phase asks for: any other agent, unless it says."""
        known = ("any", "other-assistants")
        if self.choice(phase, "reviewers", at, known, "any") == "any":
            return
        if not spec["reviews"]:
            self.problems.add(at, "reviewers is of phases with reviews: say reviews = 1")
        spec["reviewers"] = "other-assistants"

    def gate_setup(self, gate: dict[str, Any], spec: GateSpec, at: str) -> GateSpec:
        """Add to a gate what builds its environment, and from which files."""
        setup = self.text(gate, "setup", at, "", most=2000)
        cache = self.patterns(gate, "cache", at)
        if cache and not setup:
            self.problems.add(at, "cache names the files that a setup needs, and there is none")
        for path in cache:
            if "*" in path or "?" in path:
                self.problems.add(at, f"cache names files and folders: {shown(path)} is a pattern")
        if setup:
            spec["setup"] = setup
        if cache:
            spec["cache"] = cache
        return spec

    def batch(self, phase: dict[str, Any], at: str) -> BatchSpec | None:
        """Read how a stream is cut into batches; None where nothing is said."""
        table = phase.get("batch")
        if table is None:
            return None
        if not isinstance(table, dict) or table.keys() - {"max", "wait"} or not table:
            self.problems.add(at, 'batch is a table: { max = 20, wait = "5m" }')
            return None
        if not phase.get("stream"):
            self.problems.add(at, "batch is of streams: say stream = true")
        most = self.number(table, "max", at, 0, 1, 1000)
        wait_ms = self.duration(table, "wait", at, None)
        return {"max": most or 0, "wait_ms": wait_ms or 0}

    def id(self, value: object, what: str, at: str) -> str | None:
        """Read an id."""
        if isinstance(value, int) and not isinstance(value, bool):
            self.problems.add(at, f'{what} {shown(value)} is written in quotes: "{shown(value)}"')
            return None
        if value is None:
            self.problems.add(at, f"there is no {what}")
            return None
        if not ids.is_id(value):
            like = ""
            if isinstance(value, str | float):
                valid = re.sub(r"[^A-Za-z0-9._-]+", "-", str(value)[:64]).strip("-.")
                if ids.is_id(valid):
                    like = f' (such as "{valid}")'
            text = f"{shown(value)} is not a valid {what}{like}: {ids.ID_RULE}"
            self.problems.add(at, text)
            return None
        return str(value)

    def table(self, name: str) -> dict[str, Any]:
        """Read a table that stands once."""
        value = self.raw.get(name, {})
        if not isinstance(value, dict):
            self.problems.add(self.places.at("", 0, name), f"{name} is a table: [{name}]")
            return {}
        return value

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Read a table that stands many times."""
        value = self.raw.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.problems.add(self.places.at(name), f"{name} is written as [[{name}]]")
            return []
        return value

    def known_keys(
        self, table: dict[str, Any], known: Sequence[str], where: str, index: int = 0
    ) -> None:
        """Refuse unknown keys, and name the nearest known one."""
        for key in table:
            if key not in known:
                text = f"unknown key {shown(key)}{self._known_key(key, known, where)}"
                self.problems.add(self.places.at(where, index, key), text)

    def _known_key(self, key: str, known: Sequence[str], where: str) -> str:
        """Return what an unknown key may have been meant for."""
        if where == "tasks" and key == "id":
            return ": one task is written [[task]]; [[tasks]] with ids makes one for each number"
        meant = [one for one in _OTHER_WORDS.get(key.casefold(), ()) if one in known]
        near = meant or self.problems.near(key, known, 1)
        if near:
            return f": did you mean {near[0]!r}?"
        return f"; known: {', '.join(sorted(known))}"


def _kind(value: object) -> str:
    return {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }.get(type(value), type(value).__name__)
