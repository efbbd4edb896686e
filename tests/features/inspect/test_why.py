"""Everything that a task waits for, down to its roots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.features.inspect.why import MAX_OF_PHASE, why
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found

PHASES = '[[phase]]\nname = "one"\n[[phase]]\nname = "two"\nafter = ["one"]\n'


def in_phase(phase: str, *names: str) -> str:
    return tasks(*names).replace("paths =", f'phase = "{phase}"\nresult = "optional"\npaths =')


def steps(work: Workspace, task: str) -> list[tuple[int, str, str, str | None]]:
    answer = why(work, task)
    return [(one["depth"], one["kind"], one["text"], one["command"]) for one in answer["steps"]]


def order(work: Workspace, op: str, task: str, **more: Any) -> None:
    command = {"op": op, "agent": ORCHESTRATOR, "task": task, "reason": "", **more}
    work.ledger.execute(command, agent=ORCHESTRATOR)


def finish(work: Workspace, agent: str, task: str) -> None:
    held = claims.claim(work, agent, task, checkout=False)
    results.complete(work, agent, task, held.claim["token"], no_result=True)


def test_a_chain_of_needs_is_followed_to_who_holds_its_first(repo: Path) -> None:
    work = found(repo, tasks("a", "b", "c", "d", b=["a"], c=["b"], d=["c", "a"]), "x")
    assert why(work, "a")["steps"] == []
    claims.claim(work, "x", "a", checkout=False)
    order(work, "pause", "b")
    assert steps(work, "d") == [
        (0, "need", "task d waits for c, a", None),
        (1, "need", "task c waits for b", None),
        (2, "paused", "task b is paused by orchestrator", "gitcoord unpause b"),
        (2, "need", "task b waits for a", None),
        (3, "claim", "task a is held by x", None),
    ], "and a, which two wait for, is followed once"


def test_a_need_that_nobody_holds_waits_for_a_claim(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]))
    assert steps(work, "b")[1] == (1, "claim", "task a waits for a claim", "gitcoord claim a")


def test_a_need_that_failed_is_the_root_with_its_retry(repo: Path) -> None:
    work = found(repo, tasks("a", "b", b=["a"]))
    order(work, "cancel", "a")
    assert steps(work, "b") == [
        (
            0,
            "need",
            "task b is blocked: it needs a, which will not be done",
            "gitcoord retry a",
        ),
        (1, "need", "task a is cancelled", "gitcoord retry a"),
    ]


def test_a_phase_is_followed_to_its_tasks_and_then_to_its_landing(repo: Path) -> None:
    work = found(repo, PHASES + in_phase("one", "a", "b") + in_phase("two", "c"), "x")
    first = (
        0,
        "phase",
        "phase two has not started: phase one has to land first",
        "gitcoord phase check one",
    )
    finish(work, "x", "a")
    assert steps(work, "c") == [
        first,
        (1, "landing", "phase one waits for b", None),
        (2, "claim", "task b waits for a claim", "gitcoord claim b"),
    ]
    landing = (0, "landing", "phase one waits for b", None)
    assert steps(work, "a")[0] == landing, "what is done waits for its phase"
    finish(work, "x", "b")
    assert steps(work, "c") == [
        first,
        (1, "landing", "phase one waits for its landing", "gitcoord phase land one"),
    ]


def test_of_a_large_phase_the_first_are_followed_and_the_answer_says_so(repo: Path) -> None:
    names = [f"t{number}" for number in range(MAX_OF_PHASE + 3)]
    work = found(repo, PHASES + in_phase("one", *names) + in_phase("two", "c"))
    answer = why(work, "c")
    assert answer["is_cut"]
    assert answer["steps"][1]["text"].endswith(" and 3 more")
    assert len(answer["steps"]) == MAX_OF_PHASE + 2
