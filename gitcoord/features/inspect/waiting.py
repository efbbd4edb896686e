"""Find why a task cannot be claimed now."""

from __future__ import annotations

from typing import Any

from gitcoord.core.boundary import paths_of
from gitcoord.core.holds import describe, holds_of, obstacles
from gitcoord.core.ids import NO_AGENT, AgentId, PhaseId
from gitcoord.core.leases import Context, running, wait_ms
from gitcoord.core.model import TaskRecord
from gitcoord.core.readiness import Hindrance, delay_text, hindrances, waiting_item
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import clause

__all__ = [
    "NO_ROOM_KINDS",
    "Waiting",
    "describe_waiting",
    "first_waiting",
    "waiting_facts",
    "waiting_of",
]

NO_ROOM_KINDS = frozenset({"paths", "limit"})
"""The kinds that mean that others are in the way: their paths, or a full pool."""
_NO_ROOM = "has no room"


class Waiting(NamedTuple):
    """One thing that a task waits for."""

    kind: str
    """``need``, ``phase``, ``paths``, ``delay``, ``limit``, ``claim``, ``review``, ``gate``,
    ``landing``, ``escalation``, or another kind of ``core.readiness``."""
    names: tuple[str, ...]
    """The tasks, phases or agents that it waits for."""
    text: str
    command: str = ""
    hint: str = ""
    """The command for people, in quotes and with what it does."""

    @property
    def sentence(self) -> str:
        """Return the text with its next step."""
        return self.text + clause(": {}", self.hint)


def waiting_of(
    snapshot: Snapshot, task: TaskRecord, context: Context, agent: AgentId = NO_AGENT
) -> list[Waiting]:
    """Return everything that a task waits for itself, as ``agent`` sees it."""
    name = task["id"]
    if task["claim"]:
        holder = task["claim"]["agent"]
        return [Waiting("claim", (holder,), f"task {name} is held by {holder}")]
    if task["state"] == "review":
        return [_reviewed(task)]
    if task["state"] == "done":
        return [_landing_of(snapshot, task["spec"]["phase"])]
    if task["state"] != "open":
        return [_over(task)]
    found = [_hindered(one) for one in hindrances(snapshot, task)]
    return found + _others(snapshot, task, context, agent)


def describe_waiting(
    snapshot: Snapshot, task: TaskRecord, context: Context, agent: AgentId = NO_AGENT
) -> str:
    """Return in a few words the first thing that a task waits for, as ``agent`` sees it."""
    return first_waiting(snapshot, task, context, agent).sentence


def first_waiting(
    snapshot: Snapshot, task: TaskRecord, context: Context, agent: AgentId = NO_AGENT
) -> Waiting:
    """Return the first thing that a task waits for, as ``agent`` sees it."""
    found = waiting_of(snapshot, task, context, agent)
    if found:
        return found[0]
    # Whoever asks was refused: it is ready by now, or the agent is at its capacity.
    return Waiting("limit", (), f"task {task['id']} {_NO_ROOM}: its pool is in use")


def waiting_facts(one: Waiting) -> dict[str, Any]:
    """Return what a task waits for as ``--json`` shows it."""
    return waiting_item(one.kind, one.text, one.names, one.command)


def _hindered(found: Hindrance) -> Waiting:
    return Waiting(found.facts["kind"], found.names, found.text, found.command, found.hint)


def _reviewed(task: TaskRecord) -> Waiting:
    agents = tuple(review["agent"] for review in running(task))
    text = f"task {task['id']} waits for review"
    if agents:
        return Waiting("review", agents, f"{text} by {', '.join(agents)}")
    return _with_command("review", (), text, "gitcoord review claim")


def _landing_of(snapshot: Snapshot, phase: PhaseId) -> Waiting:
    """Return what a phase waits for in which a task is done."""
    at_work = tuple(task["id"] for task in snapshot.live() if task["spec"]["phase"] == phase)
    if at_work:
        return Waiting("landing", at_work, f"phase {phase} waits for {', '.join(at_work[:5])}")
    text = f"phase {phase} waits for its landing"
    return _with_command("landing", (phase,), text, f"gitcoord phase land {phase}")


def _over(task: TaskRecord) -> Waiting:
    text = f"task {task['id']} is {task['state']}"
    return _with_command("need", (task["id"],), text, f"gitcoord retry {task['id']}")


def _others(
    snapshot: Snapshot, task: TaskRecord, context: Context, agent: AgentId
) -> list[Waiting]:
    """Return what time and others have to do before an open task can be claimed."""
    name, found = task["id"], []
    asked = [one["id"] for one in snapshot.open_escalations() if one["task"] == name]
    if asked:
        text, command = f"task {name} waits for the orchestrator", "gitcoord status"
        hint = f"`{command}` says why"
        found.append(Waiting("escalation", tuple(asked), text, command, hint))
    if wait_ms(task["retry"], context):
        found.append(Waiting("delay", (), delay_text(task)))
    wanted = paths_of(task) or []
    in_use = obstacles(holds_of(snapshot), wanted, agent, for_claim=True)
    for one in in_use:
        text = f"task {name} {_NO_ROOM}: {describe(one)}"
        found.append(Waiting("paths", (one.hold.agent,), text))
    return found + _limited(snapshot, task)


def _limited(snapshot: Snapshot, task: TaskRecord) -> list[Waiting]:
    """Return that a task's pool takes no further claim, where that is so."""
    plan, pool = snapshot.plan(), task["spec"]["pool"]
    limit = None
    if plan is not None and pool in plan["pools"]:
        limit = plan["pools"][pool]["limit"]
    held = [one for one, _ in snapshot.claims() if one["spec"]["pool"] == pool]
    if limit is None or len(held) < limit:
        return []
    text = f"task {task['id']} {_NO_ROOM}: its pool is in use"
    return [Waiting("limit", tuple(one["id"] for one in held), text)]


def _with_command(kind: str, names: tuple[str, ...], text: str, command: str) -> Waiting:
    return Waiting(kind, names, text, command, f"`{command}`")
