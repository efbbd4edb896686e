"""Notes: leave findings for the others, and take them away."""

from __future__ import annotations

from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.texts import text_of
from gitcoord.features.names import named_note
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["drop_note", "note"]


def note(
    work: Workspace,
    agent: AgentId,
    text: str,
    *,
    task: TaskId | None = None,
    path: str | None = None,
) -> Done:
    """Leave a finding for the others: on a task, a path, or the plan.

    Raises:
        UsageError: It is empty or larger than 1 KiB.
        RefusedError: The ledger holds as many notes as it may.

    """
    command = {
        "op": "note",
        "agent": agent,
        "task": task,
        "path": path,
        "message": text_of(text, "note"),
    }
    return work.ledger.execute(command, agent=agent)


def drop_note(work: Workspace, agent: AgentId, name: str) -> Done:
    """Take a note away: its author or the orchestrator may."""
    name = named_note(work.ledger.snapshot(), name)
    return work.ledger.execute(
        {"op": "note-drop", "agent": agent, "note": name, "reason": ""}, agent=agent
    )
