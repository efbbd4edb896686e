"""`watch --web` in a real browser: it follows the ledger, and keeps the reader's place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gitcoord.features.work import claims, results
from gitcoord.features.work.escalations import escalate_once
from gitcoord.host.clock import Clock, Deadline
from tests.support.browser import CHROMIUM, Page, browser
from tests.support.builders import tasks
from tests.support.reports import HOSTILE
from tests.support.world import environment, found

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

TIMEOUT_S = 60
TEXT = "document.querySelector('main').textContent"
LIVE = "document.getElementById('live').textContent"


@contextmanager
def served(repo: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `watch --web` as a program; give it, and the address that it prints."""
    child = subprocess.Popen(
        [sys.executable, "-m", "gitcoord", "-C", str(repo), "watch", "--web", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert child.stdout is not None
    try:
        yield child, json.loads(child.stdout.readline())["url"]
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def when(shown: Page, expression: str, is_so: Callable[[Any], bool]) -> Any:
    """Look again and again until what is shown is so."""
    deadline = Deadline(Clock(), TIMEOUT_S)
    while not is_so(found_ := shown.value(expression)):
        assert not deadline.expired, found_
        Clock().sleep(0.05)
    return found_


def test_the_report_is_drawn_anew_and_the_reader_stays_where_he_is(repo: Path) -> None:
    work = found(repo, tasks(*(f"t{number}" for number in range(60))), "x", worktrees=False)
    with served(repo) as (_, url), browser() as shown:
        shown.size(1280, 900)
        shown.open(url)
        when(shown, TEXT, lambda text: "60 ready" in text)
        assert shown.value(LIVE) == "live"
        assert shown.value("document.title") == "plan: report"
        shown.press("/")
        shown.write("t5")
        shown.value("document.querySelector('#tasks').closest('.scroll').scrollTop = 7")
        at = shown.value("window.scrollY")
        token = claims.claim(work, "x", "t5", checkout=False).claim["token"]
        results.progress(work, "x", "t5", token, "half of it")
        when(shown, TEXT, lambda text: "half of it" in text)
        assert shown.value("document.getElementById('find').value") == "t5"
        assert shown.value("document.activeElement.id") == "find"
        assert shown.value("document.getElementById('shown').textContent") == "11 of 60 tasks"
        assert shown.value("window.scrollY") == at
        shown.write("9")
        assert shown.value("document.getElementById('shown').textContent") == "1 of 60 tasks"
        shown.click(*shown.middle("#pause"))
        results.progress(work, "x", "t5", token, "nearly all of it")
        assert shown.value(LIVE) == "paused"
        shown.click(*shown.middle("#pause"))
        when(shown, TEXT, lambda text: "nearly all of it" in text)
        assert shown.complaints == []
        assert {one.partition("#")[0] for one in shown.requests} == {
            url.partition("#")[0],
            url.partition("#")[0] + "report",
        }
        assert not any("?" in one for one in shown.requests)
        stored = "[document.cookie, localStorage.length, sessionStorage.length]"
        assert shown.value(stored) == ["", 0, 0]


def test_hostile_text_is_text_there_too_and_the_end_of_the_watcher_is_told(repo: Path) -> None:
    plan = f'[[task]]\nid = "a"\npaths = []\ntitle = {json.dumps(HOSTILE)}\n'
    work = found(repo, plan.replace("\\u202e", ""), "x", worktrees=False)
    escalate_once(work, "x", "question", "a", HOSTILE)
    with served(repo) as (child, url), browser() as shown:
        shown.size(1280, 900)
        shown.open(url)
        when(shown, TEXT, lambda text: "<img src=x" in text)
        assert shown.value("document.querySelectorAll('img, iframe, object, link').length") == 0
        assert shown.value("document.scripts.length") == 1
        assert shown.complaints == []
        child.kill()
        child.wait()
        when(shown, LIVE, lambda text: text.startswith("no answer"))
        assert "<img src=x" in shown.value(TEXT)


def test_who_has_not_the_token_is_told_so_and_sees_nothing(repo: Path) -> None:
    found(repo, tasks("a"), worktrees=False)
    with served(repo) as (_, url), browser() as shown:
        shown.open(url.partition("#")[0])
        when(shown, LIVE, lambda text: text.startswith("this is not the address"))
        assert shown.value(TEXT) == ""
