"""List the newest entries that are asked for."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Any

from gitcoord.core.errors import NotFoundError
from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.features.inspect.events import (
    EVERYTHING,
    Wanted,
    events_after,
    git_command,
    is_wanted,
)
from gitcoord.features.inspect.facts import facts_of_event, history
from gitcoord.features.names import named_actor, named_task
from gitcoord.features.workspace import Workspace

__all__ = ["log"]


def log(
    work: Workspace,
    *,
    task: TaskId | None = None,
    agent: AgentId | None = None,
    limit: int = 20,
    wanted: Wanted = EVERYTHING,
    after: Oid | None = None,
) -> dict[str, Any]:
    """List the newest entries, or those ``after`` one; ``wanted`` filters further.

    What a rollback took out of the ledger, or was removed from it, can be
    asked for as long as its entries are there.

    Raises:
        NotFoundError: There was never such a task, or such an agent.

    """
    snapshot = work.ledger.snapshot()
    if task is not None:
        with suppress(NotFoundError):
            task = named_task(work, snapshot, task)["id"]
    if agent is not None:
        with suppress(NotFoundError):
            agent = named_actor(snapshot, agent)
    wanted = wanted._replace(task=task, agent=agent)
    if wanted == Wanted(task=task, agent=agent) and after is None:
        entries = list(history(work, snapshot.oid, task=task, agent=agent, limit=limit))
    else:
        links = events_after(work, snapshot.oid, after)[::-1]
        chosen = islice((link for link in links if is_wanted(work, link, wanted)), limit)
        entries = [facts_of_event(link.oid, link.time, link.event) for link in chosen]
    if not entries and task is not None:
        named_task(work, snapshot, task)
    if not entries and agent is not None:
        named_actor(snapshot, agent)
    command = git_command(work.ledger.ref, wanted, after)
    return {"tip": snapshot.oid, "entries": entries, "git": command}
