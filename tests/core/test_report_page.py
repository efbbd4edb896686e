"""The page of a report: whole by itself, safe with any text, readable in light and dark."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from gitcoord.core.report_drawing import CLASSES, HOLLOW
from gitcoord.core.report_page import page
from tests.support.reports import HOSTILE, report_of


class Seen(HTMLParser):
    """What a browser would find: elements, attributes, scripts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data


def test_hostile_text_makes_no_element_and_no_handler() -> None:
    hostile, plain = Seen(page(report_of(3, HOSTILE))), Seen(page(report_of(3)))
    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]
    assert not [name for name, _ in hostile.attributes if name.startswith("on")]
    assert "\u202e" not in page(report_of(3, HOSTILE))
    long = page(report_of(3, "long word " * 400))
    assert len(long) < len(page(report_of(3))) + 150_000


def test_the_facts_are_inside_just_as_they_are() -> None:
    facts = report_of(2, HOSTILE)
    seen = Seen(page(facts))
    assert len(seen.scripts) == 2
    assert json.loads(seen.scripts[0]) == facts


def test_nothing_is_loaded_and_only_our_script_runs() -> None:
    source = page(report_of(5))
    seen = Seen(source)
    assert {"src", "href", "action", "style"} & {name for name, _ in seen.attributes} == set()
    assert not re.search(r"url\(|@import|https?:", source)
    policy = next(value for name, value in seen.attributes if "default-src" in value)
    digest = base64.b64encode(hashlib.sha256(seen.scripts[1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}'" in policy


def test_no_two_things_of_one_legend_look_the_same_and_all_that_is_drawn_is_in_it() -> None:
    legends = re.findall(r'<p class="legend">(.*?)</p>', page(report_of(1)))
    assert len(legends) == 4
    for one in legends:
        kinds = re.findall(r'<rect class="(\w+)"', one)
        assert len(set(map(look, kinds))) == len(kinds), kinds
    told = [set(map(look, re.findall(r'<rect class="(\w+)"', one))) for one in legends]
    ends = {"completed", "failed", "expired", "released", "cancelled", "assigned", "abandoned"}
    marks = {"undone", "running", "review", "approved", "rejected", "ended", "passed"}
    marks |= {"wait", "limit", "landing", "rollback"}
    assert set(map(look, ends | marks)) <= told[0]
    states = {"ready", "waiting", "blocked", "claimed", "review", "done", "landed", "failed"}
    assert set(map(look, states | {"cancelled"})) <= told[3]


def look(kind: str) -> tuple[str, bool]:
    """Return how a kind is drawn: its colour, and whether it is an outline alone."""
    return CLASSES[kind], kind in HOLLOW


@pytest.mark.parametrize("count", [0, 1, 50, 2000])
def test_a_report_of_any_size_is_drawn_and_small_enough(count: int) -> None:
    source = page(report_of(count))
    assert len(source.encode()) < 5_000_000
    seen = Seen(source)
    assert source.count('role="img"') == 4
    assert seen.tags.count("tr") == count + 9
    assert "nan" not in source
    marked = sum(name == "data-task" for name, _ in seen.attributes)
    # Two attempts, the wait before the second and a box of each; a review and a check.
    assert marked == 4 * count + 2 * min(count, 1)
    assert source.count('class="track"') == count
