"""Own how a ledger begins, and how a plan is applied to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gitcoord.core import ids
from gitcoord.core.errors import InvalidPlanError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.layout import PLAN, PLAN_INPUT, SETTINGS, live_path, phase_path
from gitcoord.core.leases import Context
from gitcoord.core.model import (
    PhaseRecord,
    PhaseSpec,
    PlanDocument,
    Settings,
    TaskRecord,
    TaskSpec,
)
from gitcoord.core.operation import Operation, Transitions, copied, keys
from gitcoord.core.operations.changes import changed
from gitcoord.core.operations.reviews import approvals_of
from gitcoord.core.refs import HEADS
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task

__all__ = ["OPERATIONS"]

_REPLANNED: Transitions = {
    "open": ("open",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}


# init


def check_init(_snapshot: Snapshot, event: Event) -> None:
    """Refuse a ledger without a name, a target or the target's tip."""
    if not (ids.is_id(event["ledger"]) and ids.is_oid(event["target_tip"])):
        raise UsageError("init needs the ledger's id and the target's tip")
    if not event["target"].startswith(HEADS):
        raise UsageError("the target is a branch")


def apply_init(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Make the settings, which every later state has."""
    settings: Settings = {
        "format": event["format"],
        "ledger": event["ledger"],
        "epoch": 0,
        "task_prefix": event["task_prefix"],
        "target": event["target"],
        "target_tip": event["target_tip"],
        "next_order": 0,
        "pending": None,
    }
    changes[SETTINGS] = cast("dict[str, Any]", settings)


# plan


def decide_plan(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Count what a plan adds and changes."""
    document = cast("PlanDocument", snapshot.json_blob(command["input"], "the plan"))
    added = changed_tasks = 0
    for spec in document["tasks"]:
        # One record at a time: a plan may be huge.
        task = snapshot.task(spec["id"])
        added += task is None
        changed_tasks += task is not None and task["spec"] != spec
    return {
        "input": command["input"],
        "name": document["plan"]["name"],
        "added": added,
        "changed": changed_tasks,
    }


def check_plan(snapshot: Snapshot, event: Event) -> None:
    """Refuse a plan that changes what is claimed or finished.

    Raises:
        InvalidPlanError: Every problem is listed.

    """
    document = cast("PlanDocument", snapshot.json_blob(event["input"], "the plan"))
    new = {spec["id"]: spec for spec in document["tasks"]}
    phases = {phase["id"] for phase in document["phases"]}
    problems: list[str] = []
    added = changed_tasks = 0
    for spec in document["tasks"]:
        if spec["phase"] not in phases and snapshot.phase(spec["phase"]) is None:
            problems.append(f"task {spec['id']}: there is no phase {spec['phase']!r}")
        task = snapshot.task(spec["id"])
        if task is not None and task["spec"] == spec:
            continue
        added += task is None
        changed_tasks += task is not None
        problems += _task_problems(snapshot, spec, task)
        problems += _need_problems(snapshot, spec, new)
    problems += _phase_problems(snapshot, document["phases"])
    if problems:
        raise InvalidPlanError(
            f"the plan cannot be applied: {len(problems)} problem(s)",
            problems,
            hint="keep those tasks as they are, or give new work a new id",
        )
    if (event["added"], event["changed"]) != (added, changed_tasks):
        raise UsageError("the event counts the plan's tasks wrongly")


def _task_problems(snapshot: Snapshot, spec: TaskSpec, task: TaskRecord | None) -> list[str]:
    name = spec["id"]
    problems = []
    if task is None:
        twin = snapshot.twin(name)
        if twin:
            problems.append(f"task {name}: the ledger has task {twin}, which differs by case alone")
    elif task["state"] not in _REPLANNED:
        problems.append(
            f"task {name} is {task['state']}: what is claimed or finished cannot change"
        )
    phases = {spec["phase"]}
    if task is not None:
        phases.add(task["spec"]["phase"])
    for phase in sorted(phases):
        record = snapshot.phase(phase)
        if record is not None and record["state"] != "open":
            problems.append(f"task {name}: phase {phase} has landed, or its landing is under way")
    return problems


def _need_problems(snapshot: Snapshot, spec: TaskSpec, new: Mapping[str, TaskSpec]) -> list[str]:
    return [
        f"task {spec['id']}: there is no task {need!r} to need"
        for need in spec["needs"]
        if need not in new and snapshot.task(need) is None
    ]


def _phase_problems(snapshot: Snapshot, phases: list[PhaseSpec]) -> list[str]:
    problems = []
    for phase in phases:
        record = snapshot.phase(phase["id"])
        if record is not None and record["state"] != "open" and record["spec"] != phase:
            problems.append(
                f"phase {phase['id']} has landed, or its landing is under way: it cannot change"
            )
    return problems


def apply_plan(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Add what is new, change what is open; what the plan lacks stays."""
    document = cast("PlanDocument", snapshot.json_blob(event["input"], "the plan"))
    settings = snapshot.settings()
    order = _put_phases(snapshot, document["phases"], settings["next_order"], changes)
    reviews = {phase["id"]: phase["spec"]["reviews"] for phase in snapshot.phases()}
    reviews |= {phase["id"]: phase["reviews"] for phase in document["phases"]}
    for spec in document["tasks"]:
        task = snapshot.task(spec["id"])
        approvals = approvals_of(reviews[spec["phase"]], spec)
        if task is None:
            put_task(changes, _new_task(spec, order, approvals))
            # It was never live: there is nothing to take away.
            del changes[live_path(spec["id"])]
            order += 1
        elif task["spec"] != spec:
            put_task(changes, changed(task, spec=spec, approvals=approvals))
    # Tasks of an earlier plan stay, and so do their pools.
    pools = document["plan"]["pools"]
    known = snapshot.plan()
    if known is not None:
        pools = {**known["pools"], **pools}
    changes[PLAN] = cast("dict[str, Any]", {**document["plan"], "pools": pools})
    changes[PLAN_INPUT] = BlobOid(event["input"])
    if order != settings["next_order"]:
        changes[SETTINGS] = cast("dict[str, Any]", {**settings, "next_order": order})


def _put_phases(snapshot: Snapshot, phases: list[PhaseSpec], order: int, changes: Changes) -> int:
    """Add and change phases; return the next order number."""
    for phase in phases:
        known = snapshot.phase(phase["id"])
        if known is None:
            record: PhaseRecord = {
                "id": phase["id"],
                "order": order,
                "spec": phase,
                "state": "open",
                "landing": None,
            }
            order += 1
        else:
            record = {**known, "spec": phase}
        if record != known:
            changes[phase_path(phase["id"])] = cast("dict[str, Any]", record)
    return order


def _new_task(spec: TaskSpec, order: int, approvals: int) -> TaskRecord:
    return {
        "id": spec["id"],
        "order": order,
        "spec": spec,
        "approvals": approvals,
        "state": "open",
        "assigned": None,
        "attempt": 0,
        "failures": 0,
        "claim": None,
        "reviews": [],
        "result": None,
        "branch": None,
        "retry": None,
        "setbacks": [],
    }


OPERATIONS = {
    "init": Operation(
        fields=keys("ledger task_prefix target target_tip"),
        decide=copied("ledger", "task_prefix", "target", "target_tip"),
        check=check_init,
        apply=apply_init,
        subject="init ledger {ledger} for {target}",
    ),
    "plan": Operation(
        fields=keys("input name added changed"),
        in_passing={"*": _REPLANNED},
        decide=decide_plan,
        check=check_plan,
        apply=apply_plan,
        subject="plan {name} by {agent}: {added} added, {changed} changed",
    ),
}
