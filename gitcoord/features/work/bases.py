"""Find the commit that a task's work starts from, and what it contains.

A base is the target's tip plus the unlanded results of the task's phase
that it needs or whose paths overlap its own, merged in plan order. The
merges are deterministic: the same inputs give the same commit, so that a
claim without a checkout can have its base made again later.
"""

from __future__ import annotations

from gitcoord.core import paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import Oid, TaskId
from gitcoord.core.leases import LeftError
from gitcoord.core.model import TaskRecord
from gitcoord.core.refs import result_refs
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace

__all__ = ["Base", "base_of", "built_on_of"]


class Base(NamedTuple):
    """A base commit, and the results of the phase that it contains."""

    oid: Oid
    built_on: dict[TaskId, Oid]


def base_of(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, *, is_merged: bool = True
) -> Base:
    """Make the base of a task's next attempt.

    Raises:
        LeftError: Results have to be merged, and that is not wanted.
        RefusedError: The results cannot be merged (reason
            ``base-conflict``; fact ``files``).

    """
    tip = work.target_tip(snapshot)
    wanted = _wanted(work, snapshot, task)
    if not wanted:
        return Base(tip, {})
    if not is_merged:
        raise LeftError
    from gitcoord.git.merges import Conflict, fork_base

    wanted.sort(key=lambda other: other["order"])
    handed_in = [other["result"]["oid"] for other in wanted if other["result"]]
    results = [oid for oid in handed_in if oid is not None]
    merged = fork_base(work.git, tip, results)
    if isinstance(merged, Conflict):
        raise RefusedError(
            f"task {task['id']} has no base: the results of "
            f"{', '.join(other['id'] for other in wanted)} conflict in "
            + ", ".join(merged.files[:5]),
            reason="base-conflict",
            task=task["id"],
            files=list(merged.files[:20]),
            hint="the orchestrator decides: cancel one of them, or reopen it",
        )
    built_on: dict[TaskId, Oid] = {}
    for other in wanted:
        result = other["result"]
        if result is None:
            continue
        older = result["built_on"].items()
        built_on |= {name: oid for name, oid in older if _is_current(snapshot, name, oid)}
        if result["oid"] is not None:
            built_on[other["id"]] = result["oid"]
    return Base(merged, built_on)


def _wanted(work: Workspace, snapshot: Snapshot, task: TaskRecord) -> list[TaskRecord]:
    """List the done tasks of the phase whose results the base must hold."""
    phase = task["spec"]["phase"]
    names = dict.fromkeys(task["spec"]["needs"])
    patterns = paths_of(task) or []
    if patterns:
        names |= dict.fromkeys(work.index.overlapping(phase, patterns))
    found = []
    for name in names:
        other = snapshot.task(name)
        if (
            other is None
            or name == task["id"]
            or other["spec"]["phase"] != phase
            or other["state"] != "done"
            or "landed" in other
        ):
            continue
        is_need = name in task["spec"]["needs"]
        if (
            other["result"]
            and other["result"]["oid"]
            and (is_need or paths.overlaps(patterns, paths_of(other) or []))
        ):
            found.append(other)
    return found


def _is_current(snapshot: Snapshot, name: TaskId, oid: Oid) -> bool:
    other = snapshot.task(name)
    return (
        other is not None
        and other["state"] == "done"
        and "landed" not in other
        and other["result"] is not None
        and other["result"]["oid"] == oid
    )


def built_on_of(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, result: Oid
) -> dict[TaskId, Oid]:
    """Return which current results of the phase a commit contains.

    Raises:
        RefusedError: It contains a superseded result that no current one
            descends from (reason ``base-moved``).

    """
    from gitcoord.git.merges import is_ancestor, rev_list

    phase = task["spec"]["phase"]
    prefix = result_refs(work.ledger.name)
    handed_in = {
        (TaskId(ref.split("/")[-2]), oid) for ref, oid in work.store.list_refs(prefix).items()
    }
    handed_in = {(name, oid) for name, oid in handed_in if name != task["id"]}
    if not handed_in:
        return {}
    contained = set(rev_list(work.git, [result], [work.target_tip(snapshot)]))
    built_on: dict[TaskId, Oid] = {}
    superseded: list[tuple[TaskId, Oid]] = []
    for name, oid in sorted(handed_in):
        other = snapshot.task(name)
        if oid not in contained or other is None or other["spec"]["phase"] != phase:
            continue
        if _is_current(snapshot, name, oid):
            built_on[name] = oid
        else:
            superseded.append((name, oid))
    for name, oid in superseded:
        if not any(is_ancestor(work.git, oid, current) for current in built_on.values()):
            raise RefusedError(
                f"the work contains a result of task {name} that was given up",
                reason="base-moved",
                hint=f"rebase the work without {oid[:12]}, and complete again",
                task=task["id"],
                moved=[name],
            )
    return built_on
