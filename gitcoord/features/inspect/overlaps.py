"""Tell whose work touches whose, before it clashes.

Two claims never hold the same path. What one writes another may rely on,
though; they may work in one folder; a result that has not landed may touch
what somebody writes; and what a task reads may have changed on the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitcoord.core import paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.model import TaskRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace

__all__ = ["changed_reads", "neighbours", "overlap_line", "overlaps"]

MAX_FILES = 20
MAX_RESULTS = 200
_WORDS = {
    "writes": "{agent} at {other} reads what this writes: {paths}",
    "reads": "{agent} at {other} writes what this reads: {paths}",
    "folder": "{agent} at {other} works in the same folder: {paths}",
    "result": "the result of {other} by {agent}, not landed, may touch {paths}",
}


def neighbours(snapshot: Snapshot, task: TaskRecord) -> list[dict[str, Any]]:
    """Return who works next door to a task, each neighbour once, by what matters most."""
    found = []
    for other in sorted(snapshot.live(), key=lambda one: one["order"]):
        claim = other["claim"]
        if claim is None or other["id"] == task["id"]:
            continue
        near = _near(task, other)
        if near is not None:
            kind, shared = near
            found.append(_facts(kind, task, other, claim["agent"], shared))
    return found


def overlaps(work: Workspace) -> dict[str, Any]:
    """Return what touches what of the whole ledger, and whose ``reads`` changed."""
    snapshot = work.ledger.snapshot()
    work.index.update(work.store, snapshot.oid)
    held = sorted(snapshot.claims(), key=lambda one: one[0]["order"])
    order = {task["id"]: task["order"] for task, _ in held}
    found = []
    for task, _ in held:
        # Each pair is told once, by the task that comes first.
        near = neighbours(snapshot, task)
        found += [one for one in near if order[one["other"]] > task["order"]]
        found += _results_near(work, snapshot, task)
    for name in work.index.first_shown(_open_phases(snapshot), "done", MAX_RESULTS):
        record = snapshot.require_task(name)
        beside = _results_near(work, snapshot, record)
        found += [one for one in beside if _order_of(snapshot, one["other"]) > record["order"]]
    changed = []
    for task, claim in held:
        files = changed_reads(work, snapshot, task)
        if files:
            changed.append({"task": task["id"], "agent": claim["agent"], "files": files})
    return {"tip": snapshot.oid, "overlaps": found, "changed": changed}


def changed_reads(work: Workspace, snapshot: Snapshot, task: TaskRecord) -> list[str]:
    """Return the files that a held task reads and that changed on the target since its base."""
    claim, reads = task["claim"], task["spec"]["reads"]
    if claim is None or not reads:
        return []
    from gitcoord.git.merges import merge_base
    from gitcoord.git.results import changed_files

    tip = work.target_tip(snapshot)
    base = merge_base(work.git, claim["base"], tip)
    if base is None or base == tip:
        return []
    files = sorted(changed_files(work.git, base, tip))
    return [file for file in files if any(paths.matches(one, file) for one in reads)][:MAX_FILES]


def overlap_line(one: dict[str, Any]) -> str:
    """Return in one line what touches a task's work."""
    told = {"other": one["other"], "agent": one["agent"], "paths": ", ".join(one["paths"][:5])}
    return _WORDS[one["kind"]].format(**told)


def _near(task: TaskRecord, other: TaskRecord) -> tuple[str, list[str]] | None:
    own, theirs = paths_of(task) or [], paths_of(other) or []
    for kind, mine, others in (
        ("reads", task["spec"]["reads"], theirs),
        ("writes", own, other["spec"]["reads"]),
    ):
        both = paths.overlaps(mine, others)
        if both is not None:
            return kind, [both[0]]
    shared = sorted(_folders(own) & _folders(theirs))
    if shared:
        return "folder", shared
    return None


def _folders(patterns: list[str]) -> set[str]:
    """Return the folders that patterns lie in; the top, where all lie, is none."""
    found = set()
    for pattern in patterns:
        prefix = paths.literal_prefix(pattern).rstrip("/")
        if not pattern.endswith("/"):
            prefix = prefix.rpartition("/")[0]
        if prefix:
            found.add(prefix + "/")
    return found


def _results_near(
    work: Workspace, snapshot: Snapshot, task: TaskRecord
) -> Iterator[dict[str, Any]]:
    """Find results that have not landed and that a task's work does not contain."""
    wanted = paths_of(task) or []
    names = work.index.overlapping(task["spec"]["phase"], wanted)
    names += work.index.in_review_near(wanted)
    holder = task["claim"] or task["result"]
    built_on = {}
    if holder is not None:
        built_on = holder["built_on"]
    for name in dict.fromkeys(names):
        other = snapshot.task(name)
        if other is None or other["id"] == task["id"] or "landed" in other:
            continue
        result, phase = other["result"], snapshot.phase(other["spec"]["phase"])
        is_over = phase is None or phase["state"] == "landed"
        if is_over or result is None or built_on.get(name) == result["oid"]:
            continue
        both = paths.overlaps(wanted, paths_of(other) or [])
        if both is not None and task["id"] not in result["built_on"]:
            yield _facts("result", task, other, result["agent"], [both[0]])


def _facts(
    kind: str, task: TaskRecord, other: TaskRecord, agent: AgentId, shared: list[str]
) -> dict[str, Any]:
    named = {"task": task["id"], "other": other["id"], "agent": agent}
    return {"kind": kind, **named, "paths": shared}


def _open_phases(snapshot: Snapshot) -> list[Any]:
    return [phase["id"] for phase in snapshot.phases() if phase["state"] != "landed"]


def _order_of(snapshot: Snapshot, task: TaskId) -> int:
    return snapshot.require_task(task)["order"]
