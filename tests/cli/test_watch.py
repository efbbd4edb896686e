"""What a watcher reads."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from gitcoord.cli.app import App
from gitcoord.cli.watch import _lines
from gitcoord.features.run.watch import watch
from gitcoord.features.work.escalations import escalate_once
from tests.support.builders import tasks
from tests.support.cli import Cli
from tests.support.shapes import line_mistakes
from tests.support.world import environment, found


def test_how_it_stands_is_told_in_text_and_json(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), worktrees=False).close()
    assert cli("watch", "--once") == (
        "tasks   1 ready\nend     unknown: 3 tasks have to finish first, 0 did\n"
        """with git: git grep -E '^    "agent":|^      "message":' gitcoord/ledger -- live/\n"""
    )
    line = json.loads(cli("watch", "--once", "--json"))
    assert line_mistakes("watch", line) == []


def test_the_address_of_the_page_is_told_first(repo: Path) -> None:
    found(repo, tasks("a"), worktrees=False).close()
    for words, end in ((("--web",), "/#"), (("--web", "0", "--json"), "/#")):
        with subprocess.Popen(
            [sys.executable, "-m", "gitcoord", "-C", str(repo), "watch", *words],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
            # As a terminal would: whoever runs the tests may be deaf to it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        ) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            rest = child.stdout.readline()
            child.send_signal(signal.SIGINT)
            assert end in first
            if "--json" in words:
                assert line_mistakes("watch --web", json.loads(first)) == []
                assert line_mistakes("watch", json.loads(rest)) == []
        assert child.returncode == 130


def test_a_page_is_nothing_for_once(cli: Cli, repo: Path) -> None:
    found(repo, tasks("a"), worktrees=False).close()
    cli("watch", "--once", "--web", status=2)
    assert "exclude each other" in cli.err


def test_what_needs_you_is_told_once_and_again_when_it_comes_again(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    app = App(start=str(repo), ledger=None, agent=None, as_json=False, as_orchestrator=False)
    escalate_once(work, "x", "question", "a", "which one?")
    (told,) = watch(work, is_once=True)
    seen: set[object] = set()
    assert "which one?" in _lines(app, told, seen)[0]
    assert "which one?" not in " ".join(_lines(app, told, seen))
    _lines(app, {**told, "needs_you": []}, seen)
    assert "which one?" in _lines(app, told, seen)[0]
