"""Own how a ledger begins, and how a plan is applied to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gitcoord.core import ids
from gitcoord.core.errors import InvalidPlanError, NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import TaskId
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
from gitcoord.core.operations.preconditions import open_phase, require_plan, require_state
from gitcoord.core.operations.reviews import approvals_of
from gitcoord.core.records import problem_of
from gitcoord.core.refs import HEADS
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task
from gitcoord.core.streams import ADHOC, is_stream
from gitcoord.core.texts import clause

__all__ = ["OPERATIONS", "refuse_document"]

_EDITED: Transitions = {"open": ("open",)}
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
    if (event["added"], event["changed"]) != refuse_document(snapshot, document):
        raise UsageError("the event counts the plan's tasks wrongly")


def refuse_document(snapshot: Snapshot, document: PlanDocument) -> tuple[int, int]:
    """Refuse a plan that does not fit the ledger; return how many tasks it adds and changes.

    Raises:
        InvalidPlanError: Every problem is listed.

    """
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
    return added, changed_tasks


def _task_problems(snapshot: Snapshot, spec: TaskSpec, task: TaskRecord | None) -> list[str]:
    name = spec["id"]
    problems = []
    if task is None:
        twin = snapshot.twin(name)
        if twin:
            problems.append(f"task {name}: the ledger has task {twin}, which differs by case alone")
    elif task["state"] not in _REPLANNED:
        holder = task["claim"] or task["result"]
        by = clause(" by {}", holder and holder["agent"])
        problems.append(
            f"task {name} is {task['state']}{by}: what is claimed or finished cannot change"
        )
    phases = {spec["phase"]}
    if task is not None:
        phases.add(task["spec"]["phase"])
    for phase in sorted(phases):
        record = snapshot.phase(phase)
        if record is not None and record["state"] != "open":
            problems.append(f"task {name}: phase {phase} has landed, or its landing is under way")
        elif record is not None and record.get("closed"):
            problems.append(f"task {name}: stream {phase} is closed")
    return problems


def _need_problems(snapshot: Snapshot, spec: TaskSpec, new: Mapping[TaskId, TaskSpec]) -> list[str]:
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
        elif record is not None and is_stream(record["spec"]) != is_stream(phase):
            problems.append(
                f"phase {phase['id']}: no phase becomes a stream, and no stream a phase"
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


# one task in passing


def decide_task(_snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Name the task and its title beside what the plan would say of it."""
    spec = cast("TaskSpec", command["spec"])
    return {"task": spec["id"], "title": spec["title"], "spec": spec}


def check_task_add(snapshot: Snapshot, event: Event) -> None:
    """Refuse a task that is there, or that a plan could not add."""
    if snapshot.task(event["task"]) is not None:
        raise RefusedError(
            f"there is a task {event['task']} already",
            reason="exists",
            hint=f"`gitcoord task edit {event['task']}` changes it; `--id` gives another id",
        )
    if event["agent"] != ids.ORCHESTRATOR and event["spec"]["phase"] != ADHOC:
        raise RefusedError(
            f"an agent adds tasks to stream {ADHOC} alone",
            reason="role",
            hint="`gitcoord escalate` asks the orchestrator for one elsewhere",
        )
    _check_spec(snapshot, event, None)


def apply_task_add(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Add one task behind all that there are."""
    spec, settings = event["spec"], snapshot.settings()
    phase = cast("PhaseRecord", snapshot.phase(spec["phase"]))
    approvals = approvals_of(phase["spec"]["reviews"], spec)
    put_task(changes, _new_task(spec, settings["next_order"], approvals))
    # It was never live: there is nothing to take away.
    del changes[live_path(spec["id"])]
    after = {**settings, "next_order": settings["next_order"] + 1}
    changes[SETTINGS] = cast("dict[str, Any]", after)


def check_task_edit(snapshot: Snapshot, event: Event) -> None:
    """Refuse to change a task that is not open, or to what a plan could not say."""
    task = snapshot.require_task(event["task"])
    open_phase(snapshot, task["spec"]["phase"], task)
    require_state(event["op"], task, _EDITED)
    if task["spec"] == event["spec"]:
        raise RefusedError(f"task {task['id']} is so already", reason="nothing-to-do")
    _check_spec(snapshot, event, task)


def apply_task_edit(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Change what is said of an open task; what became of it stays."""
    spec, task = event["spec"], snapshot.require_task(event["task"])
    phase = cast("PhaseRecord", snapshot.phase(spec["phase"]))
    approvals = approvals_of(phase["spec"]["reviews"], spec)
    put_task(changes, changed(task, spec=spec, approvals=approvals))


def _check_spec(snapshot: Snapshot, event: Event, task: TaskRecord | None) -> None:
    """Refuse what is not a task's spec, or does not fit the ledger."""
    spec = event["spec"]
    plan = require_plan(snapshot)
    problem = problem_of("tasks", _new_task(spec, 0, 0))
    if problem or (spec["id"], spec["title"]) != (event["task"], event["title"]):
        raise UsageError(f"the event has no task of its name: {problem or 'it is about another'}")
    if not ids.is_id(spec["id"]):
        raise UsageError(f"{spec['id']!r} is not a valid task id")
    if open_phase(snapshot, spec["phase"]).get("closed"):
        raise RefusedError(
            f"stream {spec['phase']} is closed: nothing is added to it",
            reason="closed",
            hint=f"`gitcoord phase open {spec['phase']}` opens it again",
        )
    if spec["pool"] not in plan["pools"]:
        raise NotFoundError(
            f"there is no pool {spec['pool']!r}", hint=f"known: {', '.join(plan['pools'])}"
        )
    problems = _task_problems(snapshot, spec, task) + _need_problems(snapshot, spec, {})
    if problems:
        raise InvalidPlanError("the task does not fit the plan", problems)


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
    "task-add": Operation(
        fields=keys("task title spec"),
        decide=decide_task,
        check=check_task_add,
        apply=apply_task_add,
        subject="add task {task} by {agent}: {title}",
        batchable=True,
    ),
    "task-edit": Operation(
        fields=keys("task title spec"),
        transitions=_EDITED,
        decide=decide_task,
        check=check_task_edit,
        apply=apply_task_edit,
        subject="edit task {task} by {agent}: {title}",
    ),
}
