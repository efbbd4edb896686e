"""Check how the tasks of a plan hang together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from gitcoord.core import graph, paths
from gitcoord.core.boundary import could_write
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.model import PhaseSpec, PlanRecord, PoolSpec, TaskSpec
from gitcoord.core.plan_values import Problems, shown
from gitcoord.core.streams import is_stream
from gitcoord.core.texts import clause

__all__ = [
    "check_bounds",
    "check_needs",
    "check_order",
    "check_streams",
    "gate_warnings",
    "path_warnings",
]

MAX_WARNINGS = 20
MAX_COMPARISONS = 200_000


def check_order(phases: list[PhaseSpec], declared: Collection[str], problems: Problems) -> None:
    """Refuse phases that wait for none that is declared, or for each other."""
    for index, phase in enumerate(phases):
        for before in phase["after"]:
            if before not in declared:
                near = problems.near(before, declared) or sorted(declared)[:5]
                problems.add(
                    problems.places.at("phase", index, "after"),
                    f"phase {phase['id']}: there is no phase {shown(before)}; known: "
                    f"{', '.join(near)}",
                )
    cycle = graph.find_cycle({phase["id"]: phase["after"] for phase in phases})
    if cycle:
        problems.add(
            problems.places.at("phase", 0), f"phases wait for each other: {' -> '.join(cycle)}"
        )


def check_streams(
    phases: list[PhaseSpec],
    known: Mapping[PhaseId, PhaseSpec],
    closed: Collection[PhaseId],
    problems: Problems,
) -> None:
    """Refuse phases that come after a stream which is not closed: it does not end."""
    for index, phase in enumerate(phases):
        for before in phase["after"]:
            if before in known and is_stream(known[before]) and before not in closed:
                problems.add(
                    problems.places.at("phase", index, "after"),
                    f"phase {phase['id']} comes after stream {before}, which does not end: close "
                    f"it first (`gitcoord phase close {before}`), or needs = [...] within the "
                    "stream",
                )


def check_needs(
    tasks: list[TaskSpec],
    where: dict[TaskId, str],
    phases: Mapping[PhaseId, PhaseSpec],
    known: Callable[[TaskId], TaskSpec | None],
    problems: Problems,
) -> None:
    """Refuse needs that lead nowhere, forward, or round in a circle."""
    by_id = {task["id"]: task for task in tasks}
    before = _predecessors(phases)
    needs: dict[TaskId, list[TaskId]] = {}
    pending = list(tasks)
    outside: set[TaskId] = set()
    while pending:
        task = pending.pop()
        is_ours = task["id"] in by_id
        found = []
        for need in task["needs"]:
            other = by_id.get(need) or known(need)
            if other is None:
                if is_ours:
                    near = problems.near(need, by_id)
                    hint = clause(": did you mean {}?", ", ".join(near))
                    problems.add(
                        where[task["id"]],
                        f"task {task['id']} needs {shown(need)}, which does not exist{hint}",
                    )
                continue
            found.append(need)
            if (
                is_ours
                and need != task["id"]
                and not _is_reachable(other["phase"], task["phase"], before)
            ):
                problems.add(
                    where[task["id"]],
                    f"task {task['id']} of phase {task['phase']} needs {need} of phase "
                    f"{other['phase']}, "
                    "which does not come before it",
                )
            if need not in by_id and need not in outside:
                outside.add(need)
                pending.append(other)
        needs[task["id"]] = found
    cycle = graph.find_cycle(needs)
    if cycle:
        first = next(iter(where.values()))
        at = next((where[name] for name in cycle if name in where), first)
        problems.add(at, f"tasks need each other: {' -> '.join(cycle)}")


def check_bounds(
    tasks: list[TaskSpec],
    where: dict[TaskId, str],
    phases: Mapping[PhaseId, PhaseSpec],
    pools: Mapping[str, PoolSpec],
    problems: Problems,
) -> None:
    """Refuse a task whose phase or pool leaves it nothing to write."""
    for task in tasks:
        layers = (
            ("phase", task["phase"], phases.get(task["phase"])),
            ("pool", task["pool"], pools.get(task["pool"])),
        )
        for kind, name, spec in layers:
            if spec is not None and not could_write(task["paths"], spec["paths"]):
                allowed = ", ".join((spec["paths"] or [])[:5]) or "nothing"
                problems.add(
                    where[task["id"]],
                    f"task {task['id']} could write nothing: {kind} {name} allows {allowed}",
                )


def _predecessors(phases: Mapping[PhaseId, PhaseSpec]) -> dict[str, set[str]]:
    """Return every phase that has landed before a phase starts."""
    found: dict[str, set[str]] = {}
    for phase in phases:
        seen: set[str] = set()
        stack = list(phases[phase]["after"])
        while stack:
            one = stack.pop()
            if one not in seen and one in phases:
                seen.add(one)
                stack += phases[one]["after"]
        found[phase] = seen
    return found


def _is_reachable(needed: str, phase: PhaseId, before: Mapping[str, set[str]]) -> bool:
    return needed == phase or needed in before.get(phase, set())


def gate_warnings(plan: PlanRecord, phases: list[PhaseSpec]) -> list[str]:
    """Return the phases that cannot land, since they lack a gate that the plan requires."""
    if not plan["gates_required"]:
        return []
    return [
        f"phase {phase['id']} has no gate, and gates_required keeps it from landing"
        for phase in phases
        if not phase["gates"]
    ]


def path_warnings(
    tasks: list[TaskSpec], phases: Mapping[PhaseId, PhaseSpec], where: dict[TaskId, str]
) -> list[str]:
    """Return the tasks that could run at once but write the same paths."""
    before = _predecessors(phases)
    after = graph.dependents_of({task["id"]: task["needs"] for task in tasks})
    by_prefix: dict[str, list[TaskSpec]] = {}
    found: list[str] = []
    budget = MAX_COMPARISONS
    seen: set[tuple[str, str]] = set()
    for task in tasks:
        for other in _near(task, by_prefix):
            pair = (other["id"], task["id"])
            if pair in seen or budget <= 0:
                continue
            seen.add(pair)
            budget -= 1 + _chars(task) * _chars(other) // 10_000
            both = paths.overlaps(task["paths"] or [], other["paths"] or [])
            if both is None or _are_ordered(task, other, before, after):
                continue
            found.append(
                f"{where[task['id']]}: tasks {other['id']} and {task['id']} both write {both[0]}: "
                "they run one after "
                "the other"
            )
        for prefix in {paths.literal_prefix(pattern).casefold() for pattern in task["paths"] or []}:
            parts = prefix.split("/") if prefix else []
            for count in range(len(parts) + 1):
                by_prefix.setdefault("below:" + "/".join(parts[:count]), []).append(task)
            by_prefix.setdefault("at:" + prefix, []).append(task)
    if len(found) > MAX_WARNINGS:
        found = [
            *found[:MAX_WARNINGS],
            f"and {len(found) - MAX_WARNINGS} more pairs of tasks that write the same paths",
        ]
    return found


def _chars(task: TaskSpec) -> int:
    return sum(map(len, task["paths"] or []))


def _near(task: TaskSpec, by_prefix: Mapping[str, list[TaskSpec]]) -> list[TaskSpec]:
    found: dict[str, TaskSpec] = {}
    for pattern in task["paths"] or []:
        prefix = paths.literal_prefix(pattern).casefold()
        parts = prefix.split("/") if prefix else []
        keys = [
            "below:" + prefix,
            *("at:" + "/".join(parts[:count]) for count in range(len(parts) + 1)),
        ]
        for key in keys:
            found |= {other["id"]: other for other in by_prefix.get(key, ())[:2000]}
    return list(found.values())


def _are_ordered(
    one: TaskSpec,
    other: TaskSpec,
    before: Mapping[str, set[str]],
    after: Mapping[TaskId, list[TaskId]],
) -> bool:
    if one["phase"] != other["phase"]:
        return other["phase"] in before.get(one["phase"], set()) or one["phase"] in before.get(
            other["phase"], set()
        )
    for start, goal in ((one["id"], other["id"]), (other["id"], one["id"])):
        direct, further = graph.impact(after, start)
        if goal in direct or goal in further:
            return True
    return False
