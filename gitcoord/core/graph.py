"""Follow needs: cycles, impact, waves, the longest chain.

Everything is iterative: a chain of a hundred thousand tasks is a plan
like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from gitcoord.core import paths
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.model import PhaseSpec, PoolSpec, TaskSpec
from gitcoord.core.shapes import NamedTuple

__all__ = [
    "DEFAULT_ESTIMATE_MS",
    "Wave",
    "dependents_of",
    "find_cycle",
    "impact",
    "levels",
    "remaining_chain_ms",
    "waves",
]

Name = TypeVar("Name", bound=str)
"""The id of a task, or of a phase."""

DEFAULT_ESTIMATE_MS = 600_000


class Wave(NamedTuple):
    """Tasks of one phase that can run at once, and what limits their number."""

    phase: PhaseId
    number: int
    tasks: list[TaskId]
    width: int
    limits: list[str]


def dependents_of(needs: Mapping[Name, Iterable[Name]]) -> dict[Name, list[Name]]:
    """Turn needs round: who needs each task."""
    found: dict[Name, list[Name]] = {}
    for task, wanted in needs.items():
        for need in wanted:
            found.setdefault(need, []).append(task)
    return found


def find_cycle(needs: Mapping[Name, Sequence[Name]]) -> list[Name] | None:
    """Return a cycle as a path that ends where it began, or None."""
    state: dict[Name, int] = {}
    for start in needs:
        if start in state:
            continue
        trail = [start]
        steps = [iter(needs.get(start, ()))]
        state[start] = 1
        while steps:
            following = next(steps[-1], None)
            if following is None:
                state[trail.pop()] = 2
                steps.pop()
            elif state.get(following) == 1:
                return [*trail[trail.index(following) :], following]
            elif following not in state:
                state[following] = 1
                trail.append(following)
                steps.append(iter(needs.get(following, ())))
    return None


def levels(needs: Mapping[Name, Iterable[Name]]) -> dict[Name, int]:
    """Give each task its depth: one more than its deepest need.

    Tasks on a cycle are left out.
    """
    wanted = {task: [need for need in of if need in needs] for task, of in needs.items()}
    missing = {task: len(of) for task, of in wanted.items()}
    after = dependents_of(wanted)
    depth = {task: 0 for task, count in missing.items() if not count}
    queue = deque(depth)
    while queue:
        task = queue.popleft()
        for later in after.get(task, ()):
            missing[later] -= 1
            if not missing[later]:
                depth[later] = max(depth[need] for need in wanted[later]) + 1
                queue.append(later)
    return depth


def impact(dependents: Mapping[Name, Sequence[Name]], task: Name) -> tuple[list[Name], list[Name]]:
    """List who needs a task directly, and who does through others."""
    direct = list(dependents.get(task, ()))
    seen = {task, *direct}
    queue = deque(direct)
    further = []
    while queue:
        for later in dependents.get(queue.popleft(), ()):
            if later not in seen:
                seen.add(later)
                further.append(later)
                queue.append(later)
    return direct, further


def remaining_chain_ms(
    needs: Mapping[Name, Sequence[Name]], estimates: Mapping[Name, int | None]
) -> dict[Name, int]:
    """Return the longest chain of estimates from each task on, itself included."""
    after = dependents_of(needs)
    depth = levels({task: needs.get(task, ()) for task in estimates})
    chain: dict[str, int] = {}
    for task in sorted(depth, key=lambda name: -depth[name]):
        own = estimates[task] or DEFAULT_ESTIMATE_MS
        chain[task] = own + max((chain.get(later, 0) for later in after.get(task, ())), default=0)
    return {task: chain.get(task, estimates[task] or DEFAULT_ESTIMATE_MS) for task in estimates}


def waves(
    tasks: Sequence[TaskSpec], phases: Sequence[PhaseSpec], pools: Mapping[str, PoolSpec]
) -> list[Wave]:
    """Return what can run at once: phases in their order, levels of needs within."""
    order = levels({phase["id"]: phase["after"] for phase in phases})
    depth = levels({task["id"]: task["needs"] for task in tasks})
    found = []
    for phase in sorted(phases, key=lambda one: order.get(one["id"], 0)):
        own = [task for task in tasks if task["phase"] == phase["id"]]
        for number, level in enumerate(sorted({depth.get(task["id"], 0) for task in own})):
            rows = [task for task in own if depth.get(task["id"], 0) == level]
            width, limits = _width(rows, pools)
            found.append(
                Wave(phase["id"], number + 1, [task["id"] for task in rows], width, limits)
            )
    return found


def _width(rows: Sequence[TaskSpec], pools: Mapping[str, PoolSpec]) -> tuple[int, list[str]]:
    """Count how many of these can run at once, and say what limits them."""
    limits = []
    by_pool: dict[str, list[TaskSpec]] = {}
    for task in rows:
        by_pool.setdefault(task["pool"], []).append(task)
    chosen: list[TaskSpec] = []
    taken: dict[str, list[str]] = {}
    for task in rows:
        near = {pattern for prefix in _prefixes(task) for pattern in taken.get(prefix, ())}
        if paths.overlaps(task["paths"] or [], near) is None:
            chosen.append(task)
            for pattern in task["paths"] or []:
                for prefix in _ancestors(paths.literal_prefix(pattern).casefold()):
                    taken.setdefault(prefix, []).append(pattern)
                taken.setdefault("/" + paths.literal_prefix(pattern).casefold(), []).append(pattern)
    if len(chosen) < len(rows):
        limits.append(f"overlapping paths keep {len(rows) - len(chosen)} waiting")
    width = 0
    for pool, members in by_pool.items():
        free = sum(task["pool"] == pool for task in chosen)
        limit = None
        if pool in pools:
            limit = pools[pool]["limit"]
        if limit is not None and limit < free:
            limits.append(f"pool {pool} takes {limit} of {len(members)} at a time")
            free = limit
        width += free
    return width, limits


def _ancestors(prefix: str) -> list[str]:
    found = [""]
    if prefix:
        parts = prefix.split("/")
        found += ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return found


def _prefixes(task: TaskSpec) -> list[str]:
    """Return the keys under which an overlapping pattern can be found.

    A pattern at or below ours is filed under each of its ancestors; one
    above ours under its own prefix, marked with a slash.
    """
    found = []
    for pattern in task["paths"] or []:
        prefix = paths.literal_prefix(pattern).casefold()
        found += [prefix, *("/" + above for above in _ancestors(prefix))]
    return found
