"""A scope has the tasks of its phases that it names, and every one where it names none."""

from __future__ import annotations

from typing import Any

from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.features.work.choices import ALL_TASKS, Scope


def task(name: str, phase: str) -> Any:
    return {"id": name, "spec": {"phase": phase}}


def test_what_is_named_bounds_and_what_is_not_does_not() -> None:
    of_phase = Scope(phases=frozenset({PhaseId("p")}))
    of_both = of_phase._replace(tasks=frozenset({TaskId("a")}))
    assert [ALL_TASKS.has(task("a", "p")), ALL_TASKS.has(task("b", "q"))] == [True, True]
    assert [of_phase.has(task("a", "p")), of_phase.has(task("a", "q"))] == [True, False]
    assert [of_both.has(task("a", "p")), of_both.has(task("b", "p"))] == [True, False]


def test_a_pool_that_is_named_goes_before_the_agents_own() -> None:
    agent: Any = {"pools": ["x", "y"]}
    assert ALL_TASKS.pools_of(agent) == ["x", "y"]
    assert Scope("z").pools_of(agent) == ["z"]
