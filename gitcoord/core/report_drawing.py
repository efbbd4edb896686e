"""Draw a ledger's time as SVG: who did what when, and what came of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gitcoord.core.ids import AgentId, PhaseId
from gitcoord.core.texts import counted
from gitcoord.core.times import instant

__all__ = [
    "CLASSES",
    "HOLLOW",
    "TRACK",
    "Axis",
    "legend",
    "load",
    "progress",
    "svg",
    "timeline",
    "track",
]

Escape = Callable[[object], str]

WIDTH, LEFT, RIGHT, LANE, TICKS = 1100, 120, 40, 24, 6
TRACK = 240
"""How wide the attempts at one task are drawn in its row."""
LABEL_CHARS = 18
DAY_S = 86_400
PARTS = 100
"""In how many parts of the time agents are counted."""
CLASSES = {
    "completed": "good",
    "done": "good",
    "landed": "good",
    "passed": "good",
    "failed": "bad",
    "expired": "bad",
    "undone": "bad",
    "blocked": "bad",
    "rejected": "bad",
    "claimed": "busy",
    "running": "busy",
    "review": "calm",
    "approved": "calm",
    "ready": "calm",
    "landing": "other",
    "limit": "rest",
    "rollback": "ink",
    "wait": "faint",
    "waiting": "faint",
    "open": "faint",
    "released": "faint",
    "cancelled": "faint",
    "assigned": "faint",
    "abandoned": "faint",
    "ended": "faint",
}
"""In which colour each state, end and mark is drawn."""
HOLLOW = frozenset(
    {
        "done",
        "ready",
        "blocked",
        "undone",
        "released",
        "cancelled",
        "assigned",
        "abandoned",
        "ended",
    }
)
"""What is drawn as an outline, beside something full of the same colour: not yet, or not any more.

So no two things of one legend look the same.
"""


def svg(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """Return a drawing with its name for who cannot see it."""
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def legend(kinds: Iterable[str | tuple[str, str]]) -> str:
    """Return the kinds that are drawn, or what they stand for here, each with its colour."""
    parts = []
    for one in kinds:
        kind, words = one, one
        if isinstance(one, tuple):
            kind, words = one
        parts.append(
            f'<span><svg width="12" height="12" aria-hidden="true"><rect class="{kind}" x="1" '
            f'y="1" width="10" height="10"/></svg> {words}</span>'
        )
    return f'<p class="legend">{" ".join(parts)}</p>'


class Axis:
    """Times on the width of a drawing."""

    def __init__(self, facts: dict[str, Any], left: int = LEFT, width: int = WIDTH) -> None:
        self.begin: int = facts["begun"]
        self.length: int = max(1, facts["ended"] - self.begin)
        self._left = left
        self._width = width - left
        if left:
            self._width -= RIGHT

    @property
    def end(self) -> int:
        """Return the last time that is drawn."""
        return self.begin + self.length

    def x(self, seconds: float) -> float:
        """Return where a time is drawn, within the drawing."""
        inside = min(max(seconds, self.begin), self.end)
        return self._left + self._width * (inside - self.begin) / self.length

    def ticks(self, height: float) -> Iterable[str]:
        """Draw some times, with a line down each."""
        for number in range(TICKS + 1):
            seconds = self.begin + self.length * number // TICKS
            x, shown = self.x(seconds), instant(seconds)
            label = shown[11:19]
            if self.length > DAY_S:
                label = f"{shown[5:10]} {shown[11:16]}"
            yield f'<line class="line" x1="{x:.1f}" y1="16" x2="{x:.1f}" y2="{height:.0f}"/>'
            yield (f'<text class="faint" text-anchor="middle" x="{x:.1f}" y="11">{label}</text>')


def timeline(facts: dict[str, Any], text: Escape) -> str:
    """Draw lanes of agents with all they did, of phases with gates and landings.

    Above a bar stands how long its agent waited for it, below it the
    reviews; rollbacks go across.
    """
    axis, parts, y = Axis(facts), list[str](), 22
    for agent, rows in _lanes(facts).items():
        parts.append(_label(agent, y, text))
        for row in rows:
            for one in row:
                parts += _attempt(axis, y, one, text)
            y += LANE
        parts += _beside(axis, y - LANE, facts, agent, text)
    for phase in facts["phases"]:
        shown = list(_of_phase(axis, y, facts, phase["id"], text))
        if shown:
            parts += [_label(f"phase {phase['id']}", y, text), *shown]
            y += LANE
    for at in facts["rollbacks"]:
        parts.append(
            f'<rect class="rollback" data-mark="" x="{axis.x(at) - 1:.1f}" y="14" width="2" '
            f'height="{y - 14}"><title>rollback</title></rect>'
        )
    height = y + 8
    return svg(WIDTH, height, "timeline of agents", [*axis.ticks(height), *parts])


def _label(name: str, y: float, text: Escape) -> str:
    shown = name
    if len(name) > LABEL_CHARS:
        shown = f"{name[: LABEL_CHARS - 1]}…"
    return f'<text x="0" y="{y + 14:.0f}">{text(shown)}</text>'


def _lanes(facts: dict[str, Any]) -> dict[AgentId, list[list[dict[str, Any]]]]:
    """Return each agent's attempts in as many rows as it had claims at once."""
    names = dict.fromkeys(one["agent"] for one in (*facts["attempts"], *facts["reviews"]))
    lanes: dict[AgentId, list[list[dict[str, Any]]]] = {agent: [[]] for agent in names}
    for one in sorted(facts["attempts"], key=lambda one: int(one["since"])):
        rows = lanes[one["agent"]]
        free = [row for row in rows if not row or _until(row[-1], facts) <= one["since"]]
        if not free:
            rows.append([])
            free = rows[-1:]
        free[0].append(one)
    return lanes


def _until(one: dict[str, Any], facts: dict[str, Any]) -> int:
    """Return when something ended; what still goes on lasts to the end of the drawing."""
    if one["until"] is None:
        return int(facts["ended"])
    return int(one["until"])


def kind_of(one: dict[str, Any]) -> str:
    """Return as what an attempt is drawn."""
    if one["undone"]:
        return "undone"
    return one["end"] or "running"


def told_of(one: dict[str, Any]) -> str:
    """Return what is said of an attempt where somebody points at it."""
    told = f"{one['task']} by {one['agent']}, attempt {one['attempt']}: {one['end'] or 'running'}"
    if one["took_ms"] is not None:
        told += f" after {one['took_ms'] / 1000:g} s"
    if one["undone"]:
        told += f", then {one['undone']}"
    if one["wait_ms"]:
        told += f"; waited {one['wait_ms'] / 1000:g} s for it"
    if one["limit_ms"] is not None:
        told += f"; usage limit for {one['limit_ms'] / 1000:g} s"
    return told


def _attempt(axis: Axis, y: float, one: dict[str, Any], text: Escape) -> Iterable[str]:
    """Draw an attempt, the wait before it and the limit that ended it."""
    since, until, task = one["since"], one["until"], one["task"]
    if until is None:
        until = axis.end
    if one["wait_ms"]:
        told = f"{one['agent']} waited {one['wait_ms'] / 1000:g} s for {task}"
        begun = since - one["wait_ms"] / 1000
        yield _bar(axis, (y, 3), (begun, since), "wait", (task, told), text)
    yield _bar(axis, (y + 4, 12), (since, until), kind_of(one), (task, told_of(one)), text)
    if one["limit_ms"] is not None:
        told = f"{one['agent']} kept {task} back: usage limit"
        over = until + one["limit_ms"] / 1000
        yield _bar(axis, (y + 8, 4), (until, over), "limit", (task, told), text)


def _beside(
    axis: Axis, y: float, facts: dict[str, Any], agent: AgentId, text: Escape
) -> Iterable[str]:
    """Draw an agent's reviews and checks, on its last row."""
    for one in facts["reviews"]:
        if one["agent"] == agent:
            kind = one["verdict"] or "review"
            told = f"review of {one['task']} by {agent}: {kind}"
            span = (one["since"], _until(one, facts))
            yield _bar(axis, (y + 17, 5), span, kind, (one["task"], told), text)
    for one in facts["runs"]:
        if one["kind"] == "check" and one["agent"] == agent:
            told = f"check of {one['of']}: {one['verdict']} after {one['millis'] / 1000:g} s"
            span = (one["at"] - one["millis"] / 1000, one["at"])
            yield _bar(axis, (y + 1, 3), span, _passed(one), (one["of"], told), text)


def _of_phase(
    axis: Axis, y: float, facts: dict[str, Any], phase: PhaseId, text: Escape
) -> Iterable[str]:
    """Draw a phase's gates and landings."""
    for one in facts["runs"]:
        if one["kind"] == "gate" and one["of"] == phase:
            took = f"{one['millis'] / 1000:g} s"
            told = f"gate {one['gate']} of {phase}: {one['verdict']} after {took}"
            span = (one["at"] - one["millis"] / 1000, one["at"])
            yield _bar(axis, (y + 4, 12), span, _passed(one), ("", told), text)
    for one in facts["landings"]:
        if one["phase"] == phase:
            told = (
                f"landing of {phase}, {counted(one['count'], 'results')}: {one['end'] or 'pending'}"
            )
            span = (one["since"], _until(one, facts))
            yield _bar(axis, (y, 20), span, "landing", ("", told), text)


def _passed(run: dict[str, Any]) -> str:
    if run["verdict"] == "passed":
        return "passed"
    return "failed"


def _bar(
    axis: Axis,
    lane: tuple[float, float],
    span: tuple[float, float],
    kind: str,
    about: tuple[str, str],
    text: Escape,
) -> str:
    """Draw a bar: in a lane of some height, over a time, about a task, with words."""
    (y, height), (since, until), (task, told) = lane, span, about
    x = axis.x(since)
    width = max(2.0, axis.x(until) - x - 1)
    of = ' data-mark=""'
    if task:
        of = f' data-task="{text(task)}"'
    return (
        f'<rect class="{text(kind)}"{of} x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" '
        f'height="{height:.0f}"><title>{text(told)}</title></rect>'
    )


def track(axis: Axis, attempts: Sequence[dict[str, Any]], text: Escape) -> str:
    """Draw the attempts at one task, small, for its row."""
    parts = []
    for one in attempts:
        x, until = axis.x(one["since"]), one["until"]
        if until is None:
            until = axis.end
        width = max(2.0, axis.x(until) - x - 1)
        parts.append(
            f'<rect class="{text(kind_of(one))}" x="{x:.1f}" width="{width:.1f}" height="12"/>'
        )
    return (
        f'<svg class="track" viewBox="0 0 {TRACK} 12" preserveAspectRatio="none" '
        f'aria-hidden="true">{"".join(parts)}</svg>'
    )


# over time


def progress(facts: dict[str, Any]) -> str:
    """Draw how many results stood and how many had landed, over time, of all tasks."""
    landed: list[tuple[int, int]] = []
    count = 0
    for one in facts["landings"]:
        if one["end"] == "landed":
            count += one["count"]
            landed.append((one["until"], count))
    lines = (("rise", facts["progress"]), ("rise other", landed))
    return _chart(facts, lines, len(facts["tasks"]), ("tasks", "results over time"))


def load(facts: dict[str, Any]) -> str:
    """Draw how many agents were at work, and how many waited for a task, as averages."""
    at_work: dict[AgentId, list[tuple[float, float]]] = {}
    waiting: dict[AgentId, list[tuple[float, float]]] = {}
    for one in facts["attempts"]:
        until = _until(one, facts)
        if one["took_ms"] is not None:
            until = one["since"] + one["took_ms"] / 1000
        at_work.setdefault(one["agent"], []).append((one["since"], until))
        if one["wait_ms"]:
            waited = (one["since"] - one["wait_ms"] / 1000, one["since"])
            waiting.setdefault(one["agent"], []).append(waited)
    lines = (
        ("rise", _averages(facts, _each_once(at_work))),
        ("rise waiting", _averages(facts, _each_once(waiting))),
    )
    most = max([1, *(math.ceil(count) for _, line in lines for _, count in line)])
    return _chart(facts, lines, most, ("agents", "agents at work and waiting"))


def _each_once(
    spans: dict[AgentId, list[tuple[float, float]]],
) -> Iterable[tuple[float, float]]:
    """Return when each agent did something, whatever it did at once.

    An agent may have several claims. And the time of a claim's entry is cut to
    the second while it is known exactly how long it took, so that its end may
    seem to lie after the next claim.
    """
    for own in spans.values():
        over = -math.inf
        for since, until in sorted(own):
            if until > over:
                yield max(since, over), until
                over = until


def _averages(
    facts: dict[str, Any], spans: Iterable[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Return how many spans lay over each part of the drawing, on the average."""
    begin = facts["begun"]
    each = max(1, facts["ended"] - begin) / PARTS
    sums = [0.0] * PARTS
    for since, until in spans:
        first = max(0, int((since - begin) / each))
        last = min(PARTS - 1, int((until - begin) / each))
        for number in range(first, last + 1):
            from_s = max(since, begin + number * each)
            to_s = min(until, begin + (number + 1) * each)
            sums[number] += max(0.0, to_s - from_s)
    steps = [(begin + number * each, total / each) for number, total in enumerate(sums)]
    return [(at, round(count, 3)) for at, count in steps]


def _chart(
    facts: dict[str, Any],
    lines: Iterable[tuple[str, Sequence[Sequence[float]]]],
    most: float,
    words: tuple[str, str],
) -> str:
    """Draw counts as steps, each line with its classes."""
    axis, height = Axis(facts), 160.0
    unit, label = words
    bottom, room = height - 10, height - 40
    parts = [
        *axis.ticks(height),
        f'<text x="0" y="34">{counted(math.ceil(most), unit)}</text>',
        f'<text x="0" y="{bottom:.0f}">0</text>',
        f'<line class="line" x1="{LEFT}" y1="30" x2="{WIDTH - RIGHT}" y2="30"/>',
    ]
    for kind, steps in lines:
        y, points = bottom, [f"{LEFT:.1f},{bottom:.1f}"]
        for at, count in steps:
            x = axis.x(at)
            points.append(f"{x:.1f},{y:.1f}")
            y = bottom - room * count / max(1, most)
            points.append(f"{x:.1f},{y:.1f}")
        points.append(f"{axis.x(axis.end):.1f},{y:.1f}")
        parts.append(f'<polyline class="line {kind}" points="{" ".join(points)}"/>')
    return svg(WIDTH, height, label, parts)
