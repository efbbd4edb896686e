"""What a watcher reads on its screen in each situation: the answer, and the command that helps.

Each situation is a ledger of its own, told as `watch` tells it and drawn as
its screen draws it, in 80 columns and in 200.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gitcoord.core.errors import GitcoordError, NothingReadyError
from gitcoord.core.screen import Shown, draw
from gitcoord.core.sentences import said
from gitcoord.features.land import landings
from gitcoord.features.run.watch import watch
from gitcoord.features.setup import ledger, trust
from gitcoord.features.work import claims, locks, results
from gitcoord.features.work import tasks as changes
from gitcoord.features.work.escalations import escalate_once
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import REVIEWED, tasks
from tests.support.clocks import MINUTE_NS, Clocks, later
from tests.support.world import do, found

Situation = Callable[[Path], Workspace]
GATE = '[[phase]]\nname = "default"\ngates = [{ name = "tests", run = "exit 3" }]\n'
SAME_PATHS = '[[task]]\nid = "{}"\ntitle = "Do {}"\npaths = ["lib/"]\n'
ESTIMATED = tasks("a").replace('"Do a"', '"Do a"\nestimate = "2m"')


def held(repo: Path, plan: str = "") -> tuple[Workspace, Clocks, claims.Claimed]:
    """Let x hold the task a of a plan, with clocks that can be set forward."""
    found(repo, plan or tasks("a"), "x", worktrees=False).close()
    work, clock = later(repo)
    return work, clock, claims.claim(work, "x", "a")


def asked(repo: Path) -> Workspace:
    work, _, _ = held(repo)
    escalate_once(work, "x", "question", "a", "which grammar?")
    return work


def a_gate_failed(repo: Path) -> Workspace:
    work = found(repo, GATE + tasks("a"), "x")
    trust.record(work, work.ledger.snapshot())
    do(work, "x", "a")
    with pytest.raises(GitcoordError):
        landings.land(work, "default")
    return work


def a_task_failed(repo: Path) -> Workspace:
    work, _, claim = held(repo, tasks("a", "b", b=["a"]))
    results.fail(work, "x", "a", claim.claim["token"], "no such module", "permanent")
    return work


def late(repo: Path) -> Workspace:
    work, clock, _ = held(repo)
    clock.ahead_ns += 6 * MINUTE_NS
    return work


def silent(repo: Path) -> Workspace:
    work, clock, _ = held(repo)
    clock.ahead_ns += 8 * MINUTE_NS
    return work


def hung(repo: Path) -> Workspace:
    work, clock, claim = held(repo, ESTIMATED)
    clock.ahead_ns += 7 * MINUTE_NS
    clock.wall_ahead_s += 7 * 60
    work.ledger.beat("x", claim.claim["token"])
    return work


def over(repo: Path) -> Workspace:
    work, clock, _ = held(repo)
    clock.ahead_ns += 16 * MINUTE_NS
    return work


def starving(repo: Path) -> Workspace:
    plan = '[[pool]]\nname = "default"\nlimit = 1\n' + tasks("a", "b")
    found(repo, plan, "x", "y", worktrees=False).close()
    work, clock = later(repo)
    claim = claims.claim(work, "x", "a")
    with pytest.raises(NothingReadyError):
        claims.claim(work, "y")
    clock.ahead_ns += 14 * MINUTE_NS
    work.ledger.beat("x", claim.claim["token"])
    clock.ahead_ns += 2 * MINUTE_NS
    with pytest.raises(NothingReadyError):
        claims.claim(work, "y")
    return work


def no_reviewer(repo: Path) -> Workspace:
    work = found(repo, REVIEWED + tasks("a"), "x")
    do(work, "x", "a")
    return work


def foreign_claim(repo: Path) -> Workspace:
    plan = "".join(SAME_PATHS.format(name, name) for name in "abc")
    return held(repo, plan)[0]


def foreign_lock(repo: Path) -> Workspace:
    work = found(repo, tasks("a"), "x", worktrees=False)
    locks.lock(work, "x", ["a/"], reason="moving files")
    return work


def full_pool(repo: Path) -> Workspace:
    return held(repo, '[[pool]]\nname = "default"\nlimit = 1\n' + tasks("a", "b"))[0]


def paused(repo: Path) -> Workspace:
    work = found(repo, tasks("a"))
    changes.change(work, "pause", "a", "the parser changes")
    return work


def usage_limit(repo: Path) -> Workspace:
    work, _, claim = held(repo)
    why = said("usage-limit", assistant="claude", until="2026-11-24T12:00:00Z")
    results.release(work, "x", "a", claim.claim["token"], why, results.Limit(3_600_000, None))
    return work


def past_usage_limit(repo: Path) -> Workspace:
    found(repo, tasks("a"), "x", worktrees=False).close()
    work, clock = later(repo)
    claim = claims.claim(work, "x", "a")
    why = said("usage-limit", assistant="claude", until="2026-11-24T12:00:00Z")
    results.release(work, "x", "a", claim.claim["token"], why, results.Limit(60_000, None))
    clock.ahead_ns += 2 * MINUTE_NS
    return work


def untrusted(repo: Path) -> Workspace:
    return found(repo, GATE + tasks("a"))


def whole(repo: Path) -> Workspace:
    work = found(repo, tasks("a"), "x")
    do(work, "x", "a")
    return work


def half_way(repo: Path) -> Workspace:
    work = found(repo, tasks("a", "b", "c", "d"), "x")
    for name in "abc":
        do(work, "x", name)
    return work


def done(repo: Path) -> Workspace:
    work = whole(repo)
    landings.land(work, "default")
    return work


def nothing_planned(repo: Path) -> Workspace:
    work = open_workspace(repo)
    ledger.init(work)
    return work


SITUATIONS: dict[Situation, tuple[str, ...]] = {
    asked: ("NEEDS YOU 1", "which grammar?", "next: gitcoord resolve "),
    a_gate_failed: (
        "NEEDS YOU 1",
        "gate: gate tests of phase default failed: it ended with status 3",
        "next: gitcoord phase check default",
    ),
    a_task_failed: ("NEEDS YOU 1", "failed: task a failed", "no such module", "1 blocked"),
    late: ("STUCK 1", "late: task a by x: no progress was reported for 6m"),
    silent: ("STUCK 1", "silent: task a by x: no sign of life for 8m"),
    hung: ("STUCK 1", "hung: task a by x: it lives, and did nothing for 6m"),
    over: ("STUCK 1", "over: task a by x: its lease is over", "next: gitcoord reap"),
    starving: ("NEEDS YOU 1", "y lost 2 claims in 16m"),
    no_reviewer: (
        "STUCK 1",
        "review: task a waits for a review, and no agent can give it",
        "next: gitcoord agent add ID",
    ),
    foreign_claim: ("STUCK 1", "paths: b, c wait for paths that x holds for task a"),
    foreign_lock: ("STUCK 1", "paths: a waits for paths that x holds", "next: gitcoord locks"),
    full_pool: ("RUNNING 1", "NEXT 1", "limit: task b has no room: its pool is in use"),
    paused: ("NEXT 1", "paused: task a is paused by", "next: gitcoord unpause a"),
    usage_limit: ("NEXT 1", "delay: task a waits: claude has reached its usage limit, until 2026"),
    past_usage_limit: ("NEXT 1", "ready: a: Do a", "next: gitcoord claim a"),
    untrusted: ("NEEDS YOU 1", "trust: not trusted on this machine", "next: gitcoord trust"),
    whole: ("NEXT 1", "landing: phase default is whole", "next: gitcoord phase land default"),
    half_way: ("3 of 4 over; end 20", " UTC; 3 done, 1 ready", "ready: d: Do d"),
    done: ("1 of 1 over; end nothing is left to do", "nothing needs you, is stuck, runs or is"),
    nothing_planned: ("0 of 0 over", "no tasks", "nothing needs you, is stuck, runs or is next"),
}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_the_answer_stands_on_the_screen(repo: Path, situation: Situation) -> None:
    work = situation(repo)
    (told,) = watch(work, is_once=True)
    for width in (80, 200):
        shown = Shown()
        shown.take(told)
        lines = [line.text for line in draw(shown, width, 24)]
        text = "\n".join(lines)
        for answer in SITUATIONS[situation]:
            assert answer in text, text
        assert max(map(len, lines)) <= width
