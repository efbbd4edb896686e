"""Choose the few tasks with which a plan is tried before it is run, and judge them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitcoord.core.ids import PhaseId, TaskId

__all__ = ["chosen", "shortfalls"]

MIN_SIDE_BY_SIDE = 3
"""Two agents save at most half of the time: fewer than three say nothing of efficiency."""


def chosen(ready: Iterable[tuple[PhaseId, str, TaskId]], count: int) -> list[TaskId]:
    """Choose tasks in turn from each pool of each phase, in plan order.

    ``ready`` holds the phase, pool and id of what can be begun now.
    """
    groups: dict[tuple[PhaseId, str], list[TaskId]] = {}
    for phase, pool, task in ready:
        groups.setdefault((phase, pool), []).append(task)
    picked: list[TaskId] = []
    for turn in range(count):
        round_of = [tasks[turn] for tasks in groups.values() if turn < len(tasks)]
        picked += round_of[: count - len(picked)]
        if not round_of or len(picked) == count:
            break
    return picked


def shortfalls(conditions: Sequence[Mapping[str, Any]], side_by_side: int) -> list[str]:
    """Return the names of the conditions that a pilot missed.

    What is not known is not missed. Efficiency counts only where enough
    agents worked side by side for it to be met at all.
    """
    missed = [str(one["name"]) for one in conditions if one["is_met"] is False]
    if side_by_side < MIN_SIDE_BY_SIDE:
        missed = [name for name in missed if name != "efficiency"]
    return missed
