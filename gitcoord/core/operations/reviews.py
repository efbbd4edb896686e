"""Own the rules of reviews: who may give one, what counts, what goes stale.

A reviewer holds a lease like any other holder, with a token that fences
it, and its verdict is bound to the very result that it looked at. A result
has as many places for reviews as it needs approvals; where the task names
a ``verify_by`` pool, one of them is kept for an agent of that pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import ClaimLostError, ConflictError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.leases import Context, judge, remaining_ms
from gitcoord.core.model import AgentRecord, Evidence, Lease, Result, Review, TaskRecord, TaskSpec
from gitcoord.core.operations.claims import check_expired, require_agent, task_of
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = [
    "apply_approve",
    "apply_review",
    "apply_review_release",
    "approvals_of",
    "check_review",
    "check_verdict",
    "decide_review",
    "decide_verdict",
    "end_reviews",
    "has_room",
    "is_verifier",
    "over_reviews",
    "review_of",
    "running",
]

MAX_APPROVAL_CHARS = 500


def approvals_of(reviews: int, spec: TaskSpec) -> int:
    """Say how many approvals a result needs: its phase's, or its verifier's."""
    return max(reviews, 1 if spec["verify_by"] else 0)


def running(task: TaskRecord) -> list[Review]:
    """List the reviews of a task that have no verdict yet."""
    return [review for review in task["reviews"] if review["verdict"] is None]


def review_of(task: TaskRecord, agent: str) -> Review | None:
    """Return an agent's review of a task's result, None where it has none."""
    return next((review for review in task["reviews"] if review["agent"] == agent), None)


def is_verifier(agent: AgentRecord, task: TaskRecord) -> bool:
    """Say whether an agent is in the pool that has to verify a task."""
    pool = task["spec"]["verify_by"]
    return pool is not None and (not agent["pools"] or pool in agent["pools"])


def has_room(task: TaskRecord, others: list[Review], agent: AgentRecord) -> bool:
    """Say whether one more review fits beside the others.

    The last place waits for a verifier where the task names a pool and
    none of the others is of it.
    """
    is_kept = task["spec"]["verify_by"] is not None and not any(
        review["is_verifier"] for review in others
    )
    return len(others) + 1 + (is_kept and not is_verifier(agent, task)) <= task["approvals"]


def over_reviews(
    snapshot: Snapshot, context: Context, stands: Callable[[TaskRecord, Review], bool]
) -> list[Evidence]:
    """Give the evidence for each review that is over and stands in the way."""
    judged = [
        judge(task["id"], cast("Lease", review), context)
        for task in snapshot.live()
        for review in running(task)
        if stands(task, review)
    ]
    return [evidence for evidence in judged if evidence is not None]


# deciding


def decide_review(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Gather what a review needs, and end the reviews that are over in its way.

    Raises:
        ConflictError: Others review it, and their leases run.

    """
    agent = require_agent(snapshot, command["agent"])
    task = snapshot.require_task(command["task"])
    own = review_of(task, agent["id"])
    others = [review for review in task["reviews"] if review["agent"] != agent["id"]]
    is_full = not has_room(task, others, agent)

    def stands(where: TaskRecord, review: Review) -> bool:
        is_own = review["agent"] == agent["id"]
        return (is_full and not is_own) if where["id"] == task["id"] else is_own

    expired = over_reviews(snapshot, context, stands)
    if (
        is_full
        and task["state"] == "review"
        and not any(gone["task"] == task["id"] for gone in expired)
    ):
        _refuse_full(task, others, context)
    return {
        "token": context.token,
        "session": command["session"],
        "old": own["token"] if own and own["verdict"] is None else "",
        "reviewed": task["result"]["oid"] if task["result"] else None,
        "expired": expired,
    }


def _refuse_full(task: TaskRecord, others: list[Review], context: Context) -> None:
    at_work = [review for review in others if review["verdict"] is None]
    if not at_work or len(others) < task["approvals"]:
        return
    left = min(remaining_ms(cast("Lease", review), context) for review in at_work)
    raise ConflictError(
        f"task {task['id']} is reviewed by {', '.join(review['agent'] for review in at_work[:5])}",
        hint="`gitcoord review claim` without a task gives another one",
        holder=at_work[0]["agent"],
        task=task["id"],
        lease_ms=left,
    )


def decide_verdict(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Bind a verdict to the result that was looked at."""
    task = snapshot.require_task(command["task"])
    about = {"task": task["id"], "title": task["spec"]["title"]}
    return {**about, **{key: command[key] for key in ("token", "reviewed", "reason")}}


# checking


def check_review(snapshot: Snapshot, event: Event) -> None:
    """Refuse a review that the rules forbid."""
    task = task_of(snapshot, event)
    agent = require_agent(snapshot, event["agent"])
    result = cast("Result", task["result"])
    if result["agent"] == agent["id"]:
        raise RefusedError(
            f"{agent['id']} is the author of task {task['id']}",
            reason="author",
            hint="another agent has to review it",
        )
    if event["reviewed"] != result["oid"]:
        raise RefusedError(
            f"the result of task {task['id']} changed",
            reason="result-changed",
            hint="claim the review again: it gives the new result",
        )
    if event["lease_ms"] <= 0 or not event["token"] or event["token"] == event["old"]:
        raise UsageError("a review has a token of its own, and a lease")
    check_expired(snapshot, event)
    gone = {one["token"] for one in event["expired"]}
    if not gone <= {review["token"] for other in snapshot.live() for review in running(other)}:
        raise UsageError("a review ends reviews alone")
    _check_own(task, agent, event["old"])
    others = [
        review
        for review in task["reviews"]
        if review["agent"] != agent["id"] and review["token"] not in gone
    ]
    if not has_room(task, others, agent):
        _refuse_place(task, others)
    elsewhere = [
        other["id"]
        for other in snapshot.live()
        if other["id"] != task["id"]
        for review in running(other)
        if review["agent"] == agent["id"] and review["token"] not in gone
    ]
    if len(elsewhere) >= agent["capacity"]:
        raise RefusedError(
            f"{agent['id']} already reviews {', '.join(elsewhere[:5])}, as many as its capacity "
            "allows",
            reason="capacity",
            task=elsewhere[0],
            hint="approve it, reject it, or give it back with `gitcoord review release`",
        )


def _check_own(task: TaskRecord, agent: AgentRecord, old: str) -> None:
    own = review_of(task, agent["id"])
    if own is not None and own["verdict"] is not None:
        raise RefusedError(
            f"{agent['id']} has approved this result of task {task['id']}",
            reason="reviewed",
            hint="another agent has to review it",
        )
    if (own["token"] if own else "") != old:
        raise ClaimLostError(
            f"the review of task {task['id']} by {agent['id']} is another one by now",
            task=task["id"],
        )


def _refuse_place(task: TaskRecord, others: list[Review]) -> None:
    if len(others) < task["approvals"]:
        raise RefusedError(
            f"task {task['id']} waits for a review by an agent of pool {task['spec']['verify_by']}",
            reason="pool",
            hint="an agent of that pool has to review it",
        )
    names = ", ".join(review["agent"] for review in others[:5])
    raise RefusedError(
        f"task {task['id']} has its {task['approvals']} review(s): {names}",
        reason="reviewed",
        hint="`gitcoord review claim` without a task gives another one",
    )


def check_verdict(snapshot: Snapshot, event: Event) -> None:
    """Refuse a verdict, or a release, of a review that is not current."""
    task = snapshot.require_task(event["task"])
    if not any(
        review["token"] == event["token"]
        and review["agent"] == event["agent"]
        and review["verdict"] is None
        and review["result"] == event["reviewed"]
        for review in task["reviews"]
    ):
        raise ClaimLostError(
            f"this review of task {task['id']} is no longer current: the task is {task['state']} "
            "now",
            hint="`gitcoord review claim` gives the next one",
            task=task["id"],
        )
    task_of(snapshot, event)
    if event["op"] == "reject" and not event["reason"].strip():
        raise UsageError("a rejection needs a reason", hint="say what has to change: --reason TEXT")


# applying


def end_reviews(snapshot: Snapshot, event: Event, changes: Changes) -> set[str]:
    """End the reviews among what an event says is over; return their tokens."""
    gone = {one["token"] for one in event["expired"]}
    ended: set[str] = set()
    for name in sorted({one["task"] for one in event["expired"]}):
        task = snapshot.require_task(name)
        over = {review["token"] for review in running(task)} & gone
        if over:
            reviews = [review for review in task["reviews"] if review["token"] not in over]
            put_task(changes, cast("TaskRecord", {**task, "reviews": reviews}))
            ended |= over
    return ended


def apply_review(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record a review; one of the same agent that still ran gives way."""
    task = snapshot.require_task(event["task"])
    agent = cast("AgentRecord", snapshot.agent(event["agent"]))
    over = end_reviews(snapshot, event, changes) | {event["old"]}
    review: Review = {
        "token": event["token"],
        "agent": event["agent"],
        "session": event["session"],
        "result": event["reviewed"],
        "verdict": None,
        "message": "",
        "is_verifier": is_verifier(agent, task),
        "boot_id": event["boot_id"],
        "monotonic_ns": event["monotonic_ns"],
        "lease_ms": event["lease_ms"],
        "at": event["time"],
    }
    others = [other for other in task["reviews"] if other["token"] not in over]
    put_task(changes, cast("TaskRecord", {**task, "reviews": [*others, review]}))


def apply_approve(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record an approval; the last one that was needed makes the task done."""
    task = snapshot.require_task(event["task"])
    approved = {"verdict": "approved", "message": codec.cut(event["reason"], MAX_APPROVAL_CHARS)}
    reviews = [
        cast("Review", {**review, **approved}) if review["token"] == event["token"] else review
        for review in task["reviews"]
    ]
    is_done = sum(review["verdict"] == "approved" for review in reviews) >= task["approvals"]
    put_task(
        changes,
        cast("TaskRecord", {**task, "reviews": reviews, "state": "done" if is_done else "review"}),
    )


def apply_review_release(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Take a review out: its place is free again."""
    task = snapshot.require_task(event["task"])
    reviews = [review for review in task["reviews"] if review["token"] != event["token"]]
    put_task(changes, cast("TaskRecord", {**task, "reviews": reviews}))
