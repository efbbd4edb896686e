"""Own the rules of claims: who may have a task, how it is kept, how it ends.

A claim is one agent's exclusive right to a task. Its token fences it; its
lease is renewed by progress and by beats, and can be taken when it is over.
"""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import codec, ids
from gitcoord.core.boundary import fits_agent, paths_of
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    NothingReadyError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Command, Event
from gitcoord.core.holds import holds_of, obstacles, refuse
from gitcoord.core.ids import Oid, TaskId
from gitcoord.core.leases import Context, judge, remaining_ms, wait_ms
from gitcoord.core.model import MAX_MESSAGE_BYTES, AgentRecord, Claim, Evidence, Lapse, TaskRecord
from gitcoord.core.operation import (
    LineKey,
    Operation,
    Transitions,
    check_interval,
    elapsed_ms,
    holding,
    keys,
    stamp,
    titled,
)
from gitcoord.core.operations.built_on import check_built_on
from gitcoord.core.operations.changes import changed, with_setback
from gitcoord.core.operations.expiry import (
    EXPIRE,
    check_evidence,
    check_expired,
    check_lapsed,
    end_expired,
    expiries,
    lapses,
    over_claims,
    over_locks,
    over_reviews,
)
from gitcoord.core.operations.preconditions import held, require_agent, require_plan, task_of
from gitcoord.core.readiness import delay_text, hindrance, waiting_item
from gitcoord.core.refs import work_branch
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = ["OPERATIONS"]

MAX_PROGRESS_BYTES = 500
_OPEN: Transitions = {"open": ("claimed",)}
_TAKEN: Transitions = {"claimed": ("claimed",)}
_KEPT: Transitions = {"claimed": ("claimed",)}


# claim


def decide_claim(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Draw a token, and gather what the claim ends in passing.

    The command has a base, or ``make_base``: as that may have to merge, it is
    called only for a claim that fits in every other way.
    """
    plan = require_plan(snapshot)
    agent = require_agent(snapshot, command["agent"])
    task = snapshot.require_task(command["task"])
    takeover = _takeover(task, context)
    attempt = task["attempt"] + 1
    prefix = snapshot.settings()["task_prefix"]
    decided = {
        **titled(snapshot, command),
        **stamp(context),
        "token": context.token,
        "attempt": attempt,
        "session": command["session"],
        "lease_ms": plan["lease_ms"],
        "branch": work_branch(prefix, task["id"], attempt, context.token),
        "expired": expiries(snapshot, agent["id"], task, context),
        "lapsed": lapses(snapshot, agent["id"], task, context),
        "takeover": takeover,
        "wait_ms": elapsed_ms(command.get("asked_ns"), context),
    }
    if "make_base" not in command:
        return {**decided, "base": command["base"], "built_on": command["built_on"]}
    _check_fits(snapshot, cast("Event", {"op": "claim", "agent": agent["id"], **decided}))
    base, built_on = command["make_base"]()
    return {**decided, "base": base, "built_on": built_on}


def _takeover(task: TaskRecord, context: Context) -> Evidence | None:
    """Return a takeover's evidence for a claimed task, None for an open one.

    Raises:
        NothingReadyError: The task waits after a failure.
        ConflictError: The holder's lease runs.

    """
    claim = task["claim"]
    if claim is None:
        wait = wait_ms(task["retry"], context)
        if wait:
            text = delay_text(task)
            raise NothingReadyError(
                f"{text}, {ids.show_duration(wait + 999)} more",
                retry_after=round(wait / 1000, 3),
                waiting_for=[waiting_item("delay", text)],
            )
        return None
    evidence = judge(task["id"], claim, context)
    if evidence is not None:
        return evidence
    left = remaining_ms(claim, context)
    raise ConflictError(
        f"task {task['id']} is held by {claim['agent']}, "
        f"whose lease runs for another {ids.show_duration(left)}",
        hint="`gitcoord claim` without a task gives another one",
        holder=claim["agent"],
        task=task["id"],
        lease_ms=left,
        attempt=claim["attempt"],
    )


def check_claim(snapshot: Snapshot, event: Event) -> None:
    """Refuse a claim that the rules forbid."""
    task = _check_fits(snapshot, event)
    check_built_on(snapshot, task, event["built_on"])


def _check_fits(snapshot: Snapshot, event: Event) -> TaskRecord:
    """Refuse a claim that the rules forbid whatever its base is; return its task."""
    agent = require_agent(snapshot, event["agent"])
    task = _claimable(snapshot, event)
    check_expired(snapshot, event, own=task["id"])
    check_lapsed(snapshot, event)
    if event["attempt"] != task["attempt"] + 1 or event["lease_ms"] <= 0 or not event["token"]:
        raise UsageError("a claim has the next attempt's number, a token and a lease")
    prefix = snapshot.settings()["task_prefix"]
    branch = work_branch(prefix, task["id"], event["attempt"], event["token"])
    if event["branch"] != branch:
        raise UsageError("a claim's branch is named after its task, attempt and token")
    check_interval(event, "wait_ms")
    _check_role(snapshot, agent, task)
    _check_ready(snapshot, task)
    _check_room(snapshot, event, agent, task)
    return task


def _claimable(snapshot: Snapshot, event: Event) -> TaskRecord:
    """Return the event's task: open, or held by a lease that is over."""
    takeover = event["takeover"]
    if takeover is None:
        return task_of(snapshot, event, _OPEN)
    if takeover["task"] != event["task"]:
        raise UsageError("a takeover's evidence is of the same task")
    check_evidence(snapshot, takeover)
    task = task_of(snapshot, event, _TAKEN)
    plan = snapshot.plan()
    if plan is None or task["failures"] + 1 >= plan["max_attempts"]:
        raise RefusedError(
            f"task {task['id']} has used up its attempts",
            reason="exhausted",
            hint="`gitcoord reap` ends the claim, which fails the task",
        )
    return task


def _check_role(snapshot: Snapshot, agent: AgentRecord, task: TaskRecord) -> None:
    spec = task["spec"]
    if agent["pools"] and spec["pool"] not in agent["pools"]:
        raise RefusedError(
            f"task {task['id']} is for pool {spec['pool']}, "
            f"and {agent['id']} is in {', '.join(agent['pools'])}",
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
    found = hindrance(snapshot, task)
    if found is None:
        return
    if found.kind == "blocked":
        raise RefusedError(found.text, reason="blocked", hint=found.hint)
    raise NothingReadyError(found.text, waiting_for=[found.facts])


def _check_room(snapshot: Snapshot, event: Event, agent: AgentRecord, task: TaskRecord) -> None:
    """Refuse where capacity, a pool's limit or another's paths leave no room."""
    without = {gone["task"] for gone in event["expired"]} | {task["id"]}
    held = [(other, claim) for other, claim in snapshot.claims() if other["id"] not in without]
    own = [other["id"] for other, claim in held if claim["agent"] == agent["id"]]
    if len(own) >= agent["capacity"]:
        raise RefusedError(
            f"{agent['id']} already holds {', '.join(own[:5])}, as many as its capacity allows",
            reason="capacity",
            hint="complete, fail or release it first",
        )
    name = task["spec"]["pool"]
    limit = _limit_of(snapshot, name)
    if limit is not None and sum(other["spec"]["pool"] == name for other, _ in held) >= limit:
        text = f"pool {name} is at its limit of {limit} claims"
        raise NothingReadyError(text, waiting_for=[waiting_item("limit", text, [name])])
    lapsed = {gone["lock"] for gone in event["lapsed"]}
    holds = holds_of(snapshot, without=without, lapsed=lapsed)
    found = obstacles(holds, paths_of(task) or [], agent["id"], for_claim=True)
    if found:
        refuse(found, f"{found[0].wanted} of task {task['id']}", task)


def _limit_of(snapshot: Snapshot, pool: str) -> int | None:
    """Return how many claims a pool takes at a time, None where it has no limit."""
    plan = snapshot.plan()
    if plan is None or pool not in plan["pools"]:
        return None
    return plan["pools"][pool]["limit"]


def apply_claim(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Give the task to the claimer, and end what stood in its way."""
    end_expired(snapshot, event, changes)
    task = snapshot.require_task(event["task"])
    after = changed(
        task,
        state="claimed",
        claim=_claim_of(event, event["base"], event["built_on"]),
        attempt=event["attempt"],
        branch=event["branch"],
        retry=None,
    )
    takeover = event["takeover"]
    if takeover is not None:
        holder = takeover["agent"]
        after["failures"] = task["failures"] + 1
        after.pop("resume", None)
        why = {"holder": holder, "by": event["agent"]}
        after["setbacks"] = with_setback(task, event, "expired", holder, why)
    put_task(changes, after)


def _claim_of(event: Event, base: Oid, built_on: dict[TaskId, Oid]) -> Claim:
    return {
        "token": event["token"],
        "agent": event["agent"],
        "attempt": event["attempt"],
        "session": event["session"],
        "boot_id": event["boot_id"],
        "monotonic_ns": event["monotonic_ns"],
        "lease_ms": event["lease_ms"],
        "at": event["time"],
        "since": event["time"],
        "base": base,
        "branch": event["branch"],
        "built_on": built_on,
        "progress": None,
    }


# reissue


def decide_reissue(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Draw a new token for the same attempt."""
    task = snapshot.require_task(command["task"])
    return {
        **titled(snapshot, command),
        **stamp(context),
        "token": context.token,
        "attempt": task["attempt"],
        "session": command["session"],
        "lease_ms": require_plan(snapshot)["lease_ms"],
        "branch": task["branch"] or "",
        "old": command["old"],
    }


def check_reissue(snapshot: Snapshot, event: Event) -> None:
    """Refuse a new token to anybody but the agent that holds the old one."""
    task = snapshot.require_task(event["task"])
    claim = task["claim"]
    if claim is None or claim["token"] != event["old"] or claim["agent"] != event["agent"]:
        raise ClaimLostError(
            f"the claim on task {task['id']} is not {event['agent']}'s any more", task=task["id"]
        )
    task_of(snapshot, event, _KEPT)
    is_same = event["attempt"] == task["attempt"] and event["branch"] == claim["branch"]
    if event["token"] == event["old"] or not is_same:
        raise UsageError("a reissue keeps attempt and branch, and has a new token")


def apply_reissue(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Replace the token: the older session is fenced."""
    task = snapshot.require_task(event["task"])
    old = cast("Claim", task["claim"])
    claim = _claim_of(event, old["base"], old["built_on"])
    claim = {**claim, "since": old["since"], "progress": old["progress"]}
    put_task(changes, changed(task, claim=claim))


# progress


def decide_progress(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Renew the lease, with a message."""
    return {
        **holding(snapshot, command),
        **stamp(context),
        "message": command["message"],
        "percent": command.get("percent"),
    }


def check_progress(snapshot: Snapshot, event: Event) -> None:
    """Refuse progress by anyone but the holder, or in other numbers."""
    held(snapshot, event, _KEPT)
    if event["percent"] is not None and not 0 <= event["percent"] <= 100:
        raise UsageError("a percentage is between 0 and 100")
    if len(event["message"].encode()) > MAX_MESSAGE_BYTES:
        raise UsageError("a message has at most 4 KiB")


def apply_progress(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Keep the message with the claim; a percentage stays until the next."""
    task = snapshot.require_task(event["task"])
    claim = cast("Claim", task["claim"])
    percent = event["percent"]
    if percent is None and claim["progress"] is not None:
        percent = claim["progress"]["percent"]
    message = codec.cut(event["message"], MAX_PROGRESS_BYTES)
    renewed: Claim = {
        **claim,
        "boot_id": event["boot_id"],
        "monotonic_ns": event["monotonic_ns"],
        "at": event["time"],
        "progress": {"message": message, "percent": percent, "at": event["time"]},
    }
    put_task(changes, changed(task, claim=renewed))


# expire


def decide_expire(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Gather everything that is over, or what is over among some tasks.

    Raises:
        RefusedError: Nothing is over (reason ``nothing-expired``).

    """
    wanted = command.get("tasks")

    def stands(task: TaskRecord) -> bool:
        phase = snapshot.phase(task["spec"]["phase"])
        is_wanted = wanted is None or task["id"] in wanted
        return phase is not None and phase["state"] == "open" and is_wanted

    found = over_claims(snapshot, context, stands)
    found += over_reviews(snapshot, context, lambda task, _review: stands(task))
    lapsed: list[Lapse] = []
    if wanted is None:
        lapsed = over_locks(snapshot, context, lambda _lock: True)
    if not found and not lapsed:
        raise RefusedError("no claim, no review and no lock is over", reason="nothing-expired")
    return {"expired": found, "lapsed": lapsed}


def check_expire(snapshot: Snapshot, event: Event) -> None:
    """Refuse to end what is not over."""
    if not event["expired"] and not event["lapsed"]:
        raise UsageError("an expiry names at least one claim or lock")
    check_expired(snapshot, event)
    check_lapsed(snapshot, event)


_CLAIM = keys("task title token attempt session boot_id monotonic_ns lease_ms branch")

OPERATIONS = {
    "claim": Operation(
        fields=_CLAIM | keys("base"),
        optional={"built_on": {}, "expired": [], "lapsed": [], "takeover": None, "wait_ms": None},
        transitions={**_OPEN, **_TAKEN},
        in_passing={"expired": EXPIRE},
        decide=decide_claim,
        check=check_claim,
        apply=apply_claim,
        subject="claim {task} by {agent}[, taken over from {takeover/agent}]: {title}",
        batchable=True,
        command="claim",
        line={"task": LineKey("task", "task", is_required=True)},
        is_for_agents=True,
    ),
    "reissue": Operation(
        fields=_CLAIM | keys("old"),
        transitions=_KEPT,
        decide=decide_reissue,
        check=check_reissue,
        apply=apply_reissue,
        subject="reissue {task} by {agent}: {title}",
    ),
    "progress": Operation(
        fields=keys("task token attempt message boot_id monotonic_ns"),
        optional={"percent": None},
        transitions=_KEPT,
        decide=decide_progress,
        check=check_progress,
        apply=apply_progress,
        subject="progress {task} by {agent}: {message}[ ({percent}%)]",
        body="message",
        batchable=True,
        command="progress",
        line={
            "task": LineKey("task", "task"),
            "message": LineKey("text", "message", is_required=True),
            "percent": LineKey("number", "percent"),
        },
        is_for_agents=True,
    ),
    "expire": Operation(
        fields=keys(""),
        optional={"expired": [], "lapsed": []},
        in_passing={"expired": EXPIRE},
        decide=decide_expire,
        check=check_expire,
        apply=end_expired,
        subject="expire by {agent}[, tasks {expired/task}][, locks of {lapsed/agent}]",
        batchable=True,
        command="reap",
    ),
}
