"""Own what a stream is: a phase that lands in batches, and does not end by itself.

What is done and has not landed is the next batch, as far as everything that
it needs, or was built on, has landed or is in the same batch. A batch is
cut to the size that the plan gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.layout import phase_path
from gitcoord.core.model import BatchSpec, PhaseRecord, PhaseSpec, TaskRecord
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = [
    "ADHOC",
    "batch_of",
    "batch_spec",
    "end_stream",
    "has_landed",
    "in_landing",
    "is_due",
    "is_stream",
    "open_streams",
    "takes_work",
]

ADHOC = PhaseId("adhoc")
"""The stream that takes work which no plan has."""
_ANY: BatchSpec = {"max": 0, "wait_ms": 0}


def is_stream(spec: PhaseSpec) -> bool:
    """Return whether what is done in a phase lands in batches."""
    return spec.get("stream", False)


def batch_spec(spec: PhaseSpec) -> BatchSpec:
    """Return how a stream is cut into batches; without a word of the plan, not at all."""
    return spec.get("batch", _ANY)


def has_landed(task: TaskRecord, landed: Iterable[PhaseId]) -> bool:
    """Return whether a task is over: it landed in a batch, or its phase is one that ``landed``."""
    return "landed" in task or task["spec"]["phase"] in landed


def takes_work(phase: PhaseRecord) -> bool:
    """Return whether tasks of a phase may be begun: a stream's while a batch lands, too."""
    if phase["state"] == "landing":
        return is_stream(phase["spec"])
    return phase["state"] == "open"


def in_landing(snapshot: Snapshot, phase: PhaseRecord) -> set[TaskId]:
    """Return the tasks of the batch that is landing in a stream, or that landed last."""
    landing = phase["landing"]
    if landing is None:
        return set()
    results = snapshot.json_blob(landing["results"], "the landing's results")
    return {TaskId(name) for name, _oid in results} | set(landing.get("bare", []))


def batch_of(tasks: Sequence[TaskRecord], most: int) -> list[TaskRecord]:
    """Return what of a stream lands next, of its tasks in plan order; at most ``most``, or all."""
    unlanded = {task["id"]: task for task in tasks if "landed" not in task}
    done = [task for task in unlanded.values() if task["state"] == "done"]
    picked: set[TaskId] = set()
    is_growing = True
    while is_growing:
        is_growing = False
        for task in done:
            if most and len(picked) == most:
                break
            is_free = all(one in picked or one not in unlanded for one in _befores(task))
            if is_free and task["id"] not in picked:
                picked.add(task["id"])
                is_growing = True
    return [task for task in done if task["id"] in picked]


def _befores(task: TaskRecord) -> list[TaskId]:
    """Return the tasks without which a result does not land."""
    result = task["result"]
    if result is None:
        return task["spec"]["needs"]
    return [*task["spec"]["needs"], *result["built_on"]]


def open_streams(snapshot: Snapshot) -> list[PhaseId]:
    """Return the streams into which more tasks may come, that somebody may wait for.

    Into ``adhoc`` each comes with its claim: beside other phases nobody
    waits for it while it is empty.
    """
    phases = snapshot.phases()
    found = [
        phase["id"] for phase in phases if is_stream(phase["spec"]) and not phase.get("closed")
    ]
    if ADHOC in found and len(phases) > 1:
        is_used = any(task["spec"]["phase"] == ADHOC for task in snapshot.tasks())
        if not is_used:
            found.remove(ADHOC)
    return found


def is_due(phase: PhaseRecord, batch: Sequence[TaskRecord], now: float) -> bool:
    """Return whether a batch lands by itself now: it is full, or the first waited long enough.

    ``now`` is in seconds, as entries have it. A phase that is not a stream is
    due as soon as it is whole.
    """
    spec = phase["spec"]
    if not is_stream(spec):
        return True
    found = batch_spec(spec)
    if not batch:
        return False
    is_full = found["max"] > 0 and len(batch) >= found["max"]
    if is_full or not found["wait_ms"]:
        return True
    since = min(task["result"]["at"] for task in batch if task["result"])
    return (now - since) * 1000 >= found["wait_ms"]


def end_stream(snapshot: Snapshot, changes: Changes, phase: PhaseId) -> None:
    """Say of a closed stream that it has landed, where the changes leave nothing to land."""
    after = snapshot.overlaid(changes)
    record = after.phase(phase)
    if record is None or not record.get("closed") or record["state"] != "open":
        return
    if all("landed" in task or task["state"] == "cancelled" for task in after.tasks_of(phase)):
        changes[phase_path(phase)] = cast("dict[str, Any]", {**record, "state": "landed"})
