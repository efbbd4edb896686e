"""What a person sees of a long command, and that nobody else does."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from gitcoord.cli import ticker
from gitcoord.cli.app import App
from tests.support.builders import tasks
from tests.support.world import found


class Terminal(io.StringIO):
    """A terminal that says when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


def app_on(place: Path, *, as_json: bool = False) -> App:
    return App(start=str(place), ledger=None, agent=None, as_json=as_json, as_orchestrator=False)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    # pytest puts its own stream back between a fixture and its test.
    monkeypatch.setattr(ticker, "sys", SimpleNamespace(stderr=made))
    monkeypatch.setattr(ticker, "EVERY_S", 0.005)
    return made


def test_a_long_command_says_how_far_it_is_and_leaves_nothing(
    repo: Path, terminal: Terminal
) -> None:
    found(repo, tasks("a"), worktrees=False).close()
    app = app_on(repo)
    with ticker.ticking(app, "reading"):
        app.work.tell("reading tasks", 2000, 5000)
        terminal.written.clear()
        assert terminal.written.wait(10)
    app.close()
    shown = terminal.getvalue()
    assert f"{ticker.CLEAR}reading tasks 2,000 of 5,000 (0 s)" in shown
    assert shown.endswith(ticker.CLEAR)


def test_a_plan_is_checked_outside_of_a_repository_too(tmp_path: Path, terminal: Terminal) -> None:
    with ticker.ticking(app_on(tmp_path), "checking the plan"):
        assert terminal.written.wait(10)
    assert f"{ticker.CLEAR}checking the plan (0 s)" in terminal.getvalue()


def test_json_shows_nothing(repo: Path, terminal: Terminal) -> None:
    before = threading.active_count()
    with ticker.ticking(app_on(repo, as_json=True), "reading"):
        assert threading.active_count() == before
    assert terminal.getvalue() == ""
