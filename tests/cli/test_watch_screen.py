"""What a person reads on the watcher's screen, and does with its keys, at a real terminal."""

from __future__ import annotations

import json
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from gitcoord.cli.watch_screen import keys_in
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.sentences import answer_of
from gitcoord.features.run import batches
from gitcoord.features.setup import trust
from gitcoord.features.work import claims, results
from gitcoord.features.work import tasks as changes
from gitcoord.features.work.escalations import escalate_once
from tests.support.builders import REVIEWED, tasks
from tests.support.screens import watching
from tests.support.world import SHORT, do, found, write

pytestmark = pytest.mark.skipif(
    find_spec("rich") is None or find_spec("pyte") is None,
    reason="the extra watch, or what reads its screen, is not installed",
)


def test_a_task_is_followed_from_ready_to_its_retry(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x")
    with watching(repo) as seen:
        seen.until("0 of 2 over", "NEXT 1", "> ready: a: Do a", "next: gitcoord claim a")
        held = claims.claim(work, "x", "a")
        token = held.claim["token"]
        seen.until("RUNNING 1", "> a by x since", "Do a", "need: task b waits for a")
        results.progress(work, "x", "a", token, "half of the lexer")
        seen.until(": half of the lexer")
        escalate_once(work, "x", "question", "a", "which grammar?")
        seen.until("NEEDS YOU 1", "which grammar?")
        seen.press("gaLL(1), please\r")
        seen.when(lambda text: "NEEDS YOU" not in text, "that the question is answered")
        (answered,) = work.ledger.snapshot().escalations()
        assert answer_of(answered) == "LL(1), please"
        write(Path(held.worktree or ""), "a/lexer.py", "tokens = ['one']\n")
        seen.press("gd")
        seen.until("diff of a", "+tokens = ['one']")
        seen.press("q\r")
        seen.until("task a, ", "claim a by x: Do a")
        seen.press("q")
        results.fail(work, "x", "a", token, "no grammar", kind="permanent")
        seen.until("> failed: task a failed", "no grammar", "NEEDS YOU 1")
        seen.until("next: gitcoord retry a")
        seen.press("r")
        seen.until("ready: a: Do a", "a is open again")
        assert work.ledger.snapshot().require_task("a")["state"] == "open"
        changes.change(work, "cancel", "b", "not wanted")
        seen.until("1 of 2 over", "EVENTS", "cancel b")
        assert seen.quit() == 0
        assert "\x1b[?1049l" in seen.raw.decode()


def test_a_silent_holder_is_stuck_and_its_log_is_followed(repo: Path) -> None:
    work = found(repo, SHORT + tasks("a", "b"), "x", worktrees=False)
    held = claims.claim(work, "x", "a")
    log = work.logs.of_attempt("a", 1, held.claim["token"], "run")
    log.parent.mkdir(parents=True)
    log.write_text("compiling\n")
    # What time alone changes is looked at every half minute: the lease ends before.
    time.sleep(1.2)
    with watching(repo, NO_COLOR="1") as seen:
        seen.until("STUCK 1", "over: task a by x: its lease is over", "next: gitcoord reap")
        seen.press("l")
        seen.until("log of a", "compiling")
        with log.open("a") as more:
            more.write("linking \x1b[31m now\n")
        seen.until("linking \ufffd[31m now")
        seen.press("q")
        seen.until("STUCK 1")
        seen.press("x")
        seen.when(lambda text: "STUCK" not in text, "that the claim is released")
        assert work.ledger.snapshot().require_task("a")["claim"] is None
        seen.quit()
    colours = [code for code in ("\x1b[31m", "\x1b[33m", "\x1b[36m") if code in seen.raw.decode()]
    assert colours == []


def test_gates_trust_and_landing_are_shown_and_landed_by_a_key(repo: Path, tmp_path: Path) -> None:
    passing = tmp_path / "passing"
    gate = f'gates = [{{ name = "tests", run = "test -e {passing}" }}]'
    work = found(repo, f'[[phase]]\nname = "default"\n{gate}\n{tasks("a")}', "x")
    with watching(repo, 120, 30) as seen:
        seen.until("trust: not trusted on this machine: gate: test -e")
        trust.record(work, work.ledger.snapshot())
        do(work, "x", "a")
        seen.until("> landing: phase default is whole", "next: gitcoord phase land default")
        seen.press("L")
        seen.until("gate: gate tests of phase default failed", "it fails on the target alone")
        passing.touch()
        seen.press("GL")
        seen.until("1 of 1 over", "1 landed", "nothing needs you, is stuck, runs or is next")


def test_a_review_that_nobody_can_give_is_stuck(repo: Path) -> None:
    work = found(repo, REVIEWED + tasks("a"), "x")
    do(work, "x", "a")
    with watching(repo) as seen:
        seen.until("review: task a waits for a review, and no agent can give it")
        seen.press("a")
        seen.until("only an escalation can be answered")


def test_the_screen_fits_any_size_and_is_written_only_when_something_changed(repo: Path) -> None:
    names = [f"t{number}" for number in range(1000)]
    agents = [f"x{number}" for number in range(64)]
    work = found(repo, tasks(*names))
    rows = [{"op": "agent add", "id": agent} for agent in agents]
    rows += [
        {"op": "claim", "task": name, "agent": agent}
        for agent, name in zip(agents, names, strict=False)
    ]
    lines = batches.parse_lines("\n".join(map(json.dumps, rows)))
    batches.batch(work, lines, agent=ORCHESTRATOR)
    with watching(repo, 200, 50) as seen:
        seen.until("0 of 1000 over", "RUNNING 64")
        seen.press("G")
        seen.until("> ready: ")
        assert seen.rest() == b""
        seen.resize(80, 24)
        seen.until("> ready: ", "0 of 1000 over")
        assert max(map(len, seen.text.splitlines())) <= 80
        seen.press("g")
        seen.until("> t0 by x0")
        before = len(seen.raw)
        results.progress(work, "x0", "t0", claims.claim(work, "x0").claim["token"], "new words")
        seen.until("new words")
        # The screen is never emptied in between, which is what flickers.
        assert b"\x1b[2J" not in seen.raw[before:]


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        (b"j", ["j"]),
        (b"\x1b[A\x1b[5~q", ["up", "page-up", "q"]),
        ("é\x7f\r".encode(), ["é", "backspace", "enter"]),
        (b"\x1b", ["escape"]),
    ],
)
def test_keys_have_names(raw: bytes, keys: list[str]) -> None:
    assert list(keys_in(raw)) == keys
