"""Bound what a claim may choose among: one pool, some phases, some tasks."""

from __future__ import annotations

from typing import NamedTuple

from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.core.model import AgentRecord, TaskRecord

__all__ = ["ALL_TASKS", "Scope"]


class Scope(NamedTuple):
    """The tasks that are meant; an empty set, or no pool, leaves nothing out."""

    pool: str | None = None
    phases: frozenset[PhaseId] = frozenset()
    tasks: frozenset[TaskId] = frozenset()

    def pools_of(self, agent: AgentRecord) -> list[str]:
        """Return the pools to choose from; none named means every pool."""
        if self.pool:
            return [self.pool]
        return agent["pools"]

    def has_phase(self, phase: PhaseId) -> bool:
        """Return whether whatever comes into a phase is meant."""
        return not self.tasks and (not self.phases or phase in self.phases)

    def has(self, task: TaskRecord) -> bool:
        """Return whether a task is of the phases and the tasks that are meant."""
        if self.tasks and task["id"] not in self.tasks:
            return False
        return not self.phases or task["spec"]["phase"] in self.phases


ALL_TASKS = Scope()
