"""The report in a real browser: structure, pointing, filtering, keys, light, dark, paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.report_page import page
from gitcoord.core.report_style import DARK, LIGHT
from tests.support.browser import CHROMIUM, Page, browser
from tests.support.reports import HOSTILE, report_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

SHOWN = "[...document.querySelectorAll('#tasks tbody tr')].filter(row => !row.hidden).length"
FOCUSED = "document.activeElement.dataset.name"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with browser() as opened:
        opened.size(1280, 900)
        yield opened


@pytest.fixture
def shown(chromium: Page, tmp_path: Path) -> Page:
    """Return the browser with a report of fifty tasks."""
    return opened(chromium, tmp_path, page(report_of(50)))


def opened(chromium: Page, folder: Path, source: str) -> Page:
    file = folder / "report.html"
    file.write_text(source)
    chromium.complaints.clear()
    chromium.requests.clear()
    chromium.prefer("light")
    chromium.open(file.as_uri())
    return chromium


def colour(name: str, colours: dict[str, str]) -> str:
    parts = [str(int(colours[name][place : place + 2], 16)) for place in (1, 3, 5)]
    return f"rgb({', '.join(parts)})"


def test_hostile_text_is_shown_and_nothing_else(chromium: Page, tmp_path: Path) -> None:
    shown = opened(chromium, tmp_path, page(report_of(20, HOSTILE)))
    shown.value("document.querySelector('#tasks tbody tr').focus()")
    shown.point(*shown.middle("rect.completed[data-task]"))
    assert shown.complaints == []
    assert len(shown.requests) == 1
    assert shown.value("document.querySelectorAll('img, iframe, object, link').length") == 0
    assert shown.value("document.scripts.length") == 2
    handlers = "[...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames())"
    assert shown.value(f"{handlers}.filter(name => name.startsWith('on')).length") == 0
    assert "<img src=x" in shown.value("document.querySelector('#tasks tbody').textContent")
    assert "\u202e" not in shown.value("document.body.textContent")


def test_words_and_choices_leave_the_tasks_that_have_them(shown: Page) -> None:
    assert shown.value(SHOWN) == 50
    shown.press("/")
    assert shown.value("document.activeElement.id") == "find"
    shown.write("t7 x7")
    assert shown.value(SHOWN) == 1
    assert shown.value("document.getElementById('shown').textContent") == "1 of 50 tasks"
    assert shown.value("document.querySelectorAll('svg [data-task=t6].dim').length") == 4
    assert shown.value("document.querySelectorAll('svg [data-task=t7].dim').length") == 0
    shown.press("Escape")
    assert shown.value(SHOWN) == 50
    shown.value(
        "{ const agent = document.getElementById('agent'); agent.value = 'x3';"
        "agent.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    assert shown.value(SHOWN) == 6
    shown.click(*shown.middle("#clear"))
    assert shown.value(SHOWN) == 50
    assert shown.complaints == []


def test_resting_on_a_bar_says_what_it_is_and_lights_its_task_everywhere(shown: Page) -> None:
    shown.point(*shown.middle("rect.completed[data-task=t5]"))
    assert "t5 by x5, attempt 2: completed" in shown.value(
        "document.getElementById('tip').textContent"
    )
    assert shown.value("document.querySelectorAll('svg [data-task=t5].lit').length") == 4
    assert shown.value("document.querySelector('tr.lit').dataset.name") == "t5"
    box = shown.value(
        "(() => { const box = document.getElementById('tip').getBoundingClientRect();"
        "return [box.left, box.top, innerWidth - box.right, innerHeight - box.bottom]; })()"
    )
    assert min(box) >= 0
    shown.point(2, 2)
    assert shown.value("document.getElementById('tip').hidden")
    assert shown.value("document.querySelectorAll('.lit').length") == 0


def test_keys_and_a_click_lead_to_a_task(shown: Page) -> None:
    for key, name in (("j", "t0"), ("j", "t1"), ("ArrowDown", "t2"), ("k", "t1")):
        shown.press(key)
        assert shown.value(FOCUSED) == name
    shown.click(*shown.middle("rect.completed[data-task=t9]"))
    assert shown.value(FOCUSED) == "t9"
    top = "document.activeElement.getBoundingClientRect().top"
    assert 0 <= shown.value(top) < 900


def test_light_and_dark_are_the_reader_s_choice_and_paper_is_light(shown: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    assert shown.value(ground) == colour("ground", LIGHT)
    shown.prefer("dark")
    assert shown.value(ground) == colour("ground", DARK)
    assert shown.value("getComputedStyle(document.body).color") == colour("ink", DARK)
    shown.press("t")
    assert shown.value(ground) == colour("ground", LIGHT)
    shown.click(*shown.middle("#theme"))
    assert shown.value(ground) == colour("ground", DARK)
    shown.prefer("dark", media="print")
    assert shown.value(ground) == colour("ground", LIGHT)
    assert shown.value("getComputedStyle(document.querySelector('.find')).display") == "none"
    scroll = "getComputedStyle(document.querySelector('.scroll')).overflow"
    assert shown.value(scroll) == "visible"


@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_nothing_is_wider_than_the_window(shown: Page, width: int) -> None:
    shown.size(width, 900)
    assert shown.value("document.documentElement.scrollWidth") <= width
    shown.size(1280, 900)


PAPER_PIXELS = 718
"""The width of A4 within the margins of a centimetre that browsers leave."""


@pytest.mark.parametrize("words", ["Document the module configparser", "w" * 4000])
def test_nothing_is_wider_than_paper(chromium: Page, tmp_path: Path, words: str) -> None:
    shown = opened(chromium, tmp_path, page(report_of(20, words)))
    shown.size(PAPER_PIXELS, 1000)
    shown.prefer("dark", media="print")
    assert shown.value("document.documentElement.scrollWidth") <= PAPER_PIXELS
    shown.size(1280, 900)


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_any_number_of_tasks_is_drawn_without_a_complaint(
    chromium: Page, tmp_path: Path, count: int
) -> None:
    facts = report_of(count, "A word " * 20)
    shown = opened(chromium, tmp_path, page(facts))
    assert shown.value(SHOWN) == count
    shown.press("/")
    shown.write("t1")
    assert shown.value(SHOWN) == sum("t1" in f"t{number}" for number in range(count))
    assert shown.value("document.querySelectorAll('svg[role=img]').length") == 4
    assert shown.complaints == []
    assert len(shown.requests) == 1
