"""Say what a landing of a phase would merge, and why it cannot yet."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.machine.table import require
from gitcoord.core.model import TaskRecord
from gitcoord.core.snapshot import Snapshot

__all__ = ["Wholeness", "check_left_out", "left_out", "merge_order", "wholeness"]


class Wholeness(NamedTuple):
    """How far a phase is: its tasks, and those that keep it from landing."""

    tasks: list[TaskRecord]
    missing: list[TaskRecord]


def wholeness(snapshot: Snapshot, phase: str, without: Sequence[str] = ()) -> Wholeness:
    """Read every task of a phase; it is whole when none is missing.

    Tasks that a person leaves out count neither way.
    """
    tasks = [
        task
        for task in snapshot.tasks()
        if task["spec"]["phase"] == phase and task["id"] not in without
    ]
    tasks.sort(key=lambda task: task["order"])
    return Wholeness(tasks, [task for task in tasks if task["state"] not in {"done", "cancelled"}])


def left_out(snapshot: Snapshot, phase: str, named: Sequence[str]) -> list[str]:
    """Name the tasks that cannot land without the named ones, those included.

    A task of the phase goes with what it needs and with what its result was
    built on, transitively: its work would bring the other's along. In plan
    order.
    """
    tasks = [
        task
        for task in snapshot.tasks()
        if task["spec"]["phase"] == phase and task["state"] != "cancelled"
    ]
    gone = set(named)
    is_growing = True
    while is_growing:
        more = {
            task["id"]
            for task in tasks
            if task["id"] not in gone
            and not gone.isdisjoint(
                [*task["spec"]["needs"], *(task["result"]["built_on"] if task["result"] else ())]
            )
        }
        gone |= more
        is_growing = bool(more)
    return [
        task["id"] for task in sorted(tasks, key=lambda task: task["order"]) if task["id"] in gone
    ]


def check_left_out(snapshot: Snapshot, phase: str, without: list[str]) -> None:
    """Refuse to leave tasks out without those that go with them.

    Raises:
        UsageError: Not every one is a task of the phase.
        RefusedError: The tasks that go with them changed (reason
            ``results-changed``).

    """
    if not without:
        return
    for name in without:
        task = snapshot.require_task(name)
        if task["spec"]["phase"] != phase:
            raise UsageError(
                f"task {name} belongs to phase {task['spec']['phase']}, not to {phase}"
            )
        require("leave-out", name, task["state"])
    if left_out(snapshot, phase, without) != without:
        raise RefusedError(
            "the tasks that have to be left out are others by now", reason="results-changed"
        )


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
