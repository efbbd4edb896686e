"""End what is over in passing: claims, reviews and timed locks.

What is over still counts until an entry ends it. The command that it hinders ends
it in its own entry, with the evidence; whether the evidence adds up can be
checked by everybody, whether it is true by nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gitcoord.core import paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import ClaimLostError, RefusedError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId
from gitcoord.core.layout import lock_path
from gitcoord.core.leases import Context, judge, judge_lock, leases_of, running
from gitcoord.core.model import Evidence, Lapse, Lease, LockRecord, Review, TaskRecord
from gitcoord.core.operation import Transitions
from gitcoord.core.operations.changes import changed, set_back
from gitcoord.core.operations.preconditions import open_phase, require_plan, require_state
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = [
    "EXPIRE",
    "check_evidence",
    "check_expired",
    "check_lapsed",
    "end_expired",
    "end_reviews",
    "expiries",
    "lapses",
    "over_claims",
    "over_locks",
    "over_reviews",
]

EXPIRE: Transitions = {"claimed": ("open", "failed"), "review": ("review",)}
_NS_PER_MS = 1_000_000


def over_claims(
    snapshot: Snapshot, context: Context, stands: Callable[[TaskRecord], bool]
) -> list[Evidence]:
    """Return the evidence for each claim that is over and stands in the way."""
    found = []
    for task in snapshot.live():
        claim = task["claim"]
        if claim is None or not stands(task):
            continue
        evidence = judge(task["id"], claim, context)
        if evidence is not None:
            found.append(evidence)
    return found


def over_reviews(
    snapshot: Snapshot, context: Context, stands: Callable[[TaskRecord, Review], bool]
) -> list[Evidence]:
    """Return the evidence for each review that is over and stands in the way."""
    found = []
    for task in snapshot.live():
        for review in running(task):
            if not stands(task, review):
                continue
            evidence = judge(task["id"], cast("Lease", review), context)
            if evidence is not None:
                found.append(evidence)
    return found


def over_locks(
    snapshot: Snapshot, context: Context, stands: Callable[[LockRecord], bool]
) -> list[Lapse]:
    """Return the evidence for each timed lock that is over and stands in the way."""
    judged = [judge_lock(lock, context) for lock in snapshot.locks() if stands(lock)]
    return [evidence for evidence in judged if evidence is not None]


def expiries(
    snapshot: Snapshot, agent: AgentId, task: TaskRecord, context: Context
) -> list[Evidence]:
    """Return the claims that are over and stand in the way of an agent's claim on a task.

    They count against capacity, limits and paths until an entry ends them;
    the claimer in whose way they stand ends them with its own entry.
    """
    plan = require_plan(snapshot)
    pool = plan["pools"].get(task["spec"]["pool"])
    wanted = paths_of(task) or []
    others = [other for other, _ in snapshot.claims() if other["id"] != task["id"]]
    in_pool = [other for other in others if other["spec"]["pool"] == task["spec"]["pool"]]
    is_full = pool is not None and pool["limit"] is not None and len(in_pool) >= pool["limit"]
    by_token = {
        lock["token"]
        for lock in snapshot.locks()
        if lock["agent"] != agent and paths.overlaps(wanted, lock["paths"])
    }

    def stands(other: TaskRecord) -> bool:
        claim = other["claim"]
        if claim is None or other["id"] == task["id"]:
            return False
        if claim["agent"] == agent or claim["token"] in by_token:
            return True
        if is_full and other["spec"]["pool"] == task["spec"]["pool"]:
            return True
        return paths.overlaps(wanted, paths_of(other) or []) is not None

    return over_claims(snapshot, context, stands)


def lapses(snapshot: Snapshot, agent: AgentId, task: TaskRecord, context: Context) -> list[Lapse]:
    """Return the timed locks of others that are over and hinder a claim."""
    wanted = paths_of(task) or []
    return over_locks(
        snapshot,
        context,
        lambda lock: lock["agent"] != agent and paths.overlaps(wanted, lock["paths"]) is not None,
    )


def check_evidence(snapshot: Snapshot, gone: Evidence) -> TaskRecord:
    """Return the task whose lease is over by the evidence, or refuse.

    Raises:
        ClaimLostError: The lease is not a current one.
        RefusedError: Reason ``evidence``.

    """
    task = snapshot.require_task(gone["task"])
    holder = (gone["token"], gone["agent"])
    lease = next((one for one in leases_of(task) if (one["token"], one["agent"]) == holder), None)
    if lease is None:
        raise ClaimLostError(
            f"the lease on task {gone['task']} that should be over is not a current one"
        )
    is_over = gone["now_ns"] - gone["last_ns"] > gone["lease_ms"] * _NS_PER_MS
    if gone["lease_ms"] != lease["lease_ms"] or not is_over:
        raise RefusedError(
            f"the evidence that the lease on task {gone['task']} is over does not add up",
            reason="evidence",
        )
    return task


def check_expired(snapshot: Snapshot, event: Event, *, own: str | None = None) -> None:
    """Refuse to end a lease twice, or one that is not over by its evidence.

    ``own`` is the task whose lease the event itself is about.
    """
    tokens = {gone["token"] for gone in event["expired"]}
    is_own = any(gone["task"] == own for gone in event["expired"])
    if len(tokens) != len(event["expired"]) or is_own:
        raise UsageError("an event ends each lease once")
    for gone in event["expired"]:
        task = check_evidence(snapshot, gone)
        require_state("expire", task, EXPIRE)
        open_phase(snapshot, task["spec"]["phase"], task)


def check_lapsed(snapshot: Snapshot, event: Event) -> None:
    """Refuse to end a lock that is not over by its evidence."""
    if not event["lapsed"]:
        return
    locks = {lock["id"]: lock for lock in snapshot.locks()}
    if len({gone["lock"] for gone in event["lapsed"]}) != len(event["lapsed"]):
        raise UsageError("an event ends each lock once")
    for gone in event["lapsed"]:
        lock = locks.get(gone["lock"])
        if lock is None or not _is_lapsed(lock, gone):
            raise RefusedError(
                f"the evidence that the lock {gone['lock']} is over does not add up",
                reason="evidence",
            )


def _is_lapsed(lock: LockRecord, gone: Lapse) -> bool:
    if lock["agent"] != gone["agent"] or lock["for_ms"] is None:
        return False
    is_over = gone["now_ns"] - gone["last_ns"] > gone["for_ms"] * _NS_PER_MS
    return is_over and lock["for_ms"] == gone["for_ms"]


def end_expired(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """End the claims, reviews and locks whose evidence an event holds."""
    reviewing = end_reviews(snapshot, event, changes)
    for gone in event["expired"]:
        if gone["token"] in reviewing:
            continue
        task = snapshot.require_task(gone["task"])
        holder = gone["agent"]
        set_back(snapshot, event, changes, task, "expired", holder, {"holder": holder})
    for lapse in event.get("lapsed", ()):
        changes[lock_path(lapse["lock"])] = None


def end_reviews(snapshot: Snapshot, event: Event, changes: Changes) -> set[str]:
    """End the reviews among what an event says is over; return their tokens."""
    gone = {one["token"] for one in event["expired"]}
    ended: set[str] = set()
    for name in sorted({one["task"] for one in event["expired"]}):
        task = snapshot.require_task(name)
        over = {review["token"] for review in running(task)} & gone
        if over:
            reviews = [review for review in task["reviews"] if review["token"] not in over]
            put_task(changes, changed(task, reviews=reviews))
            ended |= over
    return ended
