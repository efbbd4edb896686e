"""Hold the rules about who may claim what, and what holds a task.

All of them are time-free; ``check`` calls them for the events that they
are about.
"""

from __future__ import annotations

from gitcoord.core import ids
from gitcoord.core.boundary import fits_agent
from gitcoord.core.errors import (
    ClaimLostError,
    NotFoundError,
    NothingReadyError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.holds import holds_of, obstacles, refuse
from gitcoord.core.leases import leases_of
from gitcoord.core.machine.table import require
from gitcoord.core.model import AgentRecord, Evidence, PhaseRecord, TaskRecord
from gitcoord.core.snapshot import Snapshot

__all__ = [
    "check_built_on",
    "check_claim",
    "check_expired",
    "check_lapsed",
    "dependents_on_result",
    "fence",
    "held",
    "open_phase",
    "require_agent",
    "task_of",
]


def require_agent(snapshot: Snapshot, agent: str) -> AgentRecord:
    """Return an agent that was added.

    Raises:
        NotFoundError: It was not; the hint is the command that adds it.

    """
    record = snapshot.agent(agent) if ids.is_id(agent) else None
    if record is None:
        raise NotFoundError(
            f"there is no agent {agent!r}",
            hint=f"`gitcoord agent add {agent}` adds it",
            agent=agent,
        )
    return record


def open_phase(snapshot: Snapshot, phase: str) -> PhaseRecord:
    """Return a phase whose tasks may change."""
    record = snapshot.phase(phase)
    if record is None:
        raise NotFoundError(f"there is no phase {phase!r}", hint="`gitcoord phase list` lists them")
    if record["state"] != "open":
        is_landing = record["state"] == "landing"
        what = "has a landing under way" if is_landing else "has landed"
        raise RefusedError(
            f"phase {phase} {what}: its tasks are frozen",
            reason=record["state"],
            hint=f"`gitcoord phase land {phase}` finishes it" if is_landing else "",
        )
    return record


def task_of(snapshot: Snapshot, event: Event, op: str | None = None) -> TaskRecord:
    """Return the event's task, whose phase and state allow the operation."""
    task = snapshot.require_task(event["task"])
    if event.get("title", task["spec"]["title"]) != task["spec"]["title"]:
        raise UsageError("the event names another title than the task has")
    open_phase(snapshot, task["spec"]["phase"])
    require(op or event["op"], task["id"], task["state"])
    return task


def fence(snapshot: Snapshot, event: Event) -> TaskRecord:
    """Return the task that the event's token holds, or fence the event."""
    task = snapshot.require_task(event["task"])
    claim = task["claim"]
    if claim is None or claim["token"] != event["token"] or claim["agent"] != event["agent"]:
        now = f"{claim['agent']} holds it now" if claim else f"the task is {task['state']} now"
        raise ClaimLostError(
            f"this claim on task {task['id']} is no longer current: {now}",
            hint="stop working on it; `gitcoord claim` gives the next task",
            task=task["id"],
            holder=claim["agent"] if claim else None,
        )
    return task


def held(snapshot: Snapshot, event: Event) -> TaskRecord:
    """Return the task that the event's token holds, if it may change."""
    task = fence(snapshot, event)
    if event.get("attempt", task["attempt"]) != task["attempt"]:
        raise UsageError("the event names another attempt than the claim has")
    return task_of(snapshot, event)


def _gone_from(expired: list[Evidence]) -> set[str]:
    """Name the tasks whose claims an event ends in passing."""
    return {gone["task"] for gone in expired}


def _check_evidence(snapshot: Snapshot, gone: Evidence, op: str) -> TaskRecord:
    task = snapshot.require_task(gone["task"])
    lease = next(
        (
            one
            for one in leases_of(task)
            if (one["token"], one["agent"]) == (gone["token"], gone["agent"])
        ),
        None,
    )
    if lease is None:
        raise ClaimLostError(
            f"the lease on task {gone['task']} that should be over is not a current one"
        )
    if (
        gone["lease_ms"] != lease["lease_ms"]
        or gone["now_ns"] - gone["last_ns"] <= gone["lease_ms"] * 1_000_000
    ):
        raise RefusedError(
            f"the evidence that the lease on task {gone['task']} is over does not add up",
            reason="evidence",
        )
    require(op, task["id"], task["state"])
    open_phase(snapshot, task["spec"]["phase"])
    return task


def check_expired(snapshot: Snapshot, event: Event) -> None:
    """Refuse to end a lease twice, or one that is not over by its evidence."""
    own = event.get("task") if event["op"] != "review" else None
    if len({gone["token"] for gone in event["expired"]}) != len(
        event["expired"]
    ) or own in _gone_from(event["expired"]):
        raise UsageError("an event ends each lease once")
    for gone in event["expired"]:
        _check_evidence(snapshot, gone, "expire")


def check_lapsed(snapshot: Snapshot, event: Event) -> None:
    """Refuse to end a lock that is not over by its evidence."""
    locks = {lock["id"]: lock for lock in snapshot.locks()} if event["lapsed"] else {}
    if len({gone["lock"] for gone in event["lapsed"]}) != len(event["lapsed"]):
        raise UsageError("an event ends each lock once")
    for gone in event["lapsed"]:
        lock = locks.get(gone["lock"])
        if (
            lock is None
            or lock["agent"] != gone["agent"]
            or lock["for_ms"] is None
            or lock["for_ms"] != gone["for_ms"]
            or gone["now_ns"] - gone["last_ns"] <= gone["for_ms"] * 1_000_000
        ):
            raise RefusedError(
                f"the evidence that the lock {gone['lock']} is over does not add up",
                reason="evidence",
            )


def _missing_needs(snapshot: Snapshot, task: TaskRecord) -> list[TaskRecord]:
    """List the needs of a task that are not done."""
    needs = [snapshot.require_task(need) for need in task["spec"]["needs"]]
    return [need for need in needs if need["state"] != "done"]


def check_claim(snapshot: Snapshot, event: Event) -> None:
    """Refuse a claim that the rules forbid."""
    agent = require_agent(snapshot, event["agent"])
    takeover = event["takeover"]
    if takeover is None:
        task = task_of(snapshot, event)
    else:
        if takeover["task"] != event["task"]:
            raise UsageError("a takeover's evidence is of the same task")
        task = _check_evidence(snapshot, takeover, "takeover")
        if task["failures"] + 1 >= _max_attempts(snapshot):
            raise RefusedError(
                f"task {task['id']} has used up its attempts",
                reason="exhausted",
                hint="`gitcoord reap` ends the claim, which fails the task",
            )
    check_expired(snapshot, event)
    check_lapsed(snapshot, event)
    if event["attempt"] != task["attempt"] + 1 or event["lease_ms"] <= 0 or not event["token"]:
        raise UsageError("a claim has the next attempt's number, a token and a lease")
    if event["branch"] != ids.branch_of(
        snapshot.settings()["task_prefix"], task["id"], event["attempt"], event["token"]
    ):
        raise UsageError("a claim's branch is named after its task, attempt and token")
    _check_role(snapshot, agent, task)
    _check_ready(snapshot, task)
    _check_room(
        snapshot,
        agent,
        task,
        _gone_from(event["expired"]) | {task["id"]},
        {gone["lock"] for gone in event["lapsed"]},
    )
    check_built_on(snapshot, task, event["built_on"])


def _max_attempts(snapshot: Snapshot) -> int:
    plan = snapshot.plan()
    return plan["max_attempts"] if plan else 1


def _check_role(snapshot: Snapshot, agent: AgentRecord, task: TaskRecord) -> None:
    spec = task["spec"]
    if agent["pools"] and spec["pool"] not in agent["pools"]:
        raise RefusedError(
            f"task {task['id']} is for pool {spec['pool']}, and {agent['id']} is in "
            f"{', '.join(agent['pools'])}",
            reason="pool",
        )
    if task["assigned"] not in {None, agent["id"]}:
        raise RefusedError(
            f"task {task['id']} is assigned to {task['assigned']}", reason="assigned"
        )
    if not fits_agent(snapshot, task, agent):
        raise RefusedError(
            f"task {task['id']} writes outside the boundary of {agent['id']}", reason="boundary"
        )


def _check_ready(snapshot: Snapshot, task: TaskRecord) -> None:
    phase = snapshot.phase(task["spec"]["phase"])
    if phase is not None and not snapshot.is_started(phase):
        waiting = [
            f"phase {before}"
            for before in phase["spec"]["after"]
            if (snapshot.phase(before) or phase)["state"] != "landed"
        ]
        raise NothingReadyError(
            f"phase {phase['id']} has not started: {', '.join(waiting)} has to land first",
            waiting_for=list(waiting),
        )
    missing = _missing_needs(snapshot, task)
    broken = [need["id"] for need in missing if need["state"] in {"failed", "cancelled"}]
    if broken:
        raise RefusedError(
            f"task {task['id']} is blocked: it needs {', '.join(broken)}, which will not be done",
            reason="blocked",
            hint=f"`gitcoord retry {broken[0]}` opens that task again",
        )
    if missing:
        raise NothingReadyError(
            f"task {task['id']} waits for {', '.join(need['id'] for need in missing)}",
            waiting_for=[f"task {need['id']}" for need in missing],
        )


def _check_room(
    snapshot: Snapshot, agent: AgentRecord, task: TaskRecord, without: set[str], lapsed: set[str]
) -> None:
    """Refuse where capacity, a pool's limit or another's paths leave no room."""
    live = [other for other in snapshot.live() if other["claim"] and other["id"] not in without]
    own = [
        other["id"] for other in live if other["claim"] and other["claim"]["agent"] == agent["id"]
    ]
    if len(own) >= agent["capacity"]:
        raise RefusedError(
            f"{agent['id']} already holds {', '.join(own[:5])}, as many as its capacity allows",
            reason="capacity",
            hint="complete, fail or release it first",
        )
    plan = snapshot.plan()
    pool = plan["pools"].get(task["spec"]["pool"]) if plan else None
    limit = pool["limit"] if pool else None
    if (
        limit is not None
        and sum(other["spec"]["pool"] == task["spec"]["pool"] for other in live) >= limit
    ):
        raise NothingReadyError(
            f"pool {task['spec']['pool']} is at its limit of {limit} claims",
            waiting_for=[f"pool {task['spec']['pool']}"],
        )
    held_paths = holds_of(snapshot, without=without, lapsed=lapsed)
    found = obstacles(held_paths, task["spec"]["paths"] or [], agent["id"], for_claim=True)
    refuse(found, f"{found[0].wanted} of task {task['id']}" if found else "", task)


def check_built_on(snapshot: Snapshot, task: TaskRecord, built_on: dict[str, str]) -> None:
    """Refuse a base that lacks a need's result, or holds one that is stale."""
    phase = task["spec"]["phase"]
    for other, oid in built_on.items():
        record = snapshot.task(other)
        result = record["result"] if record else None
        if record is None or result is None or result["oid"] != oid or record["state"] != "done":
            raise RefusedError(
                f"the result of task {other} changed meanwhile",
                reason="base-moved",
                hint="merge its new result, and complete again",
                task=task["id"],
                moved=[other],
            )
        if record["spec"]["phase"] != phase:
            raise UsageError(f"task {other} belongs to another phase")
    for need in task["spec"]["needs"]:
        needed = snapshot.require_task(need)
        result = needed["result"]
        if needed["state"] != "done":
            raise RefusedError(
                f"task {need}, which {task['id']} needs, is {needed['state']} again",
                reason="base-moved",
                hint=f"wait until {need} is done, merge its result, and complete again",
                task=task["id"],
                moved=[need],
            )
        if (
            needed["spec"]["phase"] == phase
            and result
            and result["oid"]
            and built_on.get(need) != result["oid"]
        ):
            raise RefusedError(
                f"the work does not contain the result of task {need}, which it needs",
                reason="base-moved",
                hint=f"merge {result['oid'][:12]}, and complete again",
                task=task["id"],
                moved=[need],
            )


def dependents_on_result(snapshot: Snapshot, task: TaskRecord) -> list[TaskRecord]:
    """List what must be redone when a task leaves done, transitively.

    Reads every task: leaving done is rare, and missing one would let work
    land that was built on something else.
    """
    if task["state"] != "done":
        return []
    others = [
        other
        for other in snapshot.tasks()
        if other["result"] and other["state"] in {"review", "done"}
    ]
    found: dict[str, TaskRecord] = {}
    queue = [task["id"]]
    while queue:
        gone = queue.pop()
        for other in others:
            if other["id"] not in found and other["result"] and gone in other["result"]["built_on"]:
                found[other["id"]] = other
                queue.append(other["id"])
    return sorted(found.values(), key=lambda other: other["order"])
