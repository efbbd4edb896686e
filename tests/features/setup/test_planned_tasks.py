"""One task is added to a plan in passing, or changed while it is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitcoord.core.errors import (
    InvalidPlanError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from gitcoord.features.land import landings
from gitcoord.features.maintain import verify
from gitcoord.features.setup import planned_tasks, plans
from gitcoord.features.work import claims, escalations
from tests.support.builders import tasks
from tests.support.world import do, found, record

PHASES = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'
ODD = 'Say "hi" \\ to {id} and \u00e9 \U0001f600'


def test_a_task_is_added_with_the_next_number_in_the_only_phase_and_pool(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    done = planned_tasks.add(work, {"title": "Document it", "paths": ["docs/"], "needs": ["a"]})
    spec = record(work, str(done.event["task"]))["spec"]
    assert (spec["phase"], spec["pool"], spec["needs"]) == ("default", "default", ["a"])
    more = planned_tasks.add(work, {"title": "And this", "paths": ["more/"]})
    assert int(str(more.event["task"])) == int(str(done.event["task"])) + 1
    claims.claim(work, "x", str(more.event["task"]), checkout=False)
    verify.verify(work)


def test_a_later_plan_finds_what_was_added_by_its_id(repo: Path) -> None:
    work = found(repo, tasks("a"))
    planned_tasks.add(work, {"id": "b", "title": "Do b", "paths": ["b/"]})
    applied = plans.apply_plan(work, tasks("a", "b"), "p.toml")
    assert (applied.added, applied.changed, applied.kept) == (0, 0, [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"id": "c"}, "has no paths"),
        ({"id": "c", "paths": ["/etc"]}, "/etc"),
        ({"id": "c", "paths": ["c/"], "needs": ["zz"]}, "zz"),
        ({"id": "../c", "paths": ["c/"]}, "../c"),
        ({"id": "c", "paths": ["c/"], "estimate": "soon"}, "soon"),
        ({"id": "c", "paths": ["c/"], "phase": "three"}, "three"),
    ],
)
def test_what_no_plan_could_say_is_refused(repo: Path, options: object, words: str) -> None:
    work = found(repo, PHASES + tasks("a").replace("paths =", 'phase = "one"\npaths ='))
    before = work.ledger.tip()
    assert isinstance(options, dict)
    with pytest.raises((InvalidPlanError, NotFoundError)) as caught:
        planned_tasks.add(work, {"title": "T", "phase": "one", **options})
    assert words in f"{caught.value.message} {caught.value.facts}"
    assert work.ledger.tip() == before


def test_a_task_that_is_there_or_whose_phase_landed_is_refused(repo: Path) -> None:
    work = found(repo, tasks("a", "b"), "x")
    for name in ("a", "A"):
        with pytest.raises((RefusedError, InvalidPlanError)):
            planned_tasks.add(work, {"id": name, "title": "T", "paths": ["n/"]})
    do(work, "x", "a")
    do(work, "x", "b")
    landings.land(work, "default")
    with pytest.raises((RefusedError, InvalidPlanError)):
        planned_tasks.add(work, {"title": "T", "paths": ["n/"], "phase": "default"})


def test_an_open_task_is_changed_and_keeps_what_is_not_named(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x", worktrees=False)
    before = record(work, "b")["spec"]
    planned_tasks.edit(work, "b", {"title": ODD, "estimate": "90s", "priority": 5})
    after = record(work, "b")["spec"]
    changed = {"title": ODD, "estimate_ms": 90_000, "priority": 5}
    assert after == {**before, **changed}
    planned_tasks.edit(work, "b", {"priority": 6})
    assert record(work, "b")["spec"] == {**after, "priority": 6}
    verify.verify(work)


def test_what_is_held_is_so_already_or_would_wait_for_itself_is_not_changed(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]), "x", worktrees=False)
    with pytest.raises(InvalidPlanError):
        planned_tasks.edit(work, "a", {"needs": ["b"]})
    with pytest.raises(RefusedError) as same:
        planned_tasks.edit(work, "a", {"title": "Do a"})
    assert same.value.reason == "nothing-to-do"
    with pytest.raises(UsageError):
        planned_tasks.edit(work, "a", {})
    claims.claim(work, "x", "a", checkout=False)
    with pytest.raises(RefusedError) as held:
        planned_tasks.edit(work, "a", {"title": "Other"})
    assert held.value.reason == "state"


MORE = {"id": "m", "title": "More", "paths": ["m/"], "needs": ["a"], "estimate": "90s"}


def test_a_granted_proposal_is_the_task_that_was_proposed(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    asked = planned_tasks.propose(work, "x", MORE)
    done = escalations.resolve(work, asked.escalation, "yes", is_granted=True)
    assert [one["op"] for one in done.event["events"]] == ["resolve", "task-add"]
    spec = record(work, "m")["spec"]
    assert (spec["needs"], spec["estimate_ms"], spec["phase"]) == (["a"], 90_000, "default")
    assert done.snapshot.escalations()[0]["state"] == "resolved"
    verify.verify(work)


@pytest.mark.parametrize(
    "options",
    [
        {"id": "a", "title": "T", "paths": ["n/"]},
        {"id": "c", "title": "T"},
        {"id": "c", "title": "T", "paths": ["c/"], "needs": ["zz"]},
        {"id": "m", "title": "T", "paths": ["n/"]},
        {"id": "c", "title": "T", "paths": ["c/"], "description": "x" * 1024},
    ],
    ids=["there", "no paths", "unknown need", "proposed", "too long"],
)
def test_what_could_not_be_added_is_not_proposed(repo: Path, options: dict[str, object]) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    planned_tasks.propose(work, "x", MORE)
    before = work.ledger.tip()
    with pytest.raises((InvalidPlanError, RefusedError, UsageError)):
        planned_tasks.propose(work, "x", options)
    assert work.ledger.tip() == before


def test_what_cannot_be_added_any_more_stays_open(repo: Path) -> None:
    work = found(repo, tasks("a"), "x", worktrees=False)
    asked = planned_tasks.propose(work, "x", MORE)
    planned_tasks.add(work, {"id": "m", "title": "Meanwhile", "paths": ["n/"]})
    with pytest.raises(RefusedError) as there:
        escalations.resolve(work, asked.escalation, "yes", is_granted=True)
    assert there.value.reason == "exists"
    assert there.value.message.startswith("there is a task m already")
    escalations.resolve(work, asked.escalation, "it is there")
    assert escalations.inbox(work) == []
