"""Write the report of a ledger as Markdown, and its graph as Mermaid. Pure.

What stands in a ledger is text of others: nothing of it is taken for markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.report_words import condition_words, cost_words, duration, tokens_words
from gitcoord.core.times import span

__all__ = ["markdown", "mermaid"]

MAX_TEXT_CHARS = 300
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>&~:])")


def _plain(value: object) -> str:
    """Return a value as Markdown that reads as exactly that text."""
    shown = " ".join(printable(str(value)).split())[:MAX_TEXT_CHARS]
    return _MARKUP.sub(r"\\\1", shown).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _code(value: str) -> str:
    """Return a command as Markdown that is copied as it is; a backtick would end it."""
    shown = " ".join(printable(value).split()).replace("`", "'")
    return f"`{shown}`"


def markdown(facts: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    lines = [
        f"# {_plain(facts['plan'] or facts['ledger'])}: report",
        "",
        f"As of entry {_plain(facts['tip'][:12])}, {_plain(facts['until'])}.",
        "",
        f"With git: {_code(facts['git'])}",
        "",
        *_table(("what", "is", "command"), _now(facts["now"])),
        *_table(("condition", "is", "wanted", "verdict", "taken from"), _conditions(facts)),
        *_groups(facts["groups"]),
        *_table(
            ("task", "title", "state", "phase", "agent", "attempts"), map(_task, facts["tasks"])
        ),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _now(now: dict[str, Any]) -> Iterable[Sequence[object]]:
    for name in ("needs_you", "stuck", "running", "next"):
        for one in now[name]:
            yield name.replace("_", " "), one["text"], one["command"]
    eta = now["eta"]
    end = eta["basis"]
    if eta["from"] is not None:
        end = f"{span(eta['from'], eta['to'])}, by {eta['basis']}"
    yield "end", end, "gitcoord status"


def _conditions(facts: dict[str, Any]) -> Iterable[Sequence[object]]:
    for one in facts["conditions"]:
        yield *condition_words(one), one["how"]


def _groups(groups: dict[str, list[dict[str, Any]]]) -> Iterable[str]:
    head = ("attempts", "standing", "setbacks", "worked", "waited", "tokens", "cost")
    for name, found in groups.items():
        yield from _table((name, *head), map(_group, found))


def _group(one: dict[str, Any]) -> Sequence[object]:
    numbers = (one["name"], one["attempts"], one["standing"], one["setbacks"])
    spent = (duration(one["work_ms"]), duration(one["waiting_ms"]))
    return (*numbers, *spent, tokens_words(one["usage"]), cost_words(one["usage"]))


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
