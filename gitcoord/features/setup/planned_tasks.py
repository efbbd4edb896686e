"""Add one task to a plan in passing, or change one that is open."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from gitcoord.core.errors import InvalidPlanError, UsageError
from gitcoord.core.ids import ORCHESTRATOR, TaskId
from gitcoord.core.model import PlanRecord, TaskSpec
from gitcoord.core.operations.preconditions import require_plan
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.names import named_task
from gitcoord.features.setup.plans import check_plan
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["add", "edit", "spec_of"]

_WHERE = "the task"
_HINT = "the options are those of a plan's task: `gitcoord task add --help`"
_DURATION_MS = "estimate_ms"


def add(work: Workspace, options: Mapping[str, Any]) -> Done:
    """Add a task as the orchestrator; ``options`` has the keys of a plan's ``[[task]]``.

    Raises:
        InvalidPlanError: A plan could not say so.
        RefusedError: There is such a task, or its phase landed.

    """
    snapshot = work.ledger.snapshot()
    wanted = dict(options)
    if not wanted.get("id"):
        wanted["id"] = _next_id(snapshot)
    spec = spec_of(snapshot, wanted)
    command = {"op": "task-add", "agent": ORCHESTRATOR, "spec": spec}
    return work.ledger.execute(command, agent=ORCHESTRATOR)


def edit(work: Workspace, task: TaskId, options: Mapping[str, Any]) -> Done:
    """Change what is said of an open task; keys that ``options`` lacks stay.

    Raises:
        NotFoundError: There is no such task.
        InvalidPlanError: A plan could not say so.
        RefusedError: It is not open, or is so already.

    """
    if not options:
        raise UsageError("nothing to change", hint="`gitcoord task edit --help` lists the options")
    snapshot = work.ledger.snapshot()
    known = named_task(work, snapshot, task)["spec"]
    spec = spec_of(snapshot, {**_as_written(known), **options, "id": known["id"]})
    command = {"op": "task-edit", "agent": ORCHESTRATOR, "spec": spec}
    return work.ledger.execute(command, agent=ORCHESTRATOR)


def _next_id(snapshot: Snapshot) -> str:
    """Return the lowest number above the count of what was added, that no task has."""
    number = snapshot.settings()["next_order"]
    while snapshot.task(TaskId(str(number))) is not None or snapshot.twin(TaskId(str(number))):
        number += 1
    return str(number)


def _as_written(spec: TaskSpec) -> dict[str, Any]:
    """Return a spec as a plan writes it: what is at its default is left out."""
    written: dict[str, Any] = {key: value for key, value in spec.items() if value not in (None, "")}
    duration_ms = written.pop(_DURATION_MS, None)
    if duration_ms is not None:
        written["estimate"] = f"{duration_ms}ms"
    return written


def spec_of(snapshot: Snapshot, options: Mapping[str, Any]) -> TaskSpec:
    """Read a task as the plan that is there would: by the same rules, with its words."""
    plan = require_plan(snapshot)
    phases = [phase["id"] for phase in snapshot.phases() if phase["state"] == "open"]
    wanted = {**_only("phase", phases), **_only("pool", plan["pools"]), **options}
    text = _head_of(plan) + "[[task]]\n" + _lines(wanted)
    try:
        document, _ = check_plan(text, _WHERE, snapshot)
    except InvalidPlanError as error:
        problems = [problem.partition(": ")[2] or problem for problem in error.problems]
        raise InvalidPlanError(problems[0], problems, hint=_HINT) from None
    return document["tasks"][0]


def _only(key: str, names: Collection[str]) -> dict[str, str]:
    """Return what a task is in where there is one name alone, and nothing else."""
    if len(names) != 1:
        return {}
    return {key: next(iter(names))}


def _head_of(plan: PlanRecord) -> str:
    """Write what of the plan decides what a task may say."""
    head = f'[plan]\nboundaries = "{plan["boundaries"]}"\n'
    for name, pool in plan["pools"].items():
        head += "[[pool]]\n" + _lines({"name": name, "paths": pool["paths"]})
    return head


def _lines(values: Mapping[str, Any]) -> str:
    """Write keys as TOML, whose strings and lists are those of JSON."""
    rows = [(key, value) for key, value in values.items() if value is not None]
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in rows)
