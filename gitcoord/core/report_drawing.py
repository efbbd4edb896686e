"""Draw a ledger as SVG: who did what, the graph of tasks, results over time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gitcoord.core.graph import levels
from gitcoord.core.times import instant

__all__ = ["CLASSES", "graph", "legend", "progress", "timeline"]

Escape = Callable[[object], str]

WIDTH, LEFT, RIGHT, LANE, TICKS = 1100, 120, 40, 24, 6
LABEL_CHARS = 20
COLUMN, ROW, BOX = 170, 30, 140
CLASSES = {
    "completed": "good",
    "done": "good",
    "landed": "good",
    "failed": "bad",
    "expired": "bad",
    "undone": "bad",
    "blocked": "bad",
    "claimed": "busy",
    "running": "busy",
    "review": "calm",
    "approved": "calm",
    "rejected": "bad",
    "ready": "calm",
    "waiting": "faint",
    "open": "faint",
    "released": "faint",
    "cancelled": "faint",
    "assigned": "faint",
    "abandoned": "faint",
    "ended": "faint",
    "mark": "other",
}
"""In which colour each state, end and mark is drawn."""


def _svg(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def legend(kinds: Iterable[str]) -> str:
    """Return the kinds that are drawn, each with its colour."""
    parts = [
        f'<svg width="12" height="12"><rect class="{kind}" width="12" height="12"/></svg> {kind}'
        for kind in kinds
    ]
    return f'<p class="legend faint">{" ".join(parts)}</p>'


class _Axis:
    """Times on the width of a drawing."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.begin: int = facts["begun"]
        self.length: int = max(1, facts["ended"] - self.begin)

    def x(self, seconds: int) -> float:
        """Return where a time is drawn."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (seconds - self.begin) / self.length

    def ticks(self, height: float) -> Iterable[str]:
        """Draw some times, with a line down each."""
        for number in range(TICKS + 1):
            seconds = self.begin + self.length * number // TICKS
            x = self.x(seconds)
            yield f'<line class="line" x1="{x:.1f}" y1="16" x2="{x:.1f}" y2="{height:.0f}"/>'
            yield (
                f'<text class="faint" text-anchor="middle" x="{x:.1f}" y="11">'
                f"{instant(seconds)[11:19]}</text>"
            )


def timeline(facts: dict[str, Any], text: Escape) -> str:
    """Draw a lane for each agent, with its attempts and reviews, and marks across."""
    agents = list(dict.fromkeys(one["agent"] for one in facts["attempts"] + facts["reviews"]))
    lanes = {agent: 24 + LANE * number for number, agent in enumerate(agents)}
    height = 30 + LANE * len(agents)
    axis = _Axis(facts)
    parts = list(axis.ticks(height))
    for agent, y in lanes.items():
        parts.append(f'<text x="0" y="{y + 13}">{text(agent[:18])}</text>')
    for one in facts["attempts"]:
        kind = one["end"] or "running"
        told = f"{one['task']} by {one['agent']}, attempt {one['attempt']}: {kind}"
        if one["undone"]:
            kind, told = "undone", f"{told}, then {one['undone']}"
        parts.append(_bar(axis, lanes[one["agent"]], one, kind, told, text))
    for one in facts["reviews"]:
        kind = one["verdict"] or "review"
        told = f"review of {one['task']} by {one['agent']}: {kind}"
        parts.append(_bar(axis, lanes[one["agent"]] + 12, one, kind, told, text, height=6))
    for one in facts["marks"]:
        x, told = axis.x(one["at"]), text(f"{one['op']} {one['phase']}")
        parts.append(
            f'<rect class="mark" x="{x - 1:.1f}" y="14" width="2" height="{height - 14:.0f}">'
            f"<title>{told}</title></rect>"
        )
    return _svg(WIDTH, height, "timeline of agents", parts)


def _bar(
    axis: _Axis,
    y: float,
    one: dict[str, Any],
    kind: str,
    told: str,
    text: Escape,
    *,
    height: float = 16,
) -> str:
    until = one["until"]
    if until is None:
        until = axis.begin + axis.length
    x = axis.x(one["since"])
    width = max(2.0, axis.x(until) - x - 1)
    return (
        f'<rect class="{text(kind)}" data-task="{text(one["task"])}" x="{x:.1f}" y="{y:.0f}" '
        f'width="{width:.1f}" height="{height:.0f}" rx="2"><title>{text(told)}</title></rect>'
    )


def progress(facts: dict[str, Any]) -> str:
    """Draw how many results stood, over time."""
    steps, height = facts["progress"], 160.0
    most = max([1, *(count for _, count in steps)])
    axis = _Axis(facts)
    y, points = height - 10, [f"{LEFT:.1f},{height - 10:.1f}"]
    for at, count in steps:
        x = axis.x(at)
        points.append(f"{x:.1f},{y:.1f}")
        y = height - 10 - (height - 40) * count / most
        points.append(f"{x:.1f},{y:.1f}")
    points.append(f"{axis.x(axis.begin + axis.length):.1f},{y:.1f}")
    parts = [
        *axis.ticks(height),
        f'<text x="0" y="34">{most} results</text>',
        f'<polyline class="line rise" points="{" ".join(points)}"/>',
    ]
    return _svg(WIDTH, height, "results over time", parts)


def graph(facts: dict[str, Any], text: Escape) -> str:
    """Draw the tasks in columns, phase by phase, each after what it needs."""
    places = _places(facts)
    parts = []
    for one in facts["tasks"]:
        for need in one["needs"]:
            if need in places:
                parts.append(
                    _edge(places[need], places[one["id"]], is_chain=_is_chain(facts, need, one))
                )
    for one in facts["tasks"]:
        x, y = places[one["id"]]
        told = text(f"{one['id']}: {one['title']} ({one['state']})")
        state, shown = text(one["state"]), f"{one['id']} {one['title']}"[:LABEL_CHARS]
        parts.append(
            f'<g data-task="{text(one["id"])}"><rect class="{state}" x="{x}" y="{y}" width="6" '
            f'height="22"/><text x="{x + 10}" y="{y + 15}">{text(shown)}</text>'
            f"<title>{told}</title></g>"
        )
    for phase, x in _phase_columns(facts, places):
        parts.append(f'<text class="faint" x="{x}" y="12">{text(phase[:20])}</text>')
    width = max([x for x, _ in places.values()], default=0) + COLUMN
    height = max([y for _, y in places.values()], default=0) + ROW + 10
    return _svg(width, height, "graph of tasks", parts)


def _is_chain(facts: dict[str, Any], need: str, task: dict[str, Any]) -> bool:
    return need in facts["chain"] and task["id"] in facts["chain"]


def _places(facts: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return where each task stands: its phase's column, its level, its row."""
    order = levels({one["id"]: one["after"] for one in facts["phases"]})
    depth = levels({one["id"]: one["needs"] for one in facts["tasks"]})
    keys = sorted(
        {(order.get(one["phase"], 0), one["phase"], depth[one["id"]]) for one in facts["tasks"]}
    )
    columns = {key: number for number, key in enumerate(keys)}
    rows: dict[int, int] = {}
    places = {}
    for one in facts["tasks"]:
        column = columns[order.get(one["phase"], 0), one["phase"], depth[one["id"]]]
        row = rows.get(column, 0)
        rows[column] = row + 1
        places[one["id"]] = (column * COLUMN, 20 + row * ROW)
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
    x, y, to_x, to_y = begin[0] + BOX, begin[1] + 11, end[0] - 2, end[1] + 11
    half = (x + to_x) // 2
    return f'<path class="{kind}" d="M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}"/>'
