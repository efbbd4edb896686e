"""Every view at any size of a plan and any age of its work, with and without colour.

It answers first, and fits.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from gitcoord.core.screen import Shown, draw
from gitcoord.features.run.watch import watch
from gitcoord.features.setup import agents, ledger, plans
from gitcoord.features.work import claims, escalations, results
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.host.clock import Clock
from tests.support.builders import tasks
from tests.support.cli import Cli

COUNTS = (0, 1, 50, 2000)
AGES_S = (61, 330, 839, 1000, 100_000)
"""How old the work is in which claims are alone, late, silent, and over since short or long."""
HEAD = '[plan]\nname = "big"\n[[phase]]\nname = "default"\n'
COLOUR = re.compile(r"\x1b\[[0-9;]+m")
LONGEST = 80
"""A terminal's usual width: only the words of others and commands to paste go beyond."""


@pytest.fixture(scope="module")
def repos(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Make a repository for each size, with some work in it where there are tasks for it."""
    made = {}
    for count in COUNTS:
        repo = tmp_path_factory.mktemp(f"of-{count}")
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=repo, check=True)
        # What is made once for all tests stands outside of their sealed configuration.
        author = ["-c", "user.name=Tester", "-c", "user.email=tester@example.invalid"]
        words = ["git", *author, "commit", "-q", "--allow-empty", "-m", "first"]
        subprocess.run(words, cwd=repo, check=True)
        _fill(repo, count)
        made[count] = repo
    return made


def _fill(repo: Path, count: int) -> None:
    work = open_workspace(repo)
    ledger.init(work)
    if count:
        names = [f"t{number}" for number in range(count)]
        needs = {name: [names[at - 1]] for at, name in enumerate(names) if at % 5}
        plan = tasks(*names, head=HEAD, **needs).replace(
            "paths = [", 'result = "optional"\npaths = ['
        )
        plans.apply_plan(work, plan, "big.toml")
        for number in range(min(8, count)):
            agents.add(work, f"builder-{number}", no_worktree=True)
    if count >= 50:
        _work(work)
    work.close()


def _work(work: Workspace) -> None:
    """Let three tasks be done, one fail, one be asked about, and two be at work."""
    for number, name in enumerate(("t0", "t5", "t10", "t15", "t20", "t25")):
        agent = f"builder-{number}"
        token = claims.claim(work, agent, name, checkout=False).claim["token"]
        results.progress(work, agent, name, token, "half of it", 50)
        if number < 3:
            results.complete(work, agent, name, token, no_result=True)
        elif number == 3:
            results.fail(work, agent, name, token, "no module", kind="permanent")
        elif number == 4:
            escalations.escalate(work, agent, "which grammar?", task=name)


VIEWS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("status",): ("ledger ledger, plan ", "needs you: ", "tasks  "),
    ("tasks",): ("TASK ", "t0 "),
    ("show", "t0"): ("t0: Do t0", "  state  "),
    ("log",): ("20",),
    ("stats",): ("CONDITION ", "efficiency "),
    ("simulate", "--agents", "1,4"): ("assumed  ", "longest  "),
    ("why", "t4"): ("t4 is waiting: Do t4",),
    ("impact", "t1"): ("t1: 1 task(s) need it",),
    ("phase", "list"): ("PHASE ",),
    ("agent", "list"): ("AGENT ",),
    ("inbox",): ("ID ",),
    ("watch", "--once"): ("needs you: ", "tasks  ", "end  "),
}
"""The views, and how lines begin that answer what is asked, in this order."""
MISSING: dict[int, set[tuple[str, ...]]] = {
    0: {("show", "t0"), ("simulate", "--agents", "1,4"), ("why", "t4"), ("impact", "t1")},
    1: {("why", "t4"), ("impact", "t1")},
}
"""What there is nothing to say about: it is told, with the next step."""


@pytest.fixture
def cli(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Cli:
    count = request.node.callspec.params["count"]
    return Cli(request.getfixturevalue("repos")[count], capsys)


def _stop_clocks(monkeypatch: pytest.MonkeyPatch, ahead_s: int) -> None:
    """Let views be of one moment: what they foretell, and how late claims are, go on with time."""
    clock = Clock()
    seconds, monotonic_ns = clock.seconds() + ahead_s, clock.monotonic_ns() + ahead_s * 10**9
    monkeypatch.setattr(Clock, "seconds", lambda _: seconds)
    monkeypatch.setattr(Clock, "monotonic_ns", lambda _: monotonic_ns)


@pytest.mark.parametrize(
    ("count", "age_s"), [*((count, 0) for count in COUNTS), *((50, age_s) for age_s in AGES_S)]
)
def test_every_view_answers_first_and_fits_a_terminal(
    cli: Cli, count: int, age_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    _stop_clocks(monkeypatch, age_s)
    for words, begins in VIEWS.items():
        if words in MISSING.get(count, set()):
            cli(*words, status=2)
            assert "\n  next: " in cli.err
            continue
        monkeypatch.setenv("NO_COLOR", "1")
        plain = cli(*words)
        assert "\x1b" not in plain
        if count >= 50:
            assert _stand_in_order(plain, begins), plain
        assert [line for line in plain.splitlines() if _is_too_long(line)] == []
        monkeypatch.delenv("NO_COLOR")
        monkeypatch.setenv("FORCE_COLOR", "1")
        coloured = cli(*words)
        assert COLOUR.sub("", coloured) == plain
        monkeypatch.delenv("FORCE_COLOR")
        assert json.loads(cli(*words, "--json"))["schema"] == 1


def _stand_in_order(text: str, begins: tuple[str, ...]) -> bool:
    """Return whether lines begin with these words, one after another."""
    lines = iter(text.splitlines())
    return all(any(line.startswith(begin) for line in lines) for begin in begins)


def _is_too_long(line: str) -> bool:
    """Return whether a line goes beyond a terminal by what we say ourselves."""
    is_command = "gitcoord" in line or line.endswith("  NEXT")
    is_said = line.startswith("claim ") or "no module" in line or "which grammar?" in line
    if is_command or is_said:
        return False
    return len(line) > LONGEST


@pytest.mark.parametrize("count", COUNTS)
def test_the_screen_fits_80_and_200_columns_at_any_size(repos: dict[int, Path], count: int) -> None:
    work = open_workspace(repos[count])
    (told,) = watch(work, is_once=True)
    work.close()
    for width, height in ((80, 24), (200, 50)):
        shown = Shown()
        shown.take(told)
        lines = [line.text for line in draw(shown, width, height)]
        assert len(lines) == height
        assert max(map(len, lines)) <= width
        assert lines[0].startswith(f"{min(3, count) * (count >= 50)} of {count} over; end ")
