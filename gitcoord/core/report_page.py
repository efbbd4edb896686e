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
from gitcoord.core.report_drawing import TRACK, Axis, legend, load, progress, timeline, track
from gitcoord.core.report_graph import graph
from gitcoord.core.report_script import LIVE_SCRIPT, SCRIPT
from gitcoord.core.report_style import stylesheet
from gitcoord.core.report_words import (
    bar_of,
    condition_words,
    cost_words,
    duration,
    tokens_words,
)
from gitcoord.core.texts import counted
from gitcoord.core.times import span

__all__ = ["content", "live_page", "live_policy", "page", "policy", "text"]

MAX_TEXT_CHARS = 300
_FOUR = (
    ("needs_you", "needs", "needs you"),
    ("stuck", "stuck", "stuck"),
    ("running", "runs", "running"),
    ("next", "next", "next"),
)
_DRAWN = (
    ("completed", "completed or passed"),
    ("failed", "failed, expired or rejected"),
    ("undone", "undone later"),
    ("released", "given back or taken away"),
    "running",
    "review",
    "wait",
    ("limit", "usage limit"),
    "landing",
    "rollback",
)
_STATES = (
    "landed",
    "done",
    "claimed",
    "review",
    "ready",
    "waiting",
    "failed",
    "blocked",
    "cancelled",
)


def text(value: object) -> str:
    """Return a value as it may stand in the page, in an element or an attribute."""
    shown = printable(str(value))
    if len(shown) > MAX_TEXT_CHARS:
        shown = shown[: MAX_TEXT_CHARS - 1] + "…"
    return escape(shown, quote=True)


def policy(script: str) -> str:
    """Return a content policy for our style and one script of ours; it loads nothing."""
    return (
        f"default-src 'none'; style-src {_digest(stylesheet())}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def live_policy() -> str:
    """Return the content policy of the live page, which asks its own server alone."""
    return f"{policy(LIVE_SCRIPT)}; connect-src 'self'"


def _digest(source: str) -> str:
    """Return what names an element's whole text in a content policy."""
    return f"'sha256-{base64.b64encode(sha256(source.encode()).digest()).decode()}'"


def page(facts: dict[str, Any]) -> str:
    """Return the whole page."""
    parts = [
        *_head(f"{_title(facts)}: report", policy(SCRIPT)),
        content(facts),
        '<div id="tip" role="status" hidden></div>',
        f'<script type="application/json" id="facts">{_embedded(facts)}</script>',
        f"<script>{SCRIPT}</script>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


def content(facts: dict[str, Any]) -> str:
    """Return what the page shows: its one main element."""
    parts = [
        "<main>",
        '<div class="top">',
        f"<h1>{_title(facts)}: report</h1>",
        '<p class="screen"><button id="theme" type="button">light or dark</button></p></div>',
        f'<p class="faint">as of entry {text(facts["tip"][:12])}, {text(facts["until"])}; with '
        f"git: <code>{text(facts['git'])}</code></p>",
        *_sections(facts),
        "</main>",
    ]
    return "\n".join(parts)


def live_page() -> str:
    """Return a page that knows nothing yet: its script asks for the content, again and again."""
    parts = [
        *_head("report", live_policy()),
        '<div class="live screen"><span id="live" role="status">reading the ledger</span>',
        '<button id="pause" type="button" aria-pressed="false">pause</button></div>',
        "<main></main>",
        '<div id="tip" role="status" hidden></div>',
        f"<script>{LIVE_SCRIPT}</script>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _head(title: str, allowed: str) -> Iterable[str]:
    """Return how a page begins; its title is escaped already."""
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{title}</title>"
    yield f"<style>{stylesheet()}</style></head><body>"


def _title(facts: dict[str, Any]) -> str:
    return text(facts["plan"] or facts["ledger"])


def _embedded(facts: dict[str, Any]) -> str:
    """Return the facts as JSON that cannot end the element it stands in."""
    raw = json.dumps(facts, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        raw = raw.replace(character, f"\\u{ord(character):04x}")
    return raw


def _sections(facts: dict[str, Any]) -> Iterable[str]:
    yield "<h2>How it stands</h2>"
    yield from _now(facts)
    yield "<h2>Is it worth it?</h2>"
    yield f'<div class="cards">{"".join(map(_condition, facts["conditions"]))}</div>'
    yield _counted(facts)
    yield "<h2>Who did what, when</h2>"
    yield legend(_DRAWN)
    yield f'<div class="scroll">{timeline(facts, text)}</div>'
    yield "<h2>Results over time</h2>"
    yield legend((("completed", "results that stand"), ("landing", "landed")))
    yield f'<div class="scroll">{progress(facts)}</div>'
    yield "<h2>Contention</h2>"
    yield _contention(facts)
    yield "<h2>What needs what</h2>"
    yield legend(_STATES)
    yield '<p class="faint">The longest chain of tasks is drawn bold.</p>'
    yield f'<div class="scroll">{graph(facts, text)}</div>'
    yield "<h2>Work and cost</h2>"
    for name, groups in facts["groups"].items():
        yield f"<h3>By {name}</h3>"
        yield _groups(name, groups)
    yield "<h2>Tasks</h2>"
    yield _find(facts)
    yield _tasks(facts)


def _now(facts: dict[str, Any]) -> Iterable[str]:
    """Answer the four questions, and say when it will be done."""
    rows = []
    for name, kind, words in _FOUR:
        for one in facts["now"][name]:
            rows.append(
                f'<li class="{kind}"><b>{words}</b>: {text(one["text"])} '
                f"<code>{text(one['command'])}</code></li>"
            )
    if rows:
        yield f'<ul class="items">{"".join(rows)}</ul>'
    counts: dict[str, int] = {}
    for one in facts["tasks"]:
        counts[one["state"]] = counts.get(one["state"], 0) + 1
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    yield f"<p>{counted(len(facts['tasks']), 'tasks')}: {text(told or 'none')}</p>"
    eta = facts["now"]["eta"]
    end = eta["basis"]
    if eta["from"] is not None:
        end = f"{span(eta['from'], eta['to'])}, by {eta['basis']}"
    yield f"<p>end: {text(end)}</p>"


def _condition(one: dict[str, Any]) -> str:
    title, value, wanted, verdict = condition_words(one)
    return (
        f'<div class="card"><span>{text(title)}</span><strong>{text(value)}</strong>'
        f"{bar_of(one)}"
        f"<p>{text(verdict)}, wanted {text(wanted)}</p>"
        f'<p class="faint">{text(one["how"])}</p></div>'
    )


def _counted(facts: dict[str, Any]) -> str:
    counts = ", ".join(
        counted(count, name.replace("_", " ")) for name, count in facts["counts"].items() if count
    )
    times = ", ".join(
        f"{name.removesuffix('_ms')} {duration(ms)}" for name, ms in facts["times"].items()
    )
    used = f"tokens {tokens_words(facts['usage'])}, cost {cost_words(facts['usage'])}"
    return f"<p>{text(counts)}</p><p>{text(times)}</p><p>{text(used)}</p>"


def _contention(facts: dict[str, Any]) -> str:
    """Tell who waited, and which tasks were given back, taken over or done again."""
    names = ("conflicts", "culprits", "redone", "takeovers", "retries", "released")
    told = ", ".join(counted(facts["counts"].get(name, 0), name) for name in names)
    kinds = (("completed", "agents at work"), ("failed", "agents that wait for a task (broken)"))
    drawn = legend(kinds)
    return (
        f"<p>{text(told)}; agents waited {text(duration(facts['times'].get('waiting_ms')))} "
        f'in all.</p>{drawn}<div class="scroll">{load(facts)}</div>'
    )


def _table(head: Sequence[str], rows: Iterable[str], name: str = "", numbers: int = 99) -> str:
    """Return a table whose columns from one on are numbers."""
    cells = "".join(
        f'<th scope="col"{_numeric(place >= numbers)}>{text(cell)}</th>'
        for place, cell in enumerate(head)
    )
    label = ""
    if name:
        label = f' id="{name}"'
    body = "".join(rows)
    whole = f"<table{label}><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{whole}</div>'


def _numeric(is_number: bool) -> str:
    if is_number:
        return ' class="n"'
    return ""


def _groups(name: str, groups: list[dict[str, Any]]) -> str:
    rows = []
    for one in groups:
        cells = (
            one["attempts"],
            one["standing"],
            one["setbacks"],
            duration(one["work_ms"]),
            duration(one["wasted_ms"]),
            duration(one["waiting_ms"]),
            tokens_words(one["usage"]),
            cost_words(one["usage"]),
        )
        shown = "".join(f'<td class="n">{text(cell)}</td>' for cell in cells)
        rows.append(f"<tr><td>{text(one['name'])}</td>{shown}</tr>")
    head = ("attempts", "standing", "setbacks", "worked", "wasted", "waited", "tokens", "cost")
    return _table((name, *head), rows, numbers=1)


def _find(facts: dict[str, Any]) -> str:
    """Return the fields that choose tasks."""
    choices = []
    for name in ("state", "phase", "agent"):
        known = dict.fromkeys(one[name] for one in facts["tasks"] if one[name])
        options = "".join(f'<option value="{text(one)}">{text(one)}</option>' for one in known)
        choices.append(
            f'<label>{name} <select id="{name}"><option value="">any</option>{options}</select>'
            "</label>"
        )
    return (
        '<div class="find screen"><label>find <input id="find" type="search" '
        f'placeholder="words (press /)"></label>{"".join(choices)}'
        '<button id="clear" type="button">clear</button>'
        '<output id="shown"></output></div><p class="faint screen">Keys: / find, j and k next and '
        "previous task, t light or dark, Escape clear.</p>"
    )


def _tasks(facts: dict[str, Any]) -> str:
    own: dict[str, list[dict[str, Any]]] = {}
    for one in facts["attempts"]:
        own.setdefault(one["task"], []).append(one)
    axis = Axis(facts, left=0, width=TRACK)
    rows = (_task(one, axis, own.get(one["id"], [])) for one in facts["tasks"])
    head = ("task", "title", "state", "phase", "agent", "attempts", "took", "when")
    return _table(head, rows, "tasks")


def _task(one: dict[str, Any], axis: Axis, attempts: list[dict[str, Any]]) -> str:
    """Return the row of a task, which the keys lead to."""
    chosen = "".join(f' data-{name}="{text(one[name] or "")}"' for name in ("state", "phase"))
    return (
        f'<tr tabindex="-1" data-name="{text(one["id"])}"{chosen} '
        f'data-agent="{text(one["agent"] or "")}"><td>{text(one["id"])}</td>'
        f'<td>{text(one["title"])}</td><td><span class="state {text(one["state"])}">'
        f"{text(one['state'])}</span></td><td>{text(one['phase'])}</td>"
        f'<td>{text(one["agent"] or "-")}</td><td class="n">{one["attempts"]}</td>'
        f'<td class="n">{text(duration(one["took_ms"]))}</td>'
        f"<td>{track(axis, attempts, text)}</td></tr>"
    )
