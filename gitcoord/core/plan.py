"""Read a plan: every problem at once, each with its file and line.

The result is the whole plan as plain values with nothing left to expand:
templates are used, ranges are written out, defaults are filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from gitcoord.core import codec
from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.model import (
    MAX_PLAN_BYTES,
    GateSpec,
    PhaseSpec,
    PlanDocument,
    PlanRecord,
    PoolSpec,
    TaskSpec,
)
from gitcoord.core.plan_graph import (
    check_bounds,
    check_needs,
    check_order,
    check_streams,
    gate_warnings,
    path_warnings,
)
from gitcoord.core.plan_limits import KEYS as LIMIT_KEYS
from gitcoord.core.plan_limits import put_limits
from gitcoord.core.plan_source import Places, refuse_bombs
from gitcoord.core.plan_text import read_tables
from gitcoord.core.plan_types import Values
from gitcoord.core.plan_values import (
    MAX_PHASES,
    MAX_SPEC_BYTES,
    MAX_TASKS,
    expand_ids,
    fill,
    refuse_large,
    shown,
    use_template,
)

__all__ = ["SELECTIONS", "parse"]

SELECTIONS = ("random", "round-robin", "priority", "directory", "critical-path")
MAX_DESCRIPTION_BYTES = 4096
MAX_NEEDS = 1000
MAX_EXPANDED_BYTES = 96 * 1024 * 1024
_PLAN_KEYS = (
    *("name", "target", "lease", "heartbeat", "max_attempts", "selection"),
    *("boundaries", "widening", "landing", "landing_push", "gates_required", "hung"),
    *LIMIT_KEYS,
)
_GATE_KEYS = {"name", "run", "timeout", "retry", "setup", "cache"}
_PHASE_KEYS = (
    *("name", "title", "after", "reviews", "reviewers", "gates", "paths", "stream", "batch"),
)
_POOL_KEYS = ("name", "limit", "selection", "paths", "context", "command")
MAX_CONTEXT_CHARS = 2000
_TASK_KEYS = (
    "title",
    "description",
    "phase",
    "pool",
    "paths",
    "reads",
    "needs",
    "estimate",
    "priority",
    "check",
    "result",
    "verify_by",
    "context",
)


class _Reader(Values):
    """Read the tables of one plan, collecting problems on the way."""

    expanded_bytes = 0
    """How large the tasks are that were read, as records."""

    def __init__(self, raw: dict[str, Any], places: Places, target: str) -> None:
        super().__init__(raw, places, target)
        self.needs_at: dict[TaskId, str] = {}

    def plan(self) -> PlanRecord:
        """Read [plan], [worktree] and [[pool]]."""
        table = self.table("plan")

        def at(key: str) -> str:
            return self.places.at("plan", 0, key)

        self.known_keys(table, _PLAN_KEYS, "plan")
        lease = self.duration(table, "lease", at("lease"), "15m") or 0
        usual = None
        if "lease" not in table:
            usual = "5m"
        heartbeat = self.duration(table, "heartbeat", at("heartbeat"), usual)
        heartbeat = heartbeat or max(1, lease // 3)
        if heartbeat >= lease:
            self.problems.add(
                at("heartbeat"),
                "heartbeat is shorter than lease, so that a late agent is seen in time",
            )
        name = self.text(table, "name", at("name"), "plan")
        target = self.text(table, "target", at("target"), self.target)
        if (
            not re.fullmatch(r"(?!-)[A-Za-z0-9._/+@-]{1,200}", target)
            or ".." in target
            or target.startswith("refs/")
        ):
            self.problems.add(
                at("target"), f"target is the name of a branch, like main, not {target!r}"
            )
        worktree = self.table("worktree")
        self.known_keys(worktree, ("copy", "setup"), "worktree")
        setup = self.text(worktree, "setup", self.places.at("worktree", 0, "setup"), "", most=2000)
        plan: PlanRecord = {
            "name": name,
            "target": target,
            "lease_ms": lease,
            "heartbeat_ms": heartbeat,
            "max_attempts": self.number(table, "max_attempts", at("max_attempts"), 3, 1, 1000) or 3,
            "selection": self.choice(table, "selection", at("selection"), SELECTIONS, "random"),
            "boundaries": self.choice(
                table, "boundaries", at("boundaries"), ("strict", "open"), "strict"
            ),
            "gates_required": self.flag(table, "gates_required", at("gates_required")),
            "landing": self.choice(table, "landing", at("landing"), ("manual", "auto"), "manual"),
            "worktree": {
                "copy": self.patterns(worktree, "copy", self.places.at("worktree", 0, "copy")),
                "setup": setup or None,
            },
            "pools": self.pools(),
        }
        widening = self.choice(table, "widening", at("widening"), ("ask", "free", "never"), "ask")
        if widening != "ask":
            plan["widening"] = widening
        put_limits(self, table, at, plan)
        hung_ms = self.duration(table, "hung", at("hung"), None)
        if hung_ms:
            plan["hung_ms"] = hung_ms
        self.landing_push(table, at("landing_push"), plan)
        return plan

    def pools(self) -> dict[str, PoolSpec]:
        """Read every [[pool]]."""
        found: dict[str, PoolSpec] = {}
        for index, table in enumerate(self.rows("pool")):
            at = self.places.at("pool", index, "name")
            if index >= MAX_PHASES:
                self.problems.add(at, f"a plan has at most {MAX_PHASES} pools")
                break
            self.known_keys(table, _POOL_KEYS, "pool", index)
            name = self.id(table.get("name"), "pool name", at)
            if name is None:
                continue
            if name.casefold() in {other.casefold() for other in found}:
                self.problems.add(at, f"duplicate pool {name}")
            selection = None
            if "selection" in table:
                selection = self.choice(
                    table,
                    "selection",
                    self.places.at("pool", index, "selection"),
                    SELECTIONS,
                    "random",
                )
            limit = self.number(
                table, "limit", self.places.at("pool", index, "limit"), None, 1, 100_000
            )
            spec: PoolSpec = {
                "limit": limit,
                "selection": selection,
                "paths": self.bound(table, "pool", index),
            }
            context = self.context(table, self.places.at("pool", index, "context"))
            if context:
                spec["context"] = context
            at_command = self.places.at("pool", index, "command")
            command = self.text(table, "command", at_command, "", most=2000)
            if command:
                spec["command"] = command
            found[name] = spec
        return found

    def context(self, table: dict[str, Any], at: str) -> str:
        """Read what every brief of a pool, or of a task, is to say."""
        return self.text(table, "context", at, "", most=MAX_CONTEXT_CHARS)

    def phases(self) -> list[PhaseSpec]:
        """Read every [[phase]]."""
        found: list[PhaseSpec] = []
        for index, table in enumerate(self.rows("phase")):
            at = partial(self.places.at, "phase", index)
            if index >= MAX_PHASES:
                self.problems.add(at("name"), f"a plan has at most {MAX_PHASES} phases")
                break
            self.known_keys(table, _PHASE_KEYS, "phase", index)
            name = self.id(table.get("name"), "phase name", at("name"))
            if name is None:
                continue
            if name.casefold() in {other["id"].casefold() for other in found}:
                self.problems.add(at("name"), f"duplicate phase {name}")
                continue
            spec: PhaseSpec = {
                "id": PhaseId(name),
                "title": self.text(table, "title", at("title"), ""),
                "paths": self.bound(table, "phase", index),
                "after": [PhaseId(before) for before in self.texts(table, "after", at("after"))],
                "reviews": self.number(table, "reviews", at("reviews"), 0, 0, 20) or 0,
                "gates": self.gates(table, at("gates")),
            }
            if self.flag(table, "stream", at("stream")):
                spec["stream"] = True
            batch = self.batch(table, at("batch"))
            if batch is not None:
                spec["batch"] = batch
            self.reviewers(table, spec, at("reviewers"))
            found.append(spec)
        return found

    def bound(self, table: dict[str, Any], kind: str, index: int) -> list[str] | None:
        """Read the paths that bind every task of a pool or a phase."""
        if "paths" not in table:
            return None
        return self.patterns(table, "paths", self.places.at(kind, index, "paths"))

    def gates(self, phase: dict[str, Any], at: str) -> list[GateSpec]:
        """Read the gates of a phase."""
        found: list[GateSpec] = []
        value = phase.get("gates", [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.problems.add(at, "gates is a list of tables: [{ name = ..., run = ... }]")
            return found
        for gate in value:
            for key in gate.keys() - _GATE_KEYS:
                known = ", ".join(sorted(_GATE_KEYS))
                self.problems.add(at, f"unknown key {shown(key)} of a gate; known: {known}")
            name = self.id(gate.get("name"), "gate name", at)
            if name and name.casefold() in {other["name"].casefold() for other in found}:
                self.problems.add(at, f"duplicate gate {name}")
            run = self.text(gate, "run", at, "", most=2000)
            if not run:
                self.problems.add(at, "a gate has a command: run = ...")
            spec: GateSpec = {
                "name": name or "",
                "run": run,
                "timeout_ms": self.duration(gate, "timeout", at, "10m") or 600_000,
                "retry": self.number(gate, "retry", at, 0, 0, 1) or 0,
            }
            found.append(self.gate_setup(gate, spec, at))
        return found

    def tasks(self, plan: PlanRecord) -> tuple[list[TaskSpec], dict[TaskId, str]]:
        """Read every [[task]] and [[tasks]], in the order of the file."""
        templates = self.raw.get("template", {})
        if not isinstance(templates, dict) or not all(
            isinstance(one, dict) for one in templates.values()
        ):
            self.problems.add(
                self.places.at("template"), "a template is written as [template.NAME]"
            )
            templates = {}
        for name, template in templates.items():
            self.known_keys(template, _TASK_KEYS, f"template.{name}")
        rows: list[tuple[str, dict[str, Any], TaskId, int]] = []
        for kind, key in (("task", "id"), ("tasks", "ids")):
            for index, table in enumerate(self.rows(kind)):
                self.known_keys(table, (key, "use", "with", *_TASK_KEYS), kind, index)
                at = self.places.at(kind, index, key)
                if kind == "task":
                    rows.append((kind, table, self.task_id(table, index, at), index))
                else:
                    rows += [
                        (kind, table, one, index)
                        for one in expand_ids(table.get("ids"), at, self.problems)
                    ]
                if len(rows) > MAX_TASKS:
                    self.problems.add(at, f"a plan has at most {MAX_TASKS} tasks")
                    rows = rows[:MAX_TASKS]
                    break
        found: list[TaskSpec] = []
        where: dict[TaskId, str] = {}
        folded: dict[str, TaskId] = {}
        for kind, table, task, index in rows:
            if self.problems.is_full:
                break
            at = self.places.at(kind, index, "id" if kind == "task" else "ids")
            if task.casefold() in folded:
                twin = folded[task.casefold()]
                text = f"task {task} differs from {twin} by case alone"
                if twin == task:
                    text = f"duplicate task {task}"
                self.problems.add(at, f"{text} (first at {where[twin]})")
                continue
            folded[task.casefold()] = task
            where[task] = at
            self.needs_at[task] = self.places.at(kind, index, "needs")
            found.append(self.task(kind, index, table, task, templates, plan))
            if self.expanded_bytes > MAX_EXPANDED_BYTES:
                self.problems.add(
                    at,
                    f"the tasks up to here are larger than {MAX_EXPANDED_BYTES >> 20} MiB: "
                    "shorten them",
                )
                break
        return found, where

    def task_id(self, table: dict[str, Any], index: int, at: str) -> TaskId:
        """Read a task's id, or a name for the task where its id is wrong.

        So its other mistakes are found too.
        """
        named = self.id(table.get("id"), "task id", at)
        if named is not None:
            return TaskId(named)
        value = table.get("id")
        if isinstance(value, str) and value:
            return TaskId(codec.printable(value)[:64])
        return TaskId(f"number {index + 1}")

    def task(
        self,
        kind: str,
        index: int,
        table: dict[str, Any],
        task: TaskId,
        templates: dict[str, Any],
        plan: PlanRecord,
    ) -> TaskSpec:
        """Read one task, its template used and its placeholders filled in."""

        def at(key: str) -> str:
            return self.places.at(kind, index, key)

        merged = use_template(table, templates, at, self.problems)
        merged = fill(merged, task, at, self.problems)
        spec_paths: list[str] | None = None
        if "paths" in merged:
            spec_paths = self.patterns(merged, "paths", at("paths"))
        elif plan["boundaries"] == "strict":
            self.problems.add(
                at("paths"), f'task {task} has no paths (or say boundaries = "open" in [plan])'
            )
        title = self.text(merged, "title", at("title"), "").strip()
        if not title and "title" not in merged:
            self.problems.add(at("title"), f"task {task} has no title")
        elif isinstance(merged.get("title"), str) and not merged["title"].strip():
            self.problems.add(at("title"), f"task {task} has an empty title")
        description = self.text(
            merged, "description", at("description"), "", most=MAX_DESCRIPTION_BYTES
        )
        check = self.text(merged, "check", at("check"), "", most=2000)
        verify_by = self.text(merged, "verify_by", at("verify_by"), "")
        spec: TaskSpec = {
            "id": task,
            "title": title,
            "description": codec.cut(description, MAX_DESCRIPTION_BYTES),
            "phase": PhaseId(self.text(merged, "phase", at("phase"), "default")),
            "pool": self.text(merged, "pool", at("pool"), "default"),
            "paths": spec_paths,
            "reads": self.patterns(merged, "reads", at("reads")),
            "needs": [],
            "estimate_ms": self.duration(merged, "estimate", at("estimate"), None),
            "priority": self.number(merged, "priority", at("priority"), 0, -1_000_000, 1_000_000)
            or 0,
            "result": self.choice(
                merged, "result", at("result"), ("required", "optional"), "required"
            ),
            "check": check or None,
            "verify_by": verify_by or None,
        }
        context = self.context(merged, at("context"))
        if context:
            spec["context"] = context
        for need in self.texts(merged, "needs", at("needs")):
            if len(spec["needs"]) > MAX_NEEDS:
                self.problems.add(at("needs"), f"task {task} has more than {MAX_NEEDS} needs")
                break
            if "-" in need:
                spec["needs"] += expand_ids(need, at("needs"), self.problems, MAX_NEEDS)
            else:
                spec["needs"].append(TaskId(need))
        spec["needs"] = list(dict.fromkeys(spec["needs"]))
        size = len(codec.dump(spec))
        self.expanded_bytes += size
        if size > MAX_SPEC_BYTES:
            self.problems.add(
                at("id"),
                f"task {task} is larger than {MAX_SPEC_BYTES} bytes: shorten it",
            )
        return spec


def parse(
    text: str,
    *,
    name: str = "plan.toml",
    target: str = "main",
    known: Callable[[TaskId], TaskSpec | None] | None = None,
    known_phases: Mapping[PhaseId, PhaseSpec] | None = None,
    closed: Collection[PhaseId] = (),
) -> tuple[PlanDocument, list[str]]:
    """Read a plan; return it with its warnings.

    ``known`` and ``known_phases`` give what the ledger has already: needs
    may point there, and cycles are found across both. ``closed`` are the
    streams of it that others may come after.

    Raises:
        InvalidPlanError: Every problem, sorted by line.

    """
    if len(text) > MAX_PLAN_BYTES:
        raise InvalidPlanError(
            f"{name} is too large", [f"{name}:1: a plan has at most {MAX_PLAN_BYTES >> 20} MiB"]
        )
    text = text.removeprefix("\ufeff")
    refuse_bombs(text, name)
    raw, readable, mistakes = read_tables(text)
    reader = _Reader(raw, Places(readable, name), target)
    for mistake in mistakes:
        reader.problems.add(f"{name}:{mistake.line}", mistake.text)
    reader.known_keys(raw, ("plan", "worktree", "pool", "phase", "template", "task", "tasks"), "")
    plan = reader.plan()
    phases = reader.phases()
    tasks, where = reader.tasks(plan)
    if mistakes:
        # What hangs together is looked at when every table can be read.
        reader.problems.raise_all(name)
    if not tasks and not known_phases:
        reader.problems.add(
            f"{name}:1", "the plan has no task: write [[task]] with id, title and paths"
        )
    _fill_phases_and_pools(reader, plan, phases, tasks, where, known_phases or {})
    refuse_large(plan, phases, reader.problems, name)
    all_phases = {**(known_phases or {}), **{phase["id"]: phase for phase in phases}}
    check_streams(phases, all_phases, closed, reader.problems)
    known = known or (lambda _task: None)
    check_needs(tasks, reader.needs_at, all_phases, known, reader.problems)
    check_bounds(tasks, where, all_phases, plan["pools"], reader.problems)
    reader.problems.raise_all(name)
    document: PlanDocument = {"plan": plan, "phases": phases, "tasks": tasks}
    warnings = reader.notices + path_warnings(tasks, all_phases, where)
    return document, warnings + gate_warnings(plan, phases)


def _fill_phases_and_pools(
    reader: _Reader,
    plan: PlanRecord,
    phases: list[PhaseSpec],
    tasks: list[TaskSpec],
    where: dict[TaskId, str],
    known_phases: Mapping[PhaseId, PhaseSpec],
) -> None:
    """Make undeclared phases and pools, or refuse them where some are declared."""
    declared: set[str] = {phase["id"] for phase in phases} | known_phases.keys()
    pools = plan["pools"]
    are_phases_free, are_pools_free = not phases, not pools
    for task in tasks:
        if reader.problems.is_full:
            break
        for kind, name, names, is_free in (
            ("phase", task["phase"], declared, are_phases_free),
            ("pool", task["pool"], pools.keys(), are_pools_free or task["pool"] == "default"),
            ("pool", task["verify_by"], pools.keys(), are_pools_free),
        ):
            if name is None or name in names:
                continue
            if not is_free:
                near = reader.problems.near(name, names) or sorted(names)[:5]
                reader.problems.add(
                    where[task["id"]], f"there is no {kind} {shown(name)}; known: {', '.join(near)}"
                )
            elif reader.id(name, kind, where[task["id"]]) and kind == "phase":
                phases.append(
                    {
                        "id": PhaseId(name),
                        "title": "",
                        "paths": None,
                        "after": [],
                        "reviews": 0,
                        "gates": [],
                    }
                )
                declared.add(name)
            elif kind == "pool":
                pools[name] = {"limit": None, "selection": None, "paths": None}
    check_order(phases, declared, reader.problems)
