"""Say what a landing of a phase would merge, and why it cannot yet."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

from gitcoord.core.model import TaskRecord
from gitcoord.core.snapshot import Snapshot

__all__ = ["Wholeness", "merge_order", "wholeness"]


class Wholeness(NamedTuple):
    """How far a phase is: its tasks, and those that keep it from landing."""

    tasks: list[TaskRecord]
    missing: list[TaskRecord]


def wholeness(snapshot: Snapshot, phase: str) -> Wholeness:
    """Read every task of a phase; it is whole when none is missing."""
    tasks = [task for task in snapshot.tasks() if task["spec"]["phase"] == phase]
    tasks.sort(key=lambda task: task["order"])
    return Wholeness(tasks, [task for task in tasks if task["state"] not in {"done", "cancelled"}])


def merge_order(tasks: list[TaskRecord]) -> list[list[str]]:
    """Pair each result with its task, in dependency order, then plan order."""
    results = {
        task["id"]: (task["order"], task["result"]["oid"])
        for task in tasks
        if task["state"] == "done" and task["result"] and task["result"]["oid"]
    }
    after: dict[str, list[str]] = {task: [] for task in results}
    missing = dict.fromkeys(results, 0)
    for task in tasks:
        record = task["result"]
        if task["id"] not in results or record is None:
            continue
        for before in {*task["spec"]["needs"], *record["built_on"]} & results.keys():
            after[before].append(task["id"])
            missing[task["id"]] += 1
    ready = [(results[task][0], task) for task in results if not missing[task]]
    heapify(ready)
    order: list[list[str]] = []
    while ready:
        _, task_id = heappop(ready)
        order.append([task_id, str(results[task_id][1])])
        for later in after[task_id]:
            missing[later] -= 1
            if not missing[later]:
                heappush(ready, (results[later][0], later))
    return order
