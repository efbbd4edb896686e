"""What a simulation says, and what a ledger's history teaches it."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.plan import parse
from gitcoord.core.simulation import Assumptions, simulate
from gitcoord.features.inspect.chain import entries
from gitcoord.features.inspect.simulations import (
    DEFAULT_TASK_MS,
    critical_path,
    learned,
    plan_document,
    simulation,
)
from gitcoord.features.run import runner
from gitcoord.features.work import claims, results
from tests.support.builders import tasks
from tests.support.world import do, found

ORDERED = '[plan]\nselection = "round-robin"\n'
PHASES = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'


def test_a_real_run_of_the_plan_does_what_was_simulated(repo: Path) -> None:
    plan = tasks("a", "b", "c", head=ORDERED + PHASES, c=["a"])
    for name, phase in (("a", "one"), ("b", "two"), ("c", "one")):
        plan = plan.replace(f'"Do {name}"', f'"Do {name}"\nphase = "{phase}"')
    work = found(repo, plan)
    simulated = simulate(plan_document(work), 1, Assumptions(60_000)).events
    words = ["sh", "-c", "mkdir -p $GITCOORD_TASK && date > $GITCOORD_TASK/x"]
    assert runner.run(work, repo, words, 1, lambda _note: None).is_landed
    tip = work.ledger.snapshot().oid
    real = [link.event for link in entries(work, tip)][::-1]
    for events in (simulated, real):
        told = [
            (event["op"], event.get("task") or event.get("phase"))
            for event in events
            if event["op"] not in {"init", "plan", "agent-add"}
        ]
        assert told == [
            ("claim", "a"),
            ("complete", "a"),
            ("claim", "c"),
            ("complete", "c"),
            ("land-begin", "one"),
            ("land-done", "one"),
            ("claim", "b"),
            ("complete", "b"),
            ("land-begin", "two"),
            ("land-done", "two"),
        ]
    landed = {one["id"]: one["state"] for one in work.ledger.snapshot().phases()}
    assert landed == {"one": "landed", "two": "landed"}


def test_the_number_of_agents_that_is_worth_it_meets_efficiency_and_overhead() -> None:
    document = parse(tasks(*(f"t{number}" for number in range(12)), head=ORDERED))[0]
    told = simulation(document, [1, 4, 12, 24], Assumptions(60_000))
    assert [one["makespan_ms"] // 60_000 for one in told["runs"]] == [12, 3, 1, 1]
    assert [one["is_worth_it"] for one in told["runs"]] == [False, True, True, True]
    assert told["worth"] == 12
    # A chain has work for one agent at a time: the others wait.
    chain = parse(tasks("a", "b", "c", head=ORDERED, b=["a"], c=["b"]))[0]
    alone = simulation(chain, [1, 2], Assumptions(60_000))
    assert alone["worth"] is None
    assert alone["critical_path"] == {"ms": 180_000, "tasks": ["a", "b", "c"]}


def test_the_longest_chain_goes_through_phases_and_conflicts_are_named() -> None:
    plan = tasks("a", "b", "c", head=PHASES).replace('"Do a"', '"Do a"\nphase = "two"')
    plan = plan.replace('"Do b"', '"Do b"\nphase = "one"\nestimate = "30m"')
    plan = plan.replace('"Do c"', '"Do c"\nphase = "one"').replace('["c/"]', '["b/x/"]')
    told = simulation(parse(plan)[0], [2], Assumptions(60_000))
    assert told["critical_path"] == {"ms": 31 * 60_000, "tasks": ["b", "a"]}
    assert "tasks b and c both write" in told["conflicts"][0]


def test_what_a_ledger_has_done_teaches_what_to_assume(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c", "d"), "x")
    do(work, "x", "a")
    assert learned(work) == Assumptions(DEFAULT_TASK_MS)
    for name in "bc":
        do(work, "x", name)
    held = claims.claim(work, "x", "d")
    results.fail(work, "x", "d", held.claim["token"], "no")
    known = learned(work)
    assert known.failure_rate == 0.25
    assert 0 < known.task_ms < DEFAULT_TASK_MS
    assert known.spread >= 0


def test_a_large_plan_is_worked_through() -> None:
    rows = '[[tasks]]\nids = "1-1000"\ntitle = "t {id}"\npaths = ["x/{id}/"]\n'
    told = simulation(parse(rows)[0], [50], Assumptions(60_000))
    assert told["runs"][0]["makespan_ms"] == 20 * 60_000


def test_what_needs_a_cancelled_task_is_not_counted(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c", "d", b=["a"], c=["b"]))
    work.ledger.execute({"op": "cancel", "task": "a", "reason": ""}, agent="orchestrator")
    document = plan_document(work)
    assert [one["id"] for one in document["tasks"]] == ["d"]
    assert critical_path(document, DEFAULT_TASK_MS)["tasks"] == ["d"]
