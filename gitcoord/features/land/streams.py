"""Close streams and open them again, as the orchestrator."""

from __future__ import annotations

from typing import Literal

from gitcoord.core.ids import ORCHESTRATOR, PhaseId
from gitcoord.core.texts import text_of
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["change"]


def change(
    work: Workspace, change: Literal["phase-close", "phase-open"], phase: PhaseId, reason: str = ""
) -> Done:
    """Close a stream, so that no more tasks are added to it, or open it again.

    Raises:
        NotFoundError: There is no such phase.
        UsageError: It is not a stream.
        RefusedError: It is so already, or a phase comes after the stream.

    """
    if reason:
        reason = text_of(reason, "reason")
    command = {"op": change, "agent": ORCHESTRATOR, "phase": phase, "reason": reason}
    return work.ledger.execute(command, agent=ORCHESTRATOR)
