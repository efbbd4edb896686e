"""Read the plans to start from: what each is for, and what can be set in it. Pure.

A template is a plan file whose first line says what it is for. Lines that
begin with ``# with:`` name what can be set, its usual value and what it is;
``@NAME@`` stands in the plan where it goes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from gitcoord.core import ids
from gitcoord.core.errors import UsageError
from gitcoord.core.shapes import NamedTuple

__all__ = ["Parameter", "PlanTemplate", "read_template"]

_PARAMETER = re.compile(r"# with: (\w+) = (.*?), (.*)")


class Parameter(NamedTuple):
    """What can be set in a template."""

    name: str
    usual: str
    what: str


class PlanTemplate(NamedTuple):
    """A plan to start from."""

    name: str
    what: str
    parameters: tuple[Parameter, ...]
    text: str

    def plan(self, given: Mapping[str, str]) -> str:
        """Return the plan with what was given, and the usual values for the rest.

        Raises:
            UsageError: There is no such parameter.

        """
        known = {one.name: one.usual for one in self.parameters}
        for name in given:
            if name not in known:
                near = ids.nearest(name, known) or sorted(known)
                hint = "nothing can be set in it"
                if known:
                    hint = f"known: {', '.join(near)}"
                raise UsageError(f"template {self.name} has no {name!r}", hint=hint)
        lines = [line for line in self.text.split("\n") if not _PARAMETER.fullmatch(line)]
        text = "\n".join(lines)
        for name, value in {**known, **given}.items():
            # As it stands within a basic string of TOML.
            escaped = json.dumps(value, ensure_ascii=False)[1:-1]
            text = text.replace(f"@{name}@", escaped)
        return text


def read_template(name: str, text: str) -> PlanTemplate:
    """Return a template by the text of its file."""
    lines = text.split("\n")
    found = [_PARAMETER.fullmatch(line) for line in lines]
    parameters = [Parameter(*one.groups()) for one in found if one is not None]
    return PlanTemplate(name, lines[0].removeprefix("# "), tuple(parameters), text)
