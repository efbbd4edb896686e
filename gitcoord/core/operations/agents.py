"""Own the rules of agents: who is added, and who may be removed."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import ids
from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId
from gitcoord.core.layout import agent_path
from gitcoord.core.leases import leases_of
from gitcoord.core.model import AgentRecord
from gitcoord.core.operation import WORDS, LineKey, Operation, copied, keys
from gitcoord.core.operations.locks import end_locks_of
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = ["OPERATIONS"]

MAX_CAPACITY = 1000


def check_agent_add(snapshot: Snapshot, event: Event) -> None:
    """Refuse a name that is taken or reserved, and a pool that is not there."""
    name = ids.parse_id(event["name"], "agent id")
    if name.casefold() == ids.ORCHESTRATOR:
        raise RefusedError(
            f"{ids.ORCHESTRATOR} is reserved", reason="reserved", hint="choose another name"
        )
    twins = [
        agent["id"] for agent in snapshot.agents() if agent["id"].casefold() == name.casefold()
    ]
    if twins:
        raise RefusedError(
            f"agent {twins[0]} exists already",
            reason="exists",
            hint="`gitcoord agent list` lists them",
            agent=twins[0],
        )
    if not 1 <= event["capacity"] <= MAX_CAPACITY:
        raise UsageError(
            f"an agent's capacity is between 1 and {MAX_CAPACITY}",
            hint="it is how many tasks the agent may hold at once",
        )
    plan = snapshot.plan()
    for pool in event["pools"]:
        if plan is not None and pool not in plan["pools"]:
            near = ids.nearest(pool, plan["pools"])
            raise NotFoundError(
                f"there is no pool {pool!r} in the plan",
                hint=f"known: {', '.join(near or plan['pools'])}",
            )


def apply_agent_add(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record an agent."""
    agent: AgentRecord = {
        "id": AgentId(event["name"]),
        "pools": event["pools"],
        "capacity": event["capacity"],
        "paths": event["paths"],
        "worktree": event["worktree"],
        "at": event["time"],
    }
    changes[agent_path(agent["id"])] = cast("dict[str, Any]", agent)


def check_agent_remove(snapshot: Snapshot, event: Event) -> None:
    """Refuse to remove an agent that holds a claim or a review."""
    require_agent(snapshot, AgentId(event["name"]))
    holds = []
    for task in snapshot.live():
        holders = {lease["agent"] for lease in leases_of(task)}
        if event["name"] in holders:
            holds.append(task["id"])
    if holds:
        raise RefusedError(
            f"agent {event['name']} holds {', '.join(holds[:5])}",
            reason="holds-claims",
            hint="release the claims and reviews first, or let their leases run out and reap them",
        )


def apply_agent_remove(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Take an agent away, and its locks with it."""
    end_locks_of(snapshot, AgentId(event["name"]), changes)
    changes[agent_path(AgentId(event["name"]))] = None


OPERATIONS = {
    "agent-add": Operation(
        fields=keys("name"),
        optional={"pools": [], "capacity": 1, "paths": None, "worktree": None},
        decide=copied("name", "pools", "capacity", "paths", "worktree"),
        check=check_agent_add,
        apply=apply_agent_add,
        subject="agent-add {name} by {agent}",
        batchable=True,
        command="agent add",
        line={
            "id": LineKey("word", "name", is_required=True),
            "pool": LineKey("pools", "pools"),
            "capacity": LineKey("number", "capacity"),
            "path": LineKey("paths", "paths"),
        },
    ),
    "agent-remove": Operation(
        fields=keys("name"),
        optional=WORDS,
        decide=copied("name", "reason"),
        check=check_agent_remove,
        apply=apply_agent_remove,
        subject="agent-remove {name} by {agent}",
        body="reason",
        batchable=True,
        command="agent remove",
        line={
            "id": LineKey("agent", "name", is_required=True),
            "reason": LineKey("text", "reason"),
        },
    ),
}
