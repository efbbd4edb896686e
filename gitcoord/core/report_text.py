"""Write the report of a ledger as Markdown, and its graph as Mermaid. Pure.

What stands in a ledger is text of others: nothing of it is taken for markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.stats import CONDITIONS

__all__ = ["markdown", "mermaid"]

MAX_TEXT_CHARS = 300
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>&~:])")


def _plain(value: object) -> str:
    """Return a value as Markdown that reads as exactly that text."""
    shown = " ".join(printable(str(value)).split())[:MAX_TEXT_CHARS]
    return _MARKUP.sub(r"\\\1", shown).replace("\\<", "&lt;").replace("\\>", "&gt;")


def markdown(facts: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = [
        f"# {_plain(facts['plan'] or facts['ledger'])}: report",
        "",
        f"As of entry {_plain(facts['tip'][:12])}, {_plain(facts['until'])}.",
        "",
        *_table(("condition", "is", "wanted", "taken from"), map(_condition, facts["conditions"])),
        *_table(("agent", "attempts", "standing", "setbacks"), map(_group, facts["agents"])),
        *_table(
            ("task", "title", "state", "phase", "agent", "attempts"), map(_task, facts["tasks"])
        ),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _condition(one: dict[str, Any]) -> Sequence[object]:
    condition = CONDITIONS[one["name"]]
    value = "not known"
    if one["value"] is not None:
        value = f"{one['value']:.3g}"
    wanted = f"under {condition.threshold:g}"
    if condition.is_over:
        wanted = f"over {condition.threshold:g}"
    return condition.title, value, wanted, one["how"]


def _group(one: dict[str, Any]) -> Sequence[object]:
    return one["name"], one["attempts"], one["standing"], one["setbacks"]


def _task(one: dict[str, Any]) -> Sequence[object]:
    agent = one["agent"] or "-"
    return one["id"], one["title"], one["state"], one["phase"], agent, one["attempts"]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_plain(cell) for cell in row)} |"
    yield ""


def mermaid(facts: dict[str, Any]) -> str:
    """Return the graph of tasks as a Mermaid flowchart, phase by phase."""
    names = {one["id"]: f"t{number}" for number, one in enumerate(facts["tasks"])}
    lines = ["flowchart LR"]
    for number, phase in enumerate(facts["phases"]):
        lines.append(f'  subgraph p{number}["{_label(phase["id"])}"]')
        for one in facts["tasks"]:
            if one["phase"] == phase["id"]:
                shown = _label(f"{one['id']}: {one['title']} ({one['state']})")
                lines.append(f'    {names[one["id"]]}["{shown}"]')
        lines.append("  end")
    for one in facts["tasks"]:
        for need in one["needs"]:
            if need in names:
                lines.append(f"  {names[need]} --> {names[one['id']]}")
    return "\n".join(lines) + "\n"


def _label(value: str) -> str:
    """Return a text for a quoted label: every other character by its number."""
    shown = " ".join(printable(value).split())[:MAX_TEXT_CHARS]
    return "".join(_coded(character) for character in shown)


def _coded(character: str) -> str:
    if character.isalnum() or character in " .,-_/":
        return character
    return f"#{ord(character)};"
