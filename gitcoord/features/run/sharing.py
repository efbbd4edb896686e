"""Share the open tasks of a plan out among its agents, as one entry."""

from __future__ import annotations

import json

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR, AgentId, Oid, TaskId
from gitcoord.core.machine import MAX_BATCH
from gitcoord.core.plan_patterns import shared_out
from gitcoord.features.run.batches import batch, parse_lines
from gitcoord.features.workspace import Workspace

__all__ = ["share_out"]


def share_out(work: Workspace, by: str) -> tuple[Oid, dict[TaskId, AgentId]]:
    """Assign each open task that is nobody's yet, by a pattern; return the entry and who got what.

    Raises:
        RefusedError: There are no agents, or no tasks that one may take.
        UsageError: There are more tasks than one entry can share out.

    """
    snapshot = work.ledger.snapshot()
    agents = {agent["id"]: agent["pools"] for agent in snapshot.agents()}
    if not agents:
        raise RefusedError(
            "there is no agent to share tasks out to",
            reason="nothing-to-do",
            hint="`gitcoord agent add ID` adds one",
        )
    open_tasks = [
        task for task in snapshot.tasks() if task["state"] == "open" and not task["assigned"]
    ]
    open_tasks.sort(key=lambda task: task["order"])
    shares = shared_out([task["spec"] for task in open_tasks], agents, by)
    if not shares:
        raise RefusedError(
            "no open task is left that is nobody's and that an agent may take",
            reason="nothing-to-do",
            hint="`gitcoord tasks --state ready` lists what can be begun",
        )
    if len(shares) > MAX_BATCH:
        raise UsageError(
            f"{len(shares)} tasks are more than the {MAX_BATCH} that one entry shares out",
            hint="`selection` in the plan shares out any number as agents ask",
        )
    lines = [
        json.dumps({"op": "assign", "task": task, "to": agent}) for task, agent in shares.items()
    ]
    done = batch(work, parse_lines("\n".join(lines)), agent=ORCHESTRATOR)
    return done.entry, shares
