"""Draw what needs what as SVG: tasks in columns, phase by phase. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from gitcoord.core.graph import levels
from gitcoord.core.report_drawing import Escape, svg

__all__ = ["graph"]

LABEL_CHARS = 34
COLUMN, ROW, BOX = 255, 26, 222
MAX_ROWS = 24
"""How many tasks stand below each other before another column begins."""


def graph(facts: dict[str, Any], text: Escape) -> str:
    """Draw the tasks, each after what it needs; the longest chain stands out."""
    places, chain = _places(facts), set(pairwise(facts["chain"]))
    parts = []
    for one in facts["tasks"]:
        for need in one["needs"]:
            if need in places:
                is_chain = (need, one["id"]) in chain
                parts.append(_edge(places[need], places[one["id"]], is_chain=is_chain))
    # What is on the chain is drawn over what is not.
    parts.sort(key=lambda part: part.startswith('<path class="line chain"'))
    for one in facts["tasks"]:
        parts.append(_box(one, places[one["id"]], one["id"] in facts["chain"], text))
    for phase, x in _phase_columns(facts, places):
        parts.append(f'<text class="phase" x="{x}" y="12">{text(phase[:24])}</text>')
    width = max([x for x, _ in places.values()], default=0) + COLUMN
    height = max([y for _, y in places.values()], default=0) + ROW + 10
    return svg(width, height, "graph of tasks", parts)


def _box(task: dict[str, Any], place: tuple[int, int], is_on_chain: bool, text: Escape) -> str:
    """Draw a task: its state as a colour and in words, its name, whether the chain has it."""
    x, y = place
    told, shown = (
        f"{task['id']}: {task['title']} ({task['state']})",
        f"{task['id']} {task['title']}",
    )
    if is_on_chain:
        told += ", on the longest chain"
    if len(shown) > LABEL_CHARS:
        shown = f"{shown[: LABEL_CHARS - 1]}…"
    weight = ""
    if is_on_chain:
        weight = ' class="strong"'
    return (
        f'<g data-task="{text(task["id"])}"><rect class="{text(task["state"])}" x="{x}" y="{y}" '
        f'width="6" height="20"/><text{weight} x="{x + 10}" y="{y + 14}">{text(shown)}</text>'
        f"<title>{text(told)}</title></g>"
    )


def _places(facts: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return where each task stands: its phase's column, its level, its row."""
    order = levels({one["id"]: one["after"] for one in facts["phases"]})
    depth = levels({one["id"]: one["needs"] for one in facts["tasks"]})
    levelled: dict[tuple[int, str, int], list[str]] = {}
    for one in facts["tasks"]:
        key = (order.get(one["phase"], 0), one["phase"], depth[one["id"]])
        levelled.setdefault(key, []).append(one["id"])
    places, column = {}, 0
    for key in sorted(levelled):
        for number, name in enumerate(levelled[key]):
            row = number % MAX_ROWS
            places[name] = ((column + number // MAX_ROWS) * COLUMN, 20 + row * ROW)
        column += (len(levelled[key]) - 1) // MAX_ROWS + 1
    return places


def _phase_columns(
    facts: dict[str, Any], places: dict[str, tuple[int, int]]
) -> Iterable[tuple[str, int]]:
    first: dict[str, int] = {}
    for one in facts["tasks"]:
        x = places[one["id"]][0]
        first[one["phase"]] = min(x, first.get(one["phase"], x))
    return first.items()


def _edge(begin: tuple[int, int], end: tuple[int, int], *, is_chain: bool) -> str:
    kind = "line"
    if is_chain:
        kind = "line chain"
    x, y, to_x, to_y = begin[0] + BOX, begin[1] + 10, end[0] - 2, end[1] + 10
    half = (x + to_x) // 2
    return f'<path class="{kind}" d="M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}"/>'
