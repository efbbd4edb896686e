"""Change tasks as the orchestrator."""

from __future__ import annotations

from typing import Literal

from gitcoord.core.events import Command
from gitcoord.core.ids import ORCHESTRATOR, AgentId, TaskId
from gitcoord.core.texts import text_of
from gitcoord.features.names import named_agent, named_task
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["assign", "change"]

Change = Literal["retry", "cancel", "pause", "unpause"]


def assign(work: Workspace, task: TaskId, agent: AgentId | None, reason: str = "") -> Done:
    """Assign a task to an agent, or to anyone; its holder is fenced.

    Raises:
        NotFoundError: There is no such task, or no such agent.
        RefusedError: The task is in a state that this does not start from.

    """
    to = None
    if agent is not None:
        to = named_agent(work.ledger.snapshot(), agent)["id"]
    return _execute(work, task, {"op": "assign", "to": to}, reason)


def change(work: Workspace, change: Change, task: TaskId, reason: str = "") -> Done:
    """Open a task again, cancel it, or hold it back and let it go.

    Raises:
        NotFoundError: There is no such task.
        RefusedError: It is in a state that this does not start from.

    """
    return _execute(work, task, {"op": change}, reason)


def _execute(work: Workspace, task: TaskId, command: Command, reason: str) -> Done:
    name = named_task(work, work.ledger.snapshot(), task)["id"]
    if reason:
        reason = text_of(reason, "reason")
    command = {**command, "agent": ORCHESTRATOR, "task": name, "reason": reason}
    return work.ledger.execute(command, agent=ORCHESTRATOR)
