"""Compare a plan file with the ledger: what would change, and for whom.

Whatever a plan changes holds from its entry on: a gate for results that were
handed in before it, too, and a bound for work that is held. So each part
that changes names whose work it concerns, down to what is done and has not
landed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.model import PlanDocument, TaskRecord, TaskSpec
from gitcoord.core.shapes import NamedTuple, TypedDict
from gitcoord.core.snapshot import Snapshot

__all__ = [
    "ChangedPart",
    "ChangedTask",
    "Concerned",
    "Part",
    "PlanChanges",
    "changed_parts",
    "part_line",
    "plan_changes",
]

_MEANINGS = {
    ("phase", "gates"): "what is done passes them when it lands",
    ("phase", "reviews"): "tasks that are there and stay as they are keep what they need",
    ("phase", "paths"): "work that is held keeps to it at once",
    ("phase", "after"): "what is held goes on",
    ("pool", "paths"): "work that is held keeps to it at once",
    ("pool", "limit"): "what is held goes on",
}
"""What a change means for work that has begun, where that is not plain."""
_OVER = frozenset({"failed", "cancelled"})


class Part(NamedTuple):
    """What a plan changes beside tasks: a phase, a pool, or settings of the plan."""

    kind: Literal["phase", "pool", "plan"]
    name: str
    keys: list[str]
    is_new: bool


class Concerned(TypedDict):
    """A task whose work a change concerns, and who holds it or handed it in."""

    task: TaskId
    state: str
    agent: AgentId | None


class ChangedPart(TypedDict):
    """A part that changes, what that means, and whose work it concerns."""

    kind: str
    name: str
    keys: list[str]
    is_new: bool
    means: list[str]
    concerned: list[Concerned]


class ChangedTask(TypedDict):
    """A task of which the plan says something else now; ``agent`` is who it is assigned to."""

    task: TaskId
    state: str
    agent: AgentId | None
    keys: list[str]


class PlanChanges(NamedTuple):
    """All that a plan changes: ``kept`` are the ledger's tasks that the plan lacks.

    ``alike`` has pairs: a new task of the plan, and one that it lacks and that
    has the same title and the same paths.
    """

    added: list[TaskId]
    changed: list[ChangedTask]
    parts: list[ChangedPart]
    kept: list[TaskId]
    alike: list[tuple[TaskId, TaskId]]


def plan_changes(snapshot: Snapshot, document: PlanDocument) -> PlanChanges:
    """Compare a plan with the ledger, in one look at each task."""
    specs = {spec["id"]: spec for spec in document["tasks"]}
    parts = changed_parts(snapshot, document)
    landed = {phase["id"] for phase in snapshot.phases() if phase["state"] == "landed"}
    concerned: list[list[Concerned]] = [[] for _ in parts]
    changed: dict[TaskId, ChangedTask] = {}
    kept: list[TaskRecord] = []
    known = set()
    for task in snapshot.tasks():
        known.add(task["id"])
        spec = specs.get(task["id"])
        if spec is None:
            kept.append(task)
        elif spec != task["spec"]:
            changed[task["id"]] = _changed_task(task, spec)
        is_begun = task["state"] != "open" and task["state"] not in _OVER
        if not is_begun or "landed" in task or task["spec"]["phase"] in landed:
            continue
        for part, found in zip(parts, concerned, strict=True):
            if not part.is_new and _is_in(part, task):
                found.append(_concerned(task))
    added = [name for name in specs if name not in known]
    return PlanChanges(
        added=added,
        changed=[changed[name] for name in specs if name in changed],
        parts=[_told(part, found) for part, found in zip(parts, concerned, strict=True)],
        kept=sorted(task["id"] for task in kept),
        alike=_alike([specs[name] for name in added], kept),
    )


def changed_parts(snapshot: Snapshot, document: PlanDocument) -> list[Part]:
    """Return what a plan changes besides tasks: phases, pools, settings."""
    before = snapshot.plan()
    if before is None:
        return []
    parts: list[Part] = []
    for phase in document["phases"]:
        known = snapshot.phase(phase["id"])
        if known is None:
            parts.append(Part("phase", phase["id"], [], is_new=True))
            continue
        keys = _differing(known["spec"], phase)
        if keys:
            parts.append(Part("phase", phase["id"], keys, is_new=False))
    for name, pool in document["plan"]["pools"].items():
        old = before["pools"].get(name)
        if old is None:
            parts.append(Part("pool", name, [], is_new=True))
        elif old != pool:
            parts.append(Part("pool", name, _differing(old, pool), is_new=False))
    keys = [key for key in _differing(before, document["plan"]) if key != "pools"]
    if keys:
        parts.append(Part("plan", document["plan"]["name"], keys, is_new=False))
    return parts


def part_line(part: Part) -> str:
    """Return in a few words what changes of a part."""
    if part.kind == "plan":
        return f"plan ({', '.join(part.keys)})"
    what = f"{part.kind} {part.name}"
    if part.is_new:
        return f"{what} (new)"
    return f"{what} ({', '.join(part.keys)})"


def _differing(old: object, new: object) -> list[str]:
    """Return the keys that differ; one that may be absent is in either of them."""
    before, after = cast("dict[str, object]", old), cast("dict[str, object]", new)
    either = dict.fromkeys([*after, *before])
    return [key for key in either if before.get(key) != after.get(key)]


def _changed_task(task: TaskRecord, spec: TaskSpec) -> ChangedTask:
    return {**_concerned(task), "keys": _differing(task["spec"], spec)}


def _concerned(task: TaskRecord) -> Concerned:
    agent = task["assigned"]
    holder = task["claim"] or task["result"]
    if holder is not None:
        agent = holder["agent"]
    return {"task": task["id"], "state": task["state"], "agent": agent}


def _is_in(part: Part, task: TaskRecord) -> bool:
    if part.kind == "plan":
        return True
    if part.kind == "phase":
        return task["spec"]["phase"] == part.name
    return task["spec"]["pool"] == part.name


def _told(part: Part, concerned: list[Concerned]) -> ChangedPart:
    means = [_MEANINGS[part.kind, key] for key in part.keys if (part.kind, key) in _MEANINGS]
    kind, name, keys, is_new = part
    told: ChangedPart = {
        "kind": kind,
        "name": name,
        "keys": keys,
        "is_new": is_new,
        "means": means,
        "concerned": concerned,
    }
    return told


def _alike(added: Iterable[TaskSpec], kept: list[TaskRecord]) -> list[tuple[TaskId, TaskId]]:
    """Pair new tasks with those that the plan lacks and that say the same."""
    by_content = {_content(task["spec"]): task["id"] for task in kept}
    pairs = [(spec["id"], by_content.get(_content(spec))) for spec in added]
    return [(new, old) for new, old in pairs if old is not None]


def _content(spec: TaskSpec) -> tuple[str, tuple[str, ...]]:
    return spec["title"].casefold(), tuple(sorted(spec["paths"] or []))
