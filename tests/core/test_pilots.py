"""A pilot takes its tasks from every pool and phase, and is judged by the four conditions."""

from __future__ import annotations

from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.pilots import chosen, shortfalls


def ready(*rows: str) -> list[tuple[PhaseId, str, TaskId]]:
    split = [row.split() for row in rows]
    return [(PhaseId(phase), pool, TaskId(task)) for phase, pool, task in split]


def test_tasks_are_chosen_from_each_pool_of_each_phase_in_turn() -> None:
    rows = ready("p x 1", "p x 2", "p x 3", "p y 4", "q x 5", "q x 6")
    assert chosen(rows, 3) == ["1", "4", "5"]
    assert chosen(rows, 5) == ["1", "4", "5", "2", "6"]
    assert chosen(rows, 9) == ["1", "4", "5", "2", "6", "3"]
    assert chosen([], 3) == []


def condition(name: str, *, is_met: bool | None) -> dict[str, object]:
    return {"name": name, "is_met": is_met}


def test_what_is_not_known_is_not_missed() -> None:
    judged = [condition("failure_rate", is_met=False), condition("recovery", is_met=None)]
    assert shortfalls(judged, 2) == ["failure_rate"]


def test_two_agents_cannot_miss_an_efficiency_that_two_cannot_have() -> None:
    judged = [condition("efficiency", is_met=False), condition("overhead", is_met=True)]
    assert shortfalls(judged, 2) == []
    assert shortfalls(judged, 3) == ["efficiency"]
