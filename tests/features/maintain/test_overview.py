"""The orchestrator's questions, each answered with the command that helps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gitcoord.features.inspect import facts
from gitcoord.features.maintain.overview import overview
from gitcoord.features.setup import agents
from gitcoord.features.work import claims, results, reviews
from gitcoord.features.workspace import Workspace, open_workspace
from tests.support.builders import REVIEWED, tasks
from tests.support.clocks import MINUTE_NS, Still, later
from tests.support.world import do, found


def seen(work: Workspace) -> dict[str, Any]:
    status = facts.status(work)
    return overview(work, work.ledger.snapshot(status["tip"]), status)


def told(items: list[dict[str, Any]]) -> list[tuple[str, str | None, str]]:
    return [(one["kind"], one["task"], one["command"]) for one in items]


def test_what_runs_says_who_since_when_and_the_last_words(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x", worktrees=False)
    held = claims.claim(work, "x", "a")
    (item,) = seen(work)["running"]
    assert (item["kind"], item["agent"], item["text"]) == ("claim", "x", "Do a")
    results.progress(work, "x", "a", held.claim["token"], "half of it")
    (item,) = seen(work)["running"]
    assert (item["text"], item["command"]) == ("half of it", "gitcoord show a")
    assert item["since"] == facts.status(work)["claims"][0]["since"]


def test_what_is_next_can_be_claimed_or_landed_or_is_waited_for(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x")
    assert told(seen(work)["next"]) == [("ready", "a", "gitcoord claim a")]
    held = claims.claim(work, "x", "a")
    (item,) = seen(work)["next"]
    assert (item["kind"], item["task"]) == ("need", "b")
    results.release(work, "x", "a", held.claim["token"])
    do(work, "x", "a")
    do(work, "x", "b")
    assert told(seen(work)["next"]) == [("landing", None, "gitcoord phase land default")]


def test_a_silent_holder_is_late_then_silent_then_over(repo: Path) -> None:
    found(repo, tasks("a"), "x", worktrees=False).close()
    work, clock = later(repo)
    held = claims.claim(work, "x", "a")
    assert seen(work)["stuck"] == []
    clock.ahead_ns += 6 * MINUTE_NS
    assert told(seen(work)["stuck"]) == [("late", "a", "gitcoord show a")]
    clock.ahead_ns += 2 * MINUTE_NS
    assert told(seen(work)["stuck"]) == [("silent", "a", "gitcoord show a")]
    # It lives, and says nothing.
    work.ledger.beat("x", held.claim["token"])
    assert told(seen(work)["stuck"]) == [("late", "a", "gitcoord show a")]
    clock.ahead_ns += 16 * MINUTE_NS
    (item,) = seen(work)["stuck"]
    assert (item["kind"], item["command"], item["agent"]) == ("over", "gitcoord reap", "x")


def test_a_holder_that_lives_and_does_nothing_is_hung(repo: Path) -> None:
    plan = tasks("a").replace('"Do a"', '"Do a"\nestimate = "2m"')
    found(repo, plan, "x", worktrees=False).close()
    work, clock = later(repo)
    held = claims.claim(work, "x", "a")
    clock.ahead_ns += 7 * MINUTE_NS
    work.ledger.beat("x", held.claim["token"])
    # Three times the estimate, and no entry; but by the wall clock it has just begun.
    assert [kind for kind, _, _ in told(seen(work)["stuck"])] == ["late"]
    clock.wall_ahead_s += 7 * 60
    assert [kind for kind, _, _ in told(seen(work)["stuck"])] == ["hung"]
    log = work.logs.of_attempt("a", 1, held.claim["token"], "run")
    log.parent.mkdir(parents=True)
    log.write_text("still compiling")
    now = clock.seconds()
    os.utime(log, (now, now))
    assert [kind for kind, _, _ in told(seen(work)["stuck"])] == ["late"]


def test_a_review_that_nobody_can_give_is_stuck(repo: Path) -> None:
    work = found(repo, REVIEWED + tasks("a"), "x")
    do(work, "x", "a")
    assert told(seen(work)["stuck"]) == [("review", "a", "gitcoord agent add ID")]
    agents.add(work, "y")
    assert seen(work)["stuck"] == []
    reviews.claim(work, "y")
    assert [one["kind"] for one in seen(work)["running"]] == ["review"]


def test_when_the_rest_is_done_is_known_from_three_finished_tasks_on(repo: Path) -> None:
    two = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'
    plan = two + tasks("a", "b", "c", "d", "e").replace('"Do e"', '"Do e"\nphase = "two"')
    for name in "abcd":
        plan = plan.replace(f'"Do {name}"', f'"Do {name}"\nphase = "one"')
    work = found(repo, plan, "x", "y")
    for name in "ab":
        do(work, "x", name)
    unknown = seen(work)["eta"]
    assert (unknown["from"], unknown["to"]) == (None, None)
    assert unknown["basis"].startswith("unknown: 3 tasks have to finish first, 2 did")
    do(work, "x", "c")
    known = seen(work)["eta"]
    assert known["from"] <= known["to"]
    assert "3 finished tasks, 2 remaining, 1 agent(s)" in known["basis"]
    held = claims.claim(work, "y", "d")
    results.fail(work, "y", "d", held.claim["token"], "no", "permanent")
    assert "1 failed or blocked" in seen(work)["eta"]["basis"]
    still = open_workspace(repo, clock=Still())
    assert seen(still)["eta"] == seen(still)["eta"]
