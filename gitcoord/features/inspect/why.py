"""Follow what a task waits for down to its roots, each with the command that helps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gitcoord.core.git_reading import states_command
from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.model import PhaseRecord, TaskRecord
from gitcoord.core.readiness import state_of
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect.gates import failed_gates
from gitcoord.features.inspect.waiting import Waiting, waiting_facts, waiting_of
from gitcoord.features.names import named_task
from gitcoord.features.workspace import Workspace

__all__ = ["why"]

MAX_STEPS = 200
MAX_OF_PHASE = 20
_UNFINISHED = ("failed", "review", "claimed", "open")


def why(work: Workspace, task: TaskId) -> dict[str, Any]:
    """Return everything that a task waits for, what that waits for, and so on.

    Each step has its depth: what stands below a step, one deeper, is what it waits for.
    A task or phase that several wait for is followed once.
    """
    snapshot = work.ledger.snapshot()
    record = named_task(work, snapshot, task)
    work.index.update(work.store, snapshot.oid)
    walk = _Walk(work, snapshot)
    walk.follow_task(record, 0)
    return {
        "tip": snapshot.oid,
        "task": record["id"],
        "title": record["spec"]["title"],
        "state": state_of(snapshot, record),
        "steps": walk.steps,
        "is_cut": walk.is_cut,
        "git": states_command(work.ledger.ref, walk.tasks, walk.phases),
    }


class _Walk:
    """The steps so far, and the tasks and phases that were followed already."""

    def __init__(self, work: Workspace, snapshot: Snapshot) -> None:
        self.steps: list[dict[str, Any]] = []
        self.is_cut = False
        self._work = work
        self._snapshot = snapshot
        self._context = work.ledger.context()
        self.tasks: dict[TaskId, None] = {}
        self.phases: dict[PhaseId, None] = {}

    def follow_task(self, task: TaskRecord, depth: int) -> None:
        """Add what a task waits for, and follow each of it."""
        if task["id"] in self.tasks:
            return
        self.tasks[task["id"]] = None
        phase = self._snapshot.phase(task["spec"]["phase"])
        if phase is not None and (phase["state"] == "landed" or "landed" in task):
            return
        found = waiting_of(self._snapshot, task, self._context)
        if not found and depth > 0:
            text, command = f"task {task['id']} waits for a claim", f"gitcoord claim {task['id']}"
            found = [Waiting("claim", (), text, command)]
        for one in found:
            if one.kind == "landing":
                self._follow_phase(one.names, task["spec"]["phase"], depth)
                continue
            self._add(one, depth)
            if one.kind == "phase":
                for name in one.names:
                    self._follow_phase((), PhaseId(name), depth + 1)
            if one.kind == "need":
                self._follow_tasks((name for name in one.names if name != task["id"]), depth + 1)

    def _follow_tasks(self, names: Iterable[str], depth: int) -> None:
        for name in names:
            task = self._snapshot.task(TaskId(name))
            if task is not None:
                self.follow_task(task, depth)

    def _follow_phase(self, at_work: tuple[str, ...], name: PhaseId, depth: int) -> None:
        """Add what a phase waits for before it lands: its tasks, its gates, its landing."""
        phase = self._snapshot.phase(name)
        if phase is None or name in self.phases:
            return
        self.phases[name] = None
        unfinished = list(self._unfinished(name))
        if not unfinished and not at_work:
            self._add_landing(phase, depth)
            return
        tasks = unfinished[:MAX_OF_PHASE]
        more = ""
        if len(unfinished) > MAX_OF_PHASE:
            self.is_cut = True
            more = f" and {len(unfinished) - MAX_OF_PHASE} more"
        text = f"phase {name} waits for {', '.join(tasks)}{more}"
        self._add(Waiting("landing", tuple(tasks), text), depth)
        self._follow_tasks(tasks, depth + 1)

    def _unfinished(self, phase: PhaseId) -> Iterator[str]:
        """Return the tasks that keep a phase from being whole, those that failed first."""
        for state in _UNFINISHED:
            yield from self._work.index.in_state([phase], state)

    def _add_landing(self, phase: PhaseRecord, depth: int) -> None:
        name = phase["id"]
        for gate in failed_gates(self._snapshot, phase):
            text = f"gate {gate['gate']} of phase {name} failed: {gate['reason']}"
            self._add(Waiting("gate", (gate["gate"],), text, f"gitcoord phase check {name}"), depth)
        text = f"phase {name} waits for its landing"
        self._add(Waiting("landing", (name,), text, f"gitcoord phase land {name}"), depth)

    def _add(self, one: Waiting, depth: int) -> None:
        if len(self.steps) >= MAX_STEPS:
            self.is_cut = True
            return
        self.steps.append({**waiting_facts(one), "depth": depth})
