"""How the tasks of a plan hang together: needs, bounds, paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gitcoord.core import plan_graph
from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.plan_graph import check_bounds, check_needs, path_warnings
from gitcoord.core.plan_source import Places
from gitcoord.core.plan_values import Problems

PHASES: dict[str, Any] = {
    "one": {"id": "one", "after": [], "paths": None},
    "two": {"id": "two", "after": ["one"], "paths": ["src/"]},
    "three": {"id": "three", "after": ["two"], "paths": None},
    "beside": {"id": "beside", "after": [], "paths": None},
}


def task(name: str, *needs: str, phase: str = "one", paths: list[str] | None = None) -> Any:
    return {"id": name, "needs": list(needs), "phase": phase, "paths": paths, "pool": "default"}


def where(tasks: list[Any]) -> dict[str, str]:
    return {one["id"]: f"p:{number}" for number, one in enumerate(tasks, 1)}


def told(check: Callable[[Problems], None]) -> list[str]:
    problems = Problems(Places("", "p"))
    check(problems)
    try:
        problems.raise_all("p")
    except InvalidPlanError as error:
        return list(error.problems)
    return []


def needs_told(*tasks: Any, known: dict[str, Any] | None = None) -> list[str]:
    rows = list(tasks)
    return told(
        lambda problems: check_needs(rows, where(rows), PHASES, (known or {}).get, problems)
    )


def test_needs_may_lead_back_through_phases() -> None:
    assert (
        needs_told(
            task("a"),
            task("b", "a"),
            task("c", "a", "b", phase="two"),
            task("d", "a", phase="three"),
        )
        == []
    )


def test_a_need_that_does_not_exist_is_told_with_the_nearest() -> None:
    assert needs_told(task("lexer"), task("b", "lexar", "none-at-all")) == [
        "p:2: task b needs 'lexar', which does not exist: did you mean lexer?",
        "p:2: task b needs 'none-at-all', which does not exist",
    ]


@pytest.mark.parametrize("phase", ["two", "beside"])
def test_a_need_of_a_phase_that_does_not_come_before_is_told(phase: str) -> None:
    assert needs_told(task("a", phase=phase), task("b", "a")) == [
        f"p:2: task b of phase one needs a of phase {phase}, which does not come before it"
    ]


def test_a_circle_is_named_once_and_one_that_needs_itself_is_a_circle() -> None:
    (row,) = needs_told(task("a", "c"), task("b", "a"), task("c", "b"))
    assert row.partition(": ")[2].startswith("tasks need each other: ")
    assert needs_told(task("a", "a")) == ["p:1: tasks need each other: a -> a"]


def test_a_circle_through_tasks_of_the_ledger_is_found() -> None:
    known = {"x": task("x", "y"), "y": task("y", "a")}
    (row,) = needs_told(task("a", "x"), known=known)
    assert set(row.partition("other: ")[2].split(" -> ")) == {"a", "x", "y"}
    assert needs_told(task("a", "x"), known={"x": task("x", "gone")}) == []


def test_a_task_that_could_write_nothing_is_told_with_what_is_allowed() -> None:
    rows = [
        task("a", phase="two", paths=["docs/"]),
        task("b", phase="two", paths=["src/x/"]),
        task("c", phase="two"),
        task("d", phase="one", paths=["docs/"]),
    ]
    pools: Any = {"default": {"paths": ["src/x/", "docs/"]}}
    assert told(lambda problems: check_bounds(rows, where(rows), PHASES, pools, problems)) == [
        "p:1: task a could write nothing: phase two allows src/"
    ]
    nothing: Any = {"default": {"paths": ["lib/"]}}
    assert told(
        lambda problems: check_bounds(rows[3:], where(rows), PHASES, nothing, problems)
    ) == ["p:4: task d could write nothing: pool default allows lib/"]


def warned(*tasks: Any) -> list[str]:
    rows = list(tasks)
    return path_warnings(rows, PHASES, where(rows))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["src/"], ["src/a/"]),
        (["src/a/"], ["src/"]),
        (["src/a.py"], ["src/*.py"]),
        (["**"], ["x"]),
        (["SRC/"], ["src/x"]),
        (["a/", "lib/x"], ["b/", "lib/"]),
    ],
)
def test_tasks_that_could_run_at_once_and_write_the_same_are_named(
    one: list[str], other: list[str]
) -> None:
    (row,) = warned(task("a", paths=one), task("b", paths=other))
    assert row.startswith("p:2: tasks a and b both write ")


def test_tasks_that_wait_for_each_other_are_no_worry() -> None:
    assert warned(task("a", paths=["s/"]), task("b", "a", paths=["s/"])) == []
    assert (
        warned(
            task("a", paths=["s/"]),
            task("m", "a", paths=["m/"]),
            task("b", "m", paths=["s/"]),
        )
        == []
    )
    assert warned(task("a", paths=["s/"]), task("b", phase="three", paths=["s/"])) == []
    assert len(warned(task("a", paths=["s/"]), task("b", phase="beside", paths=["s/"]))) == 1
    assert warned(task("a", paths=["s/"]), task("b", paths=["t/"])) == []


def test_many_warnings_are_counted_and_their_search_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [task(f"t{number}", paths=["s/"]) for number in range(30)]
    found = warned(*rows)
    assert len(found) == plan_graph.MAX_WARNINGS + 1
    assert found[-1] == f"and {30 * 29 // 2 - 20} more pairs of tasks that write the same paths"
    monkeypatch.setattr(plan_graph, "MAX_COMPARISONS", 3)
    assert len(warned(*rows)) == 3
