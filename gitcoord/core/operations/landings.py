"""Own the rules of landings: what is merged, when, and how a move ends.

A phase lands whole or not at all. ``land-begin`` announces the target's
move, which freezes the phase; ``land-done`` or ``land-abort`` ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, cast

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import NO_OID, Oid, PhaseId, TaskId
from gitcoord.core.layout import SETTINGS, landing_path, phase_path
from gitcoord.core.leases import Context
from gitcoord.core.model import Landing, Pending, PhaseRecord, TaskRecord
from gitcoord.core.operation import WORDS, Operation, Transitions, copied, keys, why_of
from gitcoord.core.operations.changes import changed, escalate, with_setback
from gitcoord.core.operations.gates import proofs, require_gates
from gitcoord.core.operations.preconditions import open_phase, require_state
from gitcoord.core.refs import branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task
from gitcoord.core.streams import batch_of, batch_spec, end_stream, in_landing, is_stream

__all__ = ["OPERATIONS", "Wholeness", "left_out", "merge_order", "wholeness"]

_LEFT_OUT: Transitions = {
    "open": ("cancelled",),
    "claimed": ("cancelled",),
    "review": ("cancelled",),
    "done": ("cancelled",),
    "failed": ("cancelled",),
}


class Wholeness(NamedTuple):
    """How far a phase is: its tasks, and those that keep it from landing."""

    tasks: list[TaskRecord]
    missing: list[TaskRecord]


def wholeness(snapshot: Snapshot, phase: PhaseId, without: Sequence[TaskId] = ()) -> Wholeness:
    """Read every task of a phase; it is whole when none is missing.

    Tasks that a person leaves out count neither way. Of a stream its next
    batch is all there is.
    """
    tasks = [task for task in snapshot.tasks_of(phase) if task["id"] not in without]
    tasks.sort(key=lambda task: task["order"])
    record = snapshot.phase(phase)
    if record is not None and is_stream(record["spec"]):
        return Wholeness(batch_of(tasks, batch_spec(record["spec"])["max"]), [])
    return Wholeness(tasks, [task for task in tasks if task["state"] not in {"done", "cancelled"}])


def _brings_along(task: TaskRecord) -> list[TaskId]:
    """Return the tasks whose work comes with a task's: its needs, and what it was built on."""
    found = [*task["spec"]["needs"]]
    if task["result"] is not None:
        found += task["result"]["built_on"]
    return found


def left_out(snapshot: Snapshot, phase: PhaseId, named: Sequence[TaskId]) -> list[TaskId]:
    """Return the tasks that cannot land without the named ones, those included.

    A task of the phase goes with what it needs and with what its result was
    built on, transitively: its work would bring the other's along. In plan
    order.
    """
    tasks = sorted(snapshot.tasks_of(phase), key=lambda task: task["order"])
    tasks = [task for task in tasks if task["state"] != "cancelled" and "landed" not in task]
    gone = set(named)
    is_growing = True
    while is_growing:
        more = {task["id"] for task in tasks if not gone.isdisjoint(_brings_along(task))} - gone
        gone |= more
        is_growing = bool(more)
    return [task["id"] for task in tasks if task["id"] in gone]


def _check_left_out(snapshot: Snapshot, phase: PhaseId, without: list[TaskId]) -> None:
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
        open_phase(snapshot, phase, task)
        require_state("leaving out", task, _LEFT_OUT)
    if left_out(snapshot, phase, without) != without:
        raise RefusedError(
            "the tasks that have to be left out have changed since", reason="results-changed"
        )


def merge_order(tasks: list[TaskRecord]) -> list[list[str]]:
    """Pair each result with its task, in dependency order, then plan order."""
    results = {}
    for task in tasks:
        result = task["result"]
        if task["state"] == "done" and result is not None and result["oid"]:
            results[task["id"]] = (task["order"], result["oid"])
    after: dict[TaskId, list[TaskId]] = {task: [] for task in results}
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


# land-begin


def decide_land_begin(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Name the move of the target, and the passes that it rests on."""
    phase, tree = snapshot.phase(command["phase"]), command.get("tree")
    copied_keys = ("phase", "target", "old", "new", "results", "count")
    event = {key: command[key] for key in copied_keys}
    event |= {"tree": tree, "without": command.get("without", []), "gates": [], "bare": []}
    # A phase that is no more, or frozen, is for ``check`` to refuse.
    is_pending = snapshot.settings()["pending"] is not None
    if phase is not None and phase["state"] == "open" and not is_pending:
        event["gates"] = proofs(snapshot, phase, tree or NO_OID)
        event["bare"] = _bare(phase, wholeness(snapshot, phase["id"], event["without"]).tasks)
    return event


def _bare(phase: PhaseRecord, tasks: Iterable[TaskRecord]) -> list[TaskId]:
    """Return the tasks of a stream's batch that have no commit to merge."""
    if not is_stream(phase["spec"]):
        return []
    return [task["id"] for task in tasks if task["result"] is None or not task["result"]["oid"]]


def check_land_begin(snapshot: Snapshot, event: Event) -> None:
    """Refuse to land what is not whole, or not what the gates passed on."""
    pending = snapshot.settings()["pending"]
    if pending is not None:
        raise RefusedError(
            f"a {pending['kind']} is under way",
            reason="pending",
            hint="the next orchestrator command finishes it",
        )
    phase = open_phase(snapshot, event["phase"])
    if not snapshot.is_started(phase):
        raise RefusedError(f"phase {phase['id']} has not started", reason="phase")
    plan = snapshot.plan()
    if plan is None or event["target"] != branch_ref(plan["target"]):
        raise UsageError("a phase lands on the plan's target")
    _check_left_out(snapshot, phase["id"], event["without"])
    tasks, missing = wholeness(snapshot, phase["id"], event["without"])
    if missing:
        raise RefusedError(
            f"phase {phase['id']} is not whole: {len(missing)} task(s) are not done",
            reason="not-whole",
        )
    if is_stream(phase["spec"]) and not tasks:
        raise RefusedError(
            f"nothing is done in stream {phase['id']} that has not landed", reason="nothing-to-do"
        )
    if event["bare"] != _bare(phase, tasks):
        raise RefusedError(
            f"the tasks of stream {phase['id']} changed meanwhile", reason="results-changed"
        )
    order = merge_order(tasks)
    results = snapshot.json_blob(event["results"], "the landing's results")
    if results != order or event["count"] != len(order):
        raise RefusedError(
            f"the results of phase {phase['id']} changed meanwhile", reason="results-changed"
        )
    require_gates(snapshot, phase, event)


def apply_land_begin(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Freeze the phase, and announce the move of the target."""
    landing: Landing = {
        "old": Oid(event["old"]),
        "new": event["new"],
        "tree": event["tree"],
        "results": event["results"],
        "count": event["count"],
        "gates": event["gates"],
        "without": event["without"],
        "at": event["time"],
    }
    if event["bare"]:
        landing["bare"] = event["bare"]
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    changes[phase_path(phase["id"])] = {**phase, "state": "landing", "landing": landing}
    changes[landing_path(phase["id"])] = BlobOid(event["results"])
    changes[SETTINGS] = {**snapshot.settings(), "pending": _pending(event)}


def _pending(event: Event) -> Pending:
    return {
        "kind": "landing",
        "phase": event["phase"],
        "target": event["target"],
        "old": Oid(event["old"]),
        "new": event["new"],
    }


# land-done, land-abort


def check_land_end(snapshot: Snapshot, event: Event) -> None:
    """Refuse to end a landing that is not under way."""
    if snapshot.settings()["pending"] != _pending(event):
        raise RefusedError(
            f"no such landing of phase {event['phase']} is under way", reason="pending"
        )


def apply_land_done(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Close the phase, or the batch of a stream; what was left out is cancelled."""
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    left: Sequence[TaskId] = ()
    if phase["landing"] is not None:
        left = phase["landing"]["without"]
    for name in left:
        task = snapshot.require_task(name)
        setbacks = with_setback(task, event, "left-out", event["agent"], {"phase": phase["id"]})
        after = changed(
            task, state="cancelled", claim=None, reviews=[], result=None, setbacks=setbacks
        )
        put_task(changes, after)
    changes[phase_path(phase["id"])] = {**phase, "state": "landed"}
    if is_stream(phase["spec"]):
        _end_batch(snapshot, event, changes, phase)
    changes[SETTINGS] = {
        **snapshot.settings(),
        "pending": None,
        "target_tip": event["new"],
    }


def _end_batch(snapshot: Snapshot, event: Event, changes: Changes, phase: PhaseRecord) -> None:
    """Say of each task of a batch that it landed; the stream goes on, unless it is closed."""
    for name in in_landing(snapshot, phase):
        landed = {"oid": event["new"], "at": event["time"]}
        put_task(changes, changed(snapshot.require_task(name), landed=landed))
    changes[phase_path(phase["id"])] = {**phase, "state": "open"}
    end_stream(snapshot, changes, phase["id"])


def apply_land_abort(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Open the phase again, and tell the orchestrator why."""
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    changes[phase_path(phase["id"])] = {**phase, "state": "open", "landing": None}
    changes[landing_path(phase["id"])] = None
    changes[SETTINGS] = {**snapshot.settings(), "pending": None}
    about = {"phase": phase["id"], "reason": why_of(event)}
    escalate(changes, event, "landing-aborted", None, about)


OPERATIONS = {
    "land-begin": Operation(
        fields=keys("phase target old new results count"),
        optional={"tree": None, "gates": [], "without": [], "bare": []},
        decide=decide_land_begin,
        check=check_land_begin,
        apply=apply_land_begin,
        subject="land-begin {phase}: {count} results onto {target}",
    ),
    "land-done": Operation(
        fields=keys("phase target old new"),
        in_passing={"*": {**_LEFT_OUT, "done": ("cancelled", "done")}},
        decide=copied("phase", "target", "old", "new"),
        check=check_land_end,
        apply=apply_land_done,
        subject="land-done {phase}: {target} is at {new:12}",
    ),
    "land-abort": Operation(
        fields=keys("phase target old new"),
        optional=WORDS,
        decide=copied("phase", "target", "old", "new", "reason"),
        check=check_land_end,
        apply=apply_land_abort,
        subject="land-abort {phase}: {reason}",
        body="reason",
    ),
}
