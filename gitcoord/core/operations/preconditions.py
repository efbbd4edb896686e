"""Hold what several operations require: an agent, a phase, a state, a token.

Each function returns the record that it asked for, or refuses.
"""

from __future__ import annotations

from gitcoord.core import ids, paths
from gitcoord.core.errors import (
    ClaimLostError,
    NotFoundError,
    NothingReadyError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId, PhaseId
from gitcoord.core.model import AgentRecord, PhaseRecord, PlanRecord, TaskRecord
from gitcoord.core.operation import Transitions
from gitcoord.core.readiness import waiting_item
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import in_landing, is_stream

MAX_PATHS = 64
MAX_PATH_BYTES = 8 * 1024

__all__ = [
    "fence",
    "held",
    "named_phase",
    "open_phase",
    "require_agent",
    "require_author",
    "require_patterns",
    "require_plan",
    "require_state",
    "task_of",
]


def require_plan(snapshot: Snapshot) -> PlanRecord:
    """Return the plan.

    Raises:
        NothingReadyError: None was applied yet.

    """
    plan = snapshot.plan()
    if plan is None:
        raise NothingReadyError(
            "the ledger has no plan yet",
            hint="`gitcoord plan apply FILE` loads one",
            waiting_for=[waiting_item("plan", "the ledger waits for a plan")],
        )
    return plan


def require_agent(snapshot: Snapshot, agent: AgentId) -> AgentRecord:
    """Return an agent that was added.

    Raises:
        NotFoundError: It was not; the hint is the command that adds it.

    """
    record = None
    if ids.is_id(agent):
        record = snapshot.agent(agent)
    if record is None:
        raise NotFoundError(
            f"there is no agent {agent!r}",
            hint=f"{_agents_like(snapshot, agent)}`gitcoord agent add {agent}` adds it",
            agent=agent,
        )
    return record


def _agents_like(snapshot: Snapshot, agent: AgentId) -> str:
    """Return a question after the agents whose ids look like another."""
    near = ids.nearest(agent, [one["id"] for one in snapshot.agents()])
    if not near:
        return ""
    return f"did you mean {', '.join(near)}? "


def require_author(snapshot: Snapshot, event: Event) -> None:
    """Refuse an event of somebody who is neither an agent nor the orchestrator."""
    if event["agent"] != ids.ORCHESTRATOR:
        require_agent(snapshot, event["agent"])


def named_phase(snapshot: Snapshot, phase: PhaseId) -> PhaseRecord:
    """Return a phase of the plan.

    Raises:
        NotFoundError: There is none of that name.

    """
    record = None
    if ids.is_id(phase):
        record = snapshot.phase(phase)
    if record is None:
        raise NotFoundError(f"there is no phase {phase!r}", hint="`gitcoord phase list` lists them")
    return record


def open_phase(snapshot: Snapshot, phase: PhaseId, task: TaskRecord | None = None) -> PhaseRecord:
    """Return a phase whose tasks may change; of a stream, where ``task`` may.

    A landing freezes its phase, and in a stream the tasks of its batch alone.

    Raises:
        NotFoundError: There is none.
        RefusedError: ``landing`` or ``landed``.

    """
    record = named_phase(snapshot, phase)
    if task is not None and "landed" in task:
        raise RefusedError(f"task {task['id']} has landed: it is frozen", reason="landed")
    is_frozen = record["state"] == "landing"
    if is_frozen and is_stream(record["spec"]):
        is_frozen = task is not None and task["id"] in in_landing(snapshot, record)
    if is_frozen:
        raise RefusedError(
            f"phase {phase} has a landing under way: its tasks are frozen",
            reason="landing",
            hint=f"`gitcoord phase land {phase}` finishes it",
        )
    if record["state"] == "landed":
        raise RefusedError(f"phase {phase} has landed: its tasks are frozen", reason="landed")
    return record


def require_patterns(wanted: list[str], what: str) -> None:
    """Refuse paths that are not patterns, and more of them than fit.

    Raises:
        UsageError: What is wrong with which of them.

    """
    if not wanted or len(wanted) > MAX_PATHS or len(set(wanted)) != len(wanted):
        raise UsageError(f"name 1 to {MAX_PATHS} paths, each once")
    for pattern in wanted:
        problem = paths.problem_of(pattern)
        if problem:
            raise UsageError(
                f"{pattern[:80]!r}: {problem}", hint="for example: src/lexer/ or docs/*.md"
            )
    if sum(len(pattern.encode()) for pattern in wanted) > MAX_PATH_BYTES:
        raise UsageError(f"the paths of {what} have at most {MAX_PATH_BYTES} bytes together")


def require_state(op: str, task: TaskRecord, transitions: Transitions) -> None:
    """Refuse an operation on a task in a state that it does not start from.

    Raises:
        RefusedError: The row has no such transition (reason ``state``).

    """
    if task["state"] in transitions:
        return
    raise RefusedError(
        f"task {task['id']} is {task['state']}, and {op} needs it to be {' or '.join(transitions)}",
        reason="state",
        hint=f"`gitcoord show {task['id']}` tells its history",
        task=task["id"],
        state=task["state"],
    )


def task_of(snapshot: Snapshot, event: Event, transitions: Transitions) -> TaskRecord:
    """Return the event's task, whose phase and state allow the operation."""
    task = snapshot.require_task(event["task"])
    if event.get("title", task["spec"]["title"]) != task["spec"]["title"]:
        raise UsageError("the event names another title than the task has")
    open_phase(snapshot, task["spec"]["phase"], task)
    require_state(event["op"], task, transitions)
    return task


def fence(snapshot: Snapshot, event: Event) -> TaskRecord:
    """Return the task that the event's token holds, or fence the event.

    Raises:
        ClaimLostError: The token is not the claim's current one.

    """
    task = snapshot.require_task(event["task"])
    claim = task["claim"]
    if claim is None or claim["token"] != event["token"] or claim["agent"] != event["agent"]:
        now = f"the task is {task['state']} now"
        if claim is not None:
            now = f"{claim['agent']} holds it now"
        raise ClaimLostError(
            f"this claim on task {task['id']} is no longer current: {now}",
            hint="stop working on it; `gitcoord claim` gives the next task",
            task=task["id"],
            holder=claim and claim["agent"],
        )
    return task


def held(snapshot: Snapshot, event: Event, transitions: Transitions) -> TaskRecord:
    """Return the task that the event's token holds, if it may change."""
    task = fence(snapshot, event)
    if event.get("attempt", task["attempt"]) != task["attempt"]:
        raise UsageError("the event names another attempt than the claim has")
    return task_of(snapshot, event, transitions)
