"""Hostile words in every text that a ledger takes: a report shows them, and obeys none."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gitcoord.features.maintain.report import FORMATS, report_facts
from gitcoord.features.work import claims, escalations, locks, notes, results
from tests.support.world import found

WORDS = '</script><script>x()</script>"><img src=x onerror=x()> [a](javascript:x) `<b>`'
LONG = "w" * 4096
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""What makes a reader see text in another order than it stands there."""
BIDI = f"a{TURNING}nosj.troper{WORDS}"


class Read(HTMLParser):
    """The elements and the names of attributes that a browser finds."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names += [name for name, _ in attrs]


def facts_with(repo: Path, words: str) -> dict[str, object]:
    """Return the report of a ledger with words in whatever takes text.

    A plan takes nothing that turns text around, and what agents say does.
    """
    planned = words.translate(dict.fromkeys(map(ord, TURNING)))
    said = json.dumps(planned[:200])
    plan = [
        f"[plan]\nname = {json.dumps(planned[:60])}\n",
        f'[[phase]]\nname = "one"\ntitle = {said}\n',
        *(
            f'[[task]]\nid = "{name}"\nphase = "one"\npaths = []\ntitle = {said}\n'
            f"description = {json.dumps(planned)}\n"
            for name in ("a", "b", "c")
        ),
    ]
    work = found(repo, "".join(plan), "x", "y", worktrees=False)
    token = claims.claim(work, "x", "a", checkout=False).claim["token"]
    results.progress(work, "x", "a", token, words)
    results.fail(work, "x", "a", token, words, kind="permanent")
    held = claims.claim(work, "y", "b", checkout=False).claim["token"]
    results.progress(work, "y", "b", held, words)
    notes.note(work, "y", words[:1024], task="b")
    locks.lock(work, "x", ["lib/"], reason=words[:200])
    escalations.escalate(work, "x", words, task="c")
    escalations.escalate(work, "y", words, task="b")
    facts = report_facts(work)
    work.close()
    return facts


@pytest.mark.parametrize("words", [WORDS, LONG, BIDI, WORDS + LONG])
def test_no_text_makes_an_element_a_handler_or_a_request(repo: Path, words: str) -> None:
    facts = facts_with(repo, words[:4096])
    source = FORMATS["html"](facts)
    read = Read(source)
    assert set(read.tags).isdisjoint({"img", "base", "a", "iframe", "object", "link", "form"})
    assert read.tags.count("script") == 2
    assert [name for name in read.names if name.startswith("on")] == []
    assert {"src", "href", "action", "srcdoc"}.isdisjoint(read.names)
    assert len(source) < 200_000
    for name, drawn in FORMATS.items():
        assert set(drawn(facts)).isdisjoint(TURNING), name
    commonmark = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    shown = Read(commonmark.render(FORMATS["md"](facts)))
    assert set(shown.tags) <= {"h1", "p", "table", "thead", "tbody", "tr", "th", "td", "code"}
    assert shown.names == []
