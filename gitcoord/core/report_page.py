"""Write the report of a ledger as one HTML page that needs nothing else. Pure.

Everything that stands in a ledger is text of others: it is escaped where it
stands, and control and bidirectional characters are replaced. The page's
content policy lets nothing be loaded, and runs the one script that is ours.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import show_duration
from gitcoord.core.report_drawing import CLASSES, graph, legend, progress, timeline
from gitcoord.core.stats import CONDITIONS

__all__ = ["DARK", "LIGHT", "page", "text"]

MAX_TEXT_CHARS = 300

LIGHT = {
    "ground": "#ffffff",
    "ink": "#1b1f24",
    "faint": "#57606a",
    "good": "#1a7f37",
    "bad": "#b3261e",
    "busy": "#9a6700",
    "calm": "#0a5fb4",
    "other": "#6e4bb8",
}
DARK = {
    "ground": "#0f1318",
    "ink": "#e6edf3",
    "faint": "#9aa4af",
    "good": "#56d364",
    "bad": "#ff8a80",
    "busy": "#e3b341",
    "calm": "#79c0ff",
    "other": "#c4a7ff",
}
"""The colours by what they say; each is read on the ground, and the ground on each."""

_SCRIPT = """
const box = document.getElementById("find");
const rows = [...document.querySelectorAll("#tasks tbody tr")];
const marks = [...document.querySelectorAll("[data-task]")];
box.addEventListener("input", () => {
  const asked = box.value.toLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(asked);
  const shown = new Set(rows.filter((row) => !row.hidden).map((row) => row.dataset.name));
  for (const mark of marks) mark.classList.toggle("dim", !shown.has(mark.dataset.task));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== box) { event.preventDefault(); box.focus(); }
  if (event.key === "Escape") { box.value = ""; box.dispatchEvent(new Event("input")); }
});
"""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  background: var(--ground); color: var(--ink); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .2rem .6rem;
  border-bottom: 1px solid var(--faint); vertical-align: top; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } svg { display: block; }
svg text { fill: var(--ink); font-size: 11px; }
.faint { color: var(--faint); } svg .faint { fill: var(--faint); }
.dim { opacity: .15; } input { font: inherit; padding: .3rem .5rem; width: 20rem; max-width: 100%; }
:focus-visible { outline: 2px solid var(--calm); }
.line { stroke: var(--faint); fill: none; } .chain { stroke: var(--bad); stroke-width: 2; }
.rise { stroke: var(--calm); stroke-width: 2; } .legend svg { display: inline; margin-left: .8rem; }
@media print { .screen { display: none; } body { max-width: none; } }
"""


def text(value: object) -> str:
    """Return a value as it may stand in the page, in an element or an attribute."""
    shown = printable(str(value))
    if len(shown) > MAX_TEXT_CHARS:
        shown = shown[: MAX_TEXT_CHARS - 1] + "…"
    return escape(shown, quote=True)


def page(facts: dict[str, Any]) -> str:
    """Return the whole page."""
    digest = base64.b64encode(sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    title = f"{text(facts['plan'] or facts['ledger'])}: report"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{title}</title>",
        f"<style>{_colours()}{_STYLE}</style></head><body><main>",
        f"<h1>{title}</h1>",
        f'<p class="faint">as of entry {text(facts["tip"][:12])}, {text(facts["until"])}</p>',
        *_sections(facts),
        "</main>",
        f'<script type="application/json" id="facts">{_embedded(facts)}</script>',
        f"<script>{_SCRIPT}</script>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _colours() -> str:
    """Return the colours by the reader's preference, and what is drawn in them."""
    light = "".join(f"--{name}: {value};" for name, value in LIGHT.items())
    dark = "".join(f"--{name}: {value};" for name, value in DARK.items())
    drawn = "".join(
        f".{name} {{ fill: var(--{colour}); color: var(--{colour}); }}"
        for name, colour in CLASSES.items()
    )
    return (
        f":root {{ color-scheme: light dark; {light} }}"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}{drawn}"
    )


def _embedded(facts: dict[str, Any]) -> str:
    """Return the facts as JSON that cannot end the element it stands in."""
    raw = json.dumps(facts, ensure_ascii=True, sort_keys=True)
    for character in "<>&":
        raw = raw.replace(character, f"\\u{ord(character):04x}")
    return raw


def _sections(facts: dict[str, Any]) -> Iterable[str]:
    yield "<h2>Is it worth it?</h2>"
    yield _conditions(facts["conditions"])
    yield _counted(facts)
    yield "<h2>Who did what, when</h2>"
    yield legend(("completed", "failed", "undone", "released", "running", "review", "mark"))
    yield f'<div class="scroll">{timeline(facts, text)}</div>'
    yield "<h2>Results over time</h2>"
    yield f'<div class="scroll">{progress(facts)}</div>'
    yield "<h2>What needs what</h2>"
    yield legend(("landed", "claimed", "ready", "waiting", "failed"))
    yield f'<div class="scroll">{graph(facts, text)}</div>'
    yield "<h2>Agents</h2>"
    yield _groups(facts["agents"])
    yield "<h2>Tasks</h2>"
    yield (
        '<p class="screen"><label>Find: <input id="find" type="search" '
        'placeholder="task, agent, state (press /)"></label></p>'
    )
    yield _tasks(facts["tasks"])


def _table(head: Sequence[str], rows: Iterable[str], name: str = "") -> str:
    cells = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    label = ""
    if name:
        label = f' id="{name}"'
    body = "".join(rows)
    whole = f"<table{label}><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{whole}</div>'


def _row(cells: Iterable[object], more: str = "") -> str:
    return f"<tr{more}>{''.join(f'<td>{text(cell)}</td>' for cell in cells)}</tr>"


def _conditions(found: list[dict[str, Any]]) -> str:
    rows = []
    for one in found:
        condition = CONDITIONS[one["name"]]
        wanted = f"under {condition.threshold:g}"
        if condition.is_over:
            wanted = f"over {condition.threshold:g}"
        rows.append(
            _row((condition.title, _number(one["value"]), wanted, _verdict(one), one["how"]))
        )
    return _table(("condition", "is", "wanted", "verdict", "taken from"), rows)


def _verdict(condition: dict[str, Any]) -> str:
    if condition["is_met"] is None:
        return "not known"
    if condition["is_met"]:
        return "met"
    return "not met"


def _number(value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{value:.3g}"


def _duration(ms: int | None) -> str:
    if ms is None:
        return "not known"
    return show_duration(ms)


def _counted(facts: dict[str, Any]) -> str:
    counts = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in facts["counts"].items() if count
    )
    times = ", ".join(
        f"{name.removesuffix('_ms')} {_duration(ms)}" for name, ms in facts["times"].items()
    )
    return f"<p>{text(counts)}</p><p>{text(times)}</p>"


def _groups(groups: list[dict[str, Any]]) -> str:
    rows = (
        _row(
            (
                one["name"],
                one["attempts"],
                one["standing"],
                one["setbacks"],
                _duration(one["work_ms"]),
                _duration(one["waiting_ms"]),
            )
        )
        for one in groups
    )
    return _table(("agent", "attempts", "standing", "setbacks", "worked", "waited"), rows)


def _tasks(tasks: list[dict[str, Any]]) -> str:
    rows = (
        _row(
            (
                one["id"],
                one["title"],
                one["state"],
                one["phase"],
                one["agent"] or "-",
                one["attempts"],
                _duration(one["took_ms"]),
            ),
            f' data-name="{text(one["id"])}"',
        )
        for one in tasks
    )
    head = ("task", "title", "state", "phase", "agent", "attempts", "took")
    return _table(head, rows, "tasks")
