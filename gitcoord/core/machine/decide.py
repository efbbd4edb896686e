"""Turn what is asked into an event, with the context's clock and chance.

A decision gathers what the event needs and then asks ``check``: no rule
about legality stands here. What needs time does: whether a lease is over,
and whether a retry delay has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gitcoord.core import ids, paths
from gitcoord.core.boundary import boundary_of, recorded
from gitcoord.core.errors import ConflictError, NothingReadyError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context, judge, remaining_ms, wait_ms
from gitcoord.core.machine.check import check
from gitcoord.core.model import FORMAT, Evidence, Lapse, PlanDocument, PlanRecord, TaskRecord
from gitcoord.core.operations.claims import dependents_on_result, require_agent
from gitcoord.core.operations.gates import decide_check, decide_gate, proofs
from gitcoord.core.operations.locks import decide_lock, decide_unlock, lapses, over_claims
from gitcoord.core.operations.reviews import decide_review, decide_verdict, over_reviews
from gitcoord.core.snapshot import Snapshot

__all__ = ["decide", "expiries", "retry_delay_ms"]

FIRST_DELAY_MS = 1_000
MOST_DELAY_MS = 300_000


def decide(snapshot: Snapshot, command: Command, context: Context) -> Event:
    """Refuse a command, or say what happens.

    Raises:
        GitcoordError: A rule forbids it; nothing changed.

    """
    event: dict[str, Any] = {
        "op": command["op"],
        "id": context.id,
        "agent": command.get("agent", ids.ORCHESTRATOR),
        "time": context.time,
        "format": FORMAT,
    }
    event.update(_DECIDE[command["op"]](snapshot, command, context))
    done = cast("Event", event)
    check(snapshot, done)
    return done


def retry_delay_ms(failures: int) -> int:
    """Give the delay after the n-th failure: 1 s, 4 s, 16 s ... 5 minutes."""
    return int(min(MOST_DELAY_MS, FIRST_DELAY_MS * 4 ** min(failures, 8)))


def _plan_of(snapshot: Snapshot) -> PlanRecord:
    plan = snapshot.plan()
    if plan is None:
        raise NothingReadyError(
            "the ledger has no plan yet",
            hint="`gitcoord plan apply FILE` loads one",
            waiting_for=["plan"],
        )
    return plan


def _stamp(context: Context) -> dict[str, Any]:
    return {"boot_id": context.boot_id, "monotonic_ns": context.now_ns}


def _copy(*keys: str) -> Callable[[Snapshot, Command, Context], dict[str, Any]]:
    """Take an event's keys from the command as they are."""
    return lambda _snapshot, command, _context: {key: command[key] for key in keys}


def _titled(snapshot: Snapshot, command: Command) -> dict[str, Any]:
    task = snapshot.require_task(command["task"])
    return {"task": task["id"], "title": task["spec"]["title"]}


def _held(snapshot: Snapshot, command: Command) -> dict[str, Any]:
    task = snapshot.require_task(command["task"])
    return {"task": task["id"], "token": command["token"], "attempt": task["attempt"]}


def _plan(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    document = cast("PlanDocument", snapshot.json_blob(command["input"], "the plan"))
    added = changed = 0
    for spec in document["tasks"]:
        # One record at a time: a plan may be huge.
        task = snapshot.task(spec["id"])
        added += task is None
        changed += task is not None and task["spec"] != spec
    return {
        "input": command["input"],
        "name": document["plan"]["name"],
        "added": added,
        "changed": changed,
    }


def _judged(task: TaskRecord, context: Context) -> Evidence | None:
    """Give the takeover's evidence for a claimed task, None for an open one."""
    claim = task["claim"]
    if claim is None:
        wait = wait_ms(task["retry"], context)
        if wait:
            raise NothingReadyError(
                f"task {task['id']} waits {ids.show_duration(wait + 999)} after its failure",
                retry_after=round(wait / 1000, 3),
                waiting_for=["retry-delay"],
            )
        return None
    evidence = judge(task["id"], claim, context)
    if evidence is None:
        left = remaining_ms(claim, context)
        raise ConflictError(
            f"task {task['id']} is held by {claim['agent']}, whose lease runs for another "
            f"{ids.show_duration(left)}",
            hint="`gitcoord claim` without a task gives another one",
            holder=claim["agent"],
            task=task["id"],
            lease_ms=left,
            attempt=claim["attempt"],
        )
    return evidence


def expiries(snapshot: Snapshot, agent: str, task: TaskRecord, context: Context) -> list[Evidence]:
    """List the claims that are over and stand in the way of this one.

    They count against capacity, limits and paths until an entry ends them;
    the claimer in whose way they stand ends them with its own entry.
    """
    plan = _plan_of(snapshot)
    pool = plan["pools"].get(task["spec"]["pool"])
    wanted = task["spec"]["paths"] or []
    live = [other for other in snapshot.live() if other["claim"] and other["id"] != task["id"]]
    in_pool = [other for other in live if other["spec"]["pool"] == task["spec"]["pool"]]
    is_full = pool is not None and pool["limit"] is not None and len(in_pool) >= pool["limit"]
    by_token = {
        lock["token"]
        for lock in snapshot.locks()
        if lock["agent"] != agent and paths.overlaps(wanted, lock["paths"])
    }

    def stands(other: TaskRecord) -> bool:
        claim = other["claim"]
        return (
            claim is not None
            and other["id"] != task["id"]
            and (
                claim["agent"] == agent
                or (is_full and other["spec"]["pool"] == task["spec"]["pool"])
                or claim["token"] in by_token
                or paths.overlaps(wanted, other["spec"]["paths"] or []) is not None
            )
        )

    return over_claims(snapshot, context, stands)


def _lapsed(snapshot: Snapshot, agent: str, task: TaskRecord, context: Context) -> list[Lapse]:
    """List the timed locks of others that are over and hinder a claim."""
    wanted = task["spec"]["paths"] or []
    return lapses(
        snapshot,
        context,
        lambda lock: lock["agent"] != agent and paths.overlaps(wanted, lock["paths"]) is not None,
    )


def _claim(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    plan = _plan_of(snapshot)
    agent = require_agent(snapshot, command["agent"])
    task = snapshot.require_task(command["task"])
    takeover = _judged(task, context)
    attempt = task["attempt"] + 1
    return {
        **_titled(snapshot, command),
        **_stamp(context),
        "token": context.token,
        "attempt": attempt,
        "session": command["session"],
        "lease_ms": plan["lease_ms"],
        "base": command["base"],
        "branch": ids.branch_of(
            snapshot.settings()["task_prefix"], task["id"], attempt, context.token
        ),
        "built_on": command["built_on"],
        "expired": expiries(snapshot, agent["id"], task, context),
        "lapsed": _lapsed(snapshot, agent["id"], task, context),
        "takeover": takeover,
    }


def _reissue(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    task = snapshot.require_task(command["task"])
    return {
        **_titled(snapshot, command),
        **_stamp(context),
        "token": context.token,
        "attempt": task["attempt"],
        "session": command["session"],
        "lease_ms": _plan_of(snapshot)["lease_ms"],
        "branch": task["branch"] or "",
        "old": command["old"],
    }


def _progress(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    return {
        **_held(snapshot, command),
        **_stamp(context),
        "message": command["message"],
        "percent": command.get("percent"),
    }


def _complete(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    held = _held(snapshot, command)
    task = snapshot.require_task(command["task"])
    result = {
        "boundary": recorded(boundary_of(snapshot, task, snapshot.agent(command["agent"]))),
        **command["result"],
        "agent": command["agent"],
        "attempt": held["attempt"],
        "token": command["token"],
        "at": context.time,
    }
    return {**held, **_titled(snapshot, command), "result": result}


def _fail(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    task = snapshot.require_task(command["task"])
    return {
        **_held(snapshot, command),
        **_titled(snapshot, command),
        **_stamp(context),
        "kind": command["kind"],
        "reason": command["reason"],
        "delay_ms": retry_delay_ms(task["failures"]),
        "log": command.get("log"),
    }


def _release(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    return {**_held(snapshot, command), **_titled(snapshot, command), "reason": command["reason"]}


def _review(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    lease_ms = _plan_of(snapshot)["lease_ms"]
    return {
        **_titled(snapshot, command),
        **_stamp(context),
        "lease_ms": lease_ms,
        **decide_review(snapshot, command, context),
    }


def _expire(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    wanted = command.get("tasks")

    def stands(task: TaskRecord) -> bool:
        phase = snapshot.phase(task["spec"]["phase"])
        return (
            phase is not None
            and phase["state"] == "open"
            and (wanted is None or task["id"] in wanted)
        )

    found = over_claims(snapshot, context, stands) + over_reviews(
        snapshot, context, lambda task, _review: stands(task)
    )
    lapsed = [] if wanted is not None else lapses(snapshot, context, lambda _lock: True)
    if not found and not lapsed:
        raise RefusedError("no claim, no review and no lock is over", reason="nothing-expired")
    return {"expired": found, "lapsed": lapsed}


def _leaving(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    task = snapshot.require_task(command["task"])
    redone = [
        {"task": other["id"], "was": other["state"]}
        for other in dependents_on_result(snapshot, task)
    ]
    kind = {"kind": command["kind"], "log": command.get("log")} if command["op"] == "reopen" else {}
    return {**_titled(snapshot, command), **kind, "reason": command["reason"], "redone": redone}


def _retry(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    return {**_titled(snapshot, command), "reason": command["reason"]}


def _assign(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    to = command["to"]
    if to == ids.ORCHESTRATOR:
        raise UsageError("a task is assigned to an agent, and the orchestrator is none")
    return {**_retry(snapshot, command, context), "to": to}


def _resolve(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    found = snapshot.escalation(command["escalation"]) if ids.is_id(command["escalation"]) else None
    task = found["task"] if found else None
    return {"escalation": command["escalation"], "task": task, "answer": command["answer"]}


def _land_begin(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    phase, tree = snapshot.phase(command["phase"]), command.get("tree")
    keys = ("phase", "target", "old", "new", "results", "count")
    about = {
        **{key: command[key] for key in keys},
        "tree": tree,
        "without": command.get("without", []),
    }
    # A phase that is no more, or frozen, is for ``check`` to refuse.
    is_open = (
        phase is not None and phase["state"] == "open" and snapshot.settings()["pending"] is None
    )
    return {
        **about,
        "gates": proofs(snapshot, phase, tree or "") if phase is not None and is_open else [],
    }


_DECIDE: dict[str, Callable[[Snapshot, Command, Context], dict[str, Any]]] = {
    "init": _copy("ledger", "task_prefix", "target", "target_tip"),
    "plan": _plan,
    "agent-add": _copy("name", "pools", "capacity", "paths", "worktree"),
    "agent-remove": _copy("name", "reason"),
    "claim": _claim,
    "reissue": _reissue,
    "progress": _progress,
    "complete": _complete,
    "review": _review,
    "review-release": decide_verdict,
    "approve": decide_verdict,
    "reject": decide_verdict,
    "fail": _fail,
    "release": _release,
    "expire": _expire,
    "reopen": _leaving,
    "retry": _retry,
    "cancel": _leaving,
    "assign": _assign,
    "escalate": _copy("task", "kind", "reason"),
    "resolve": _resolve,
    "note": _copy("task", "path", "message"),
    "note-drop": _copy("note", "reason"),
    "checkpoint": _copy("name"),
    "batch": _copy("events"),
    "land-begin": _land_begin,
    "land-done": _copy("phase", "target", "old", "new"),
    "land-abort": _copy("phase", "target", "old", "new", "reason"),
    "lock": decide_lock,
    "unlock": decide_unlock,
    "rollback": _copy(
        "onto", "abandoned", "epoch", "surviving", "carried", "reason", "code", "reverts"
    ),
    "rollback-done": _copy("target", "old", "new"),
    "rollback-abort": _copy("target", "old", "new", "reason"),
    "check": decide_check,
    "gate": decide_gate,
}
