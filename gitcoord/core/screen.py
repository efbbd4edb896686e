"""The screen of a watcher: what stands on it, and what a key does. Pure.

It draws lines with a style each and says which act a key asks for; it
reads no terminal, and does nothing itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gitcoord.core.codec import printable
from gitcoord.core.shapes import NamedTuple

__all__ = ["Act", "Line", "Page", "Shown", "draw", "lines_of", "press"]

QUESTIONS = (
    ("needs_you", "NEEDS YOU", "needs"),
    ("stuck", "STUCK", "stuck"),
    ("running", "RUNNING", "running"),
    ("next", "NEXT", "next"),
)
KEYS = "j k choose, Enter look, l log, d diff, a answer, r retry, x release, L land, q"
PAGE_KEYS = "j k scroll  Space page  q back"
LOOKS = {"enter": "show", "l": "log", "d": "diff"}
MAX_EVENTS = 5
_FREE_LINES = 14
"""From how many lines on the newest events are shown, too."""


class Line(NamedTuple):
    """One line of the screen, in a style: the name of a question, or how it stands out."""

    style: str
    text: str


class Act(NamedTuple):
    """What a key asks for: a command's words, or a look at a task by name."""

    kind: str
    """``quit``, ``command``, ``show``, ``log`` or ``diff``."""
    words: tuple[str, ...] = ()


@dataclass(slots=True)
class Page:
    """A text that is looked into; ``is_followed`` while its end is what is shown."""

    title: str
    lines: list[str]
    top: int = 0
    is_followed: bool = False


@dataclass(slots=True)
class Shown:
    """Everything that the screen depends on."""

    told: dict[str, Any] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    chosen: int = 0
    top: int = 0
    page: Page | None = None
    prompt: str | None = None
    """The answer that is being written; None while there is none."""
    note: str = ""

    def take(self, told: dict[str, Any]) -> None:
        """Show how it stands now, and keep the choice on what it was about."""
        before = self.item
        self.told = told
        self.events += [f"{one['at'][11:19]}  {one['subject']}" for one in told["events"]]
        del self.events[:-MAX_EVENTS]
        items = self.items
        for number, (_, one) in enumerate(items):
            if before is not None and _about(one) == _about(before):
                self.chosen = number
        self.chosen = max(0, min(self.chosen, len(items) - 1))

    @property
    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all that can be chosen, with the question that it answers."""
        return [(name, one) for name, _, _ in QUESTIONS for one in self.told.get(name, ())]

    @property
    def item(self) -> dict[str, Any] | None:
        """Return what is chosen."""
        items = self.items
        if not items:
            return None
        return items[min(self.chosen, len(items) - 1)][1]


def _about(item: dict[str, Any]) -> tuple[Any, ...]:
    return item["kind"], item["task"], item["phase"], item["agent"], item["command"]


# drawing


def draw(shown: Shown, width: int, height: int) -> list[Line]:
    """Return the lines of the screen, no longer and no more than fit."""
    if shown.page is not None:
        lines = _page(shown.page, height)
    else:
        lines = _overview(shown, height)
    return [Line(style, printable(text)[:width]) for style, text in lines[:height]]


def _overview(shown: Shown, height: int) -> list[Line]:
    body, chosen_at = _body(shown)
    events = shown.events
    if height < _FREE_LINES:
        events = []
    below = [Line("dim", f"  {text}") for text in events]
    if below:
        below.insert(0, Line("head", "EVENTS"))
    foot = _foot(shown)
    room = max(1, height - 1 - len(below) - len(foot))
    # The chosen line stays in view, with its heading where that fits.
    shown.top = max(min(shown.top, chosen_at - 1), chosen_at - room + 1, 0)
    shown.top = min(shown.top, max(0, len(body) - room))
    visible = body[shown.top : shown.top + room]
    filled = visible + [Line("", "")] * (room - len(visible))
    return [Line("title", _title(shown.told)), *filled, *below, *foot]


def _title(told: dict[str, Any]) -> str:
    """Return how much is done, and when the rest will be."""
    if not told:
        return "reading the ledger"
    counts = told["counts"]
    done = sum(counts.get(state, 0) for state in ("done", "landed", "cancelled"))
    eta = told["eta"]
    end = eta["basis"]
    if eta["from"] is not None:
        end = _span(eta["from"], eta["to"])
    others = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{done} of {sum(counts.values())} over; end {end}; {others or 'no tasks'}"


def _span(begin: str, end: str) -> str:
    """Return a span of time to the minute, the day of its end where it is another one."""
    day, time = begin[:10], begin[11:16]
    until = end[11:16]
    if end[:16] == begin[:16]:
        return f"{day} {time} UTC"
    if end[:10] != day:
        until = f"{end[:10]} {until}"
    return f"{day} {time} to {until} UTC"


def _body(shown: Shown) -> tuple[list[Line], int]:
    """Return the answers to the four questions, and which line is the chosen one."""
    lines, number, chosen_at = list[Line](), 0, 0
    for name, head, style in QUESTIONS:
        items = shown.told.get(name, ())
        if not items:
            continue
        lines.append(Line("head", f"{head} {len(items)}{_with_git(name, shown.told)}"))
        for one in items:
            mark, look = " ", style
            if number == shown.chosen:
                mark, look, chosen_at = ">", f"{style} chosen", len(lines)
            lines.append(Line(look, f"{mark} {_words(name, one)}"))
            number += 1
    if shown.told and not lines:
        lines.append(Line("dim", "nothing needs you, is stuck, runs or is next"))
    return lines, chosen_at


def _with_git(name: str, told: dict[str, Any]) -> str:
    """Return the git command that lists who holds what, beside who does."""
    if name != "running":
        return ""
    return f"  with git: {told['git']}"


def _words(name: str, one: dict[str, Any]) -> str:
    """Return what is said of an item."""
    if name != "running":
        return f"{one['kind']}: {one['text']}"
    since = (one["since"] or "")[11:19]
    return f"{one['task']} by {one['agent']} since {since}: {one['text']}"


def _foot(shown: Shown) -> list[Line]:
    if shown.prompt is not None:
        return [Line("head", f"answer: {shown.prompt}_"), Line("dim", "Enter send  Escape leave")]
    item = shown.item
    second = shown.note
    if not second and item is not None:
        second = f"next: {item['command']}"
    return [Line("note", second), Line("dim", KEYS)]


def _page(page: Page, height: int) -> list[Line]:
    room = max(1, height - 2)
    last = max(0, len(page.lines) - room)
    if page.is_followed:
        page.top = last
    page.top = max(0, min(page.top, last))
    visible = page.lines[page.top : page.top + room]
    filled = [Line(_style_of(page, text), text) for text in visible]
    filled += [Line("", "")] * (room - len(visible))
    where = f"{page.top + len(visible)} of {len(page.lines)} lines"
    return [Line("title", f"{page.title}, {where}"), *filled, Line("dim", PAGE_KEYS)]


def _style_of(page: Page, text: str) -> str:
    """Return the style of a line: what a diff adds and takes away stands out."""
    if not page.title.startswith("diff"):
        return ""
    return {"+": "next", "-": "needs", "@": "running"}.get(text[:1], "")


# keys


def press(shown: Shown, key: str, height: int) -> Act | None:
    """Change what is shown by a key; return what has to be done for it."""
    if shown.prompt is not None:
        return _write(shown, key)
    if shown.page is not None:
        _leaf(shown, shown.page, key, max(1, height - 3))
        return None
    shown.note = ""
    if key == "q":
        return Act("quit")
    steps = {"j": 1, "down": 1, "k": -1, "up": -1, "page-down": height // 2, " ": height // 2}
    steps |= {"page-up": -(height // 2), "g": -len(shown.items), "G": len(shown.items)}
    if key in steps:
        last = max(0, len(shown.items) - 1)
        shown.chosen = max(0, min(last, shown.chosen + steps[key]))
        return None
    item = shown.item
    if item is None:
        return None
    return _act(shown, key, item)


def _act(shown: Shown, key: str, item: dict[str, Any]) -> Act | None:
    """Return what a key asks to be done about an item; a note where it cannot be."""
    phase = item["phase"]
    if key == "a":
        if item["kind"] == "escalation":
            shown.prompt = ""
        else:
            shown.note = "only an escalation can be answered"
        return None
    if key == "L":
        if phase is None:
            shown.note = "that is about no phase"
            return None
        return Act("command", ("phase", "land", phase))
    if key in LOOKS or key in {"r", "x"}:
        return _about_task(shown, key, item)
    return None


def _about_task(shown: Shown, key: str, item: dict[str, Any]) -> Act | None:
    """Return a look into a task, or what is to be done to it."""
    task, agent = item["task"], item["agent"]
    if task is None:
        shown.note = "that is about no task"
        return None
    if key in LOOKS:
        return Act(LOOKS[key], (task,))
    if key == "r":
        return Act("command", ("retry", task))
    if agent is None or item["kind"] == "escalation":
        shown.note = "nobody holds that"
        return None
    return Act("command", ("release", task, "--agent", agent, "--reason", "released by a person"))


def _write(shown: Shown, key: str) -> Act | None:
    """Write an answer, send it, or leave it."""
    written = shown.prompt or ""
    if key == "escape":
        shown.prompt = None
    elif key == "backspace":
        shown.prompt = written[:-1]
    elif key == "enter":
        shown.prompt, item = None, shown.item
        if item is None or item["kind"] != "escalation" or not written.strip():
            shown.note = "nothing was sent"
            return None
        _, _, name, *_ = shlex.split(item["command"])
        return Act("command", ("resolve", name, "--", written))
    elif len(key) == 1:
        shown.prompt = written + key
    return None


def _leaf(shown: Shown, page: Page, key: str, room: int) -> None:
    """Move in a page, or leave it; who moves up no longer follows its end."""
    if key in {"q", "escape"}:
        shown.page = None
        return
    steps = {"j": 1, "down": 1, "k": -1, "up": -1, "page-down": room, " ": room}
    steps |= {"page-up": -room, "g": -len(page.lines), "G": len(page.lines)}
    if key in steps:
        last = max(0, len(page.lines) - room - 1)
        page.top = max(0, min(last, page.top + steps[key]))
        page.is_followed = page.is_followed and steps[key] > 0
        if key == "G":
            page.is_followed = page.title.startswith("log")


def lines_of(text: str) -> Sequence[str]:
    """Return the lines of a text as they may be shown."""
    return [printable(line.expandtabs(4)) for line in text.splitlines()]
