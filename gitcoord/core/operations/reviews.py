"""Own the rules of reviews: who may give one, what counts, what goes stale.

A reviewer holds a lease like any other holder, with a token that fences
it, and its verdict is bound to the very result that it looked at. A result
has as many places for reviews as it needs approvals; where the task names
a ``verify_by`` pool, one of them is kept for an agent of that pool.
"""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import ClaimLostError, ConflictError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import AgentId, Token
from gitcoord.core.leases import Context, remaining_ms, running
from gitcoord.core.model import (
    AgentRecord,
    Lease,
    PhaseRecord,
    Result,
    Review,
    State,
    TaskRecord,
    TaskSpec,
)
from gitcoord.core.operation import (
    WORDS,
    Operation,
    Transitions,
    check_interval,
    elapsed_ms,
    has_reason,
    keys,
    stamp,
    titled,
    why_of,
)
from gitcoord.core.operations.changes import changed, set_back
from gitcoord.core.operations.expiry import EXPIRE, check_expired, end_reviews, over_reviews
from gitcoord.core.operations.preconditions import require_agent, require_plan, task_of
from gitcoord.core.sessions import makers_in
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = ["OPERATIONS", "approvals_of", "has_room", "is_verifier", "review_of"]

MAX_APPROVAL_CHARS = 500
_REVIEWED: Transitions = {"review": ("review",)}
_APPROVED: Transitions = {"review": ("review", "done")}
_REJECTED: Transitions = {"review": ("open", "failed")}


def approvals_of(reviews: int, spec: TaskSpec) -> int:
    """Return how many approvals a result needs: its phase's, or its verifier's."""
    return max(reviews, int(spec["verify_by"] is not None))


def review_of(task: TaskRecord, agent: AgentId) -> Review | None:
    """Return an agent's review of a task's result, None where it has none."""
    return next((review for review in task["reviews"] if review["agent"] == agent), None)


def is_verifier(agent: AgentRecord, task: TaskRecord) -> bool:
    """Return whether an agent is in the pool that has to verify a task."""
    pool = task["spec"]["verify_by"]
    return pool is not None and (not agent["pools"] or pool in agent["pools"])


def has_room(task: TaskRecord, others: list[Review], agent: AgentRecord) -> bool:
    """Return whether one more review fits beside the others.

    The last place waits for a verifier where the task names a pool and
    none of the others is of it.
    """
    places = task["approvals"] - len(others)
    has_verifier = any(review["is_verifier"] for review in others)
    if task["spec"]["verify_by"] is not None and not has_verifier and not is_verifier(agent, task):
        places -= 1
    return places >= 1


# review


def decide_review(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Gather what a review needs, and end the reviews that are over in its way.

    Raises:
        ConflictError: Others review it, and their leases run.

    """
    lease_ms = require_plan(snapshot)["lease_ms"]
    agent = require_agent(snapshot, command["agent"])
    task = snapshot.require_task(command["task"])
    others = [review for review in task["reviews"] if review["agent"] != agent["id"]]
    is_full = not has_room(task, others, agent)

    def stands(where: TaskRecord, review: Review) -> bool:
        is_own = review["agent"] == agent["id"]
        if where["id"] == task["id"]:
            return is_full and not is_own
        return is_own

    expired = over_reviews(snapshot, context, stands)
    makes_room = any(gone["task"] == task["id"] for gone in expired)
    if is_full and task["state"] == "review" and not makes_room:
        _refuse_full(task, others, context)
    own = review_of(task, agent["id"])
    old = ""
    if own is not None and own["verdict"] is None:
        old = own["token"]
    return {
        **titled(snapshot, command),
        **stamp(context),
        "lease_ms": lease_ms,
        "token": context.token,
        "session": command["session"],
        "old": old,
        "reviewed": task["result"] and task["result"]["oid"],
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


def check_review(snapshot: Snapshot, event: Event) -> None:
    """Refuse a review that the rules forbid."""
    task = task_of(snapshot, event, _REVIEWED)
    agent = require_agent(snapshot, event["agent"])
    result = cast("Result", task["result"])
    if result["agent"] == agent["id"]:
        raise RefusedError(
            f"{agent['id']} is the author of task {task['id']}",
            reason="author",
            hint="another agent has to review it",
        )
    _check_maker(snapshot, task, result, event["session"])
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
    _check_place(task, agent, gone)
    _check_capacity(snapshot, task, agent, gone)


def _check_maker(snapshot: Snapshot, task: TaskRecord, result: Result, session: str) -> None:
    """Refuse a review by the assistant that wrote the result, where the phase asks for another."""
    phase = cast("PhaseRecord", snapshot.phase(task["spec"]["phase"]))
    if phase["spec"].get("reviewers", "any") == "any":
        return
    same = set(result.get("makers", [])) & set(makers_in(session))
    if same:
        name = ", ".join(sorted(same))
        raise RefusedError(
            f"{name} wrote the result of task {task['id']}, and phase {phase['id']} asks another "
            "assistant, or a person, to review it",
            reason="author",
            hint="`gitcoord run --review-assistant NAME` starts another one",
        )


def _check_own(task: TaskRecord, agent: AgentRecord, old: str) -> None:
    own = review_of(task, agent["id"])
    if own is not None and own["verdict"] is not None:
        raise RefusedError(
            f"{agent['id']} has approved this result of task {task['id']}",
            reason="reviewed",
            hint="another agent has to review it",
        )
    known = ""
    if own is not None:
        known = own["token"]
    if known != old:
        raise ClaimLostError(
            f"the review of task {task['id']} by {agent['id']} was replaced by another",
            task=task["id"],
        )


def _check_place(task: TaskRecord, agent: AgentRecord, gone: set[Token]) -> None:
    others = [
        review
        for review in task["reviews"]
        if review["agent"] != agent["id"] and review["token"] not in gone
    ]
    if has_room(task, others, agent):
        return
    if len(others) < task["approvals"]:
        pool = task["spec"]["verify_by"]
        raise RefusedError(
            f"task {task['id']} waits for a review by an agent of pool {pool}",
            reason="pool",
            hint="an agent of that pool has to review it",
        )
    names = ", ".join(review["agent"] for review in others[:5])
    raise RefusedError(
        f"task {task['id']} has its {task['approvals']} review(s): {names}",
        reason="reviewed",
        hint="`gitcoord review claim` without a task gives another one",
    )


def _check_capacity(
    snapshot: Snapshot, task: TaskRecord, agent: AgentRecord, gone: set[Token]
) -> None:
    elsewhere = []
    for other in snapshot.live():
        own = [review for review in running(other) if review["agent"] == agent["id"]]
        kept = [review for review in own if review["token"] not in gone]
        if kept and other["id"] != task["id"]:
            elsewhere.append(other["id"])
    if len(elsewhere) >= agent["capacity"]:
        raise RefusedError(
            f"{agent['id']} already reviews {', '.join(elsewhere[:5])}, "
            "as many as its capacity allows",
            reason="capacity",
            task=elsewhere[0],
            hint="approve it, reject it, or give it back with `gitcoord review release`",
        )


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
    put_task(changes, changed(task, reviews=[*others, review]))


# verdicts


def decide_verdict(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Bind a verdict to the result that was looked at."""
    return {
        **titled(snapshot, command),
        "token": command["token"],
        "reviewed": command["reviewed"],
        "reason": command["reason"],
        "spent_ms": elapsed_ms(command.get("begun_ns"), context),
    }


def _check_current(snapshot: Snapshot, event: Event, transitions: Transitions) -> None:
    """Refuse what is said of a review that is not current."""
    check_interval(event, "spent_ms")
    task = snapshot.require_task(event["task"])
    asked = (event["token"], event["agent"], event["reviewed"])
    current = {(review["token"], review["agent"], review["result"]) for review in running(task)}
    if asked not in current:
        raise ClaimLostError(
            f"this review of task {task['id']} is no longer current: "
            f"the task is {task['state']} now",
            hint="`gitcoord review claim` gives the next one",
            task=task["id"],
        )
    task_of(snapshot, event, transitions)


def check_review_release(snapshot: Snapshot, event: Event) -> None:
    """Refuse to give a review back that is not current."""
    _check_current(snapshot, event, _REVIEWED)


def apply_review_release(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Take a review out: its place is free again."""
    task = snapshot.require_task(event["task"])
    reviews = [review for review in task["reviews"] if review["token"] != event["token"]]
    put_task(changes, changed(task, reviews=reviews))


def check_approve(snapshot: Snapshot, event: Event) -> None:
    """Refuse an approval by a review that is not current."""
    _check_current(snapshot, event, _APPROVED)


def apply_approve(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record an approval; the last one that was needed makes the task done."""
    task = snapshot.require_task(event["task"])
    message = codec.cut(event["reason"], MAX_APPROVAL_CHARS)
    reviews: list[Review] = []
    for review in task["reviews"]:
        if review["token"] == event["token"]:
            reviews.append({**review, "verdict": "approved", "message": message})
        else:
            reviews.append(review)
    approvals = sum(review["verdict"] == "approved" for review in reviews)
    state: State = "review"
    if approvals >= task["approvals"]:
        state = "done"
    put_task(changes, changed(task, reviews=reviews, state=state))


def check_reject(snapshot: Snapshot, event: Event) -> None:
    """Refuse a rejection without a reason, or by a review that is not current."""
    _check_current(snapshot, event, _REJECTED)
    if not has_reason(event):
        raise UsageError("a rejection needs a reason", hint="say what has to change: --reason TEXT")


def apply_reject(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Count a failure of the result's author; the reason is for the next."""
    task = snapshot.require_task(event["task"])
    author = cast("Result", task["result"])["agent"]
    after = set_back(
        snapshot,
        event,
        changes,
        task,
        "rejected",
        author,
        {"by": event["agent"], "reason": why_of(event)},
    )
    put_task(changes, changed(after, result=None))


_VERDICT = keys("task title token")
_VERDICT_OPTIONS = {"reviewed": None, "reason": "", "spent_ms": None}

OPERATIONS = {
    "review": Operation(
        fields=keys("task title token session boot_id monotonic_ns lease_ms"),
        optional={"old": "", "reviewed": None, "expired": []},
        transitions=_REVIEWED,
        in_passing={"expired": EXPIRE},
        decide=decide_review,
        check=check_review,
        apply=apply_review,
        subject="review {task} by {agent}: {title}",
    ),
    "review-release": Operation(
        fields=_VERDICT,
        optional={**_VERDICT_OPTIONS, **WORDS},
        transitions=_REVIEWED,
        decide=decide_verdict,
        check=check_review_release,
        apply=apply_review_release,
        subject="review-release {task} by {agent}: {title}",
        body="reason",
    ),
    "approve": Operation(
        fields=_VERDICT,
        optional=_VERDICT_OPTIONS,
        transitions=_APPROVED,
        decide=decide_verdict,
        check=check_approve,
        apply=apply_approve,
        subject="approve {task} by {agent}: {title}",
        body="reason",
    ),
    "reject": Operation(
        fields=_VERDICT,
        optional={**_VERDICT_OPTIONS, **WORDS},
        transitions=_REJECTED,
        decide=decide_verdict,
        check=check_reject,
        apply=apply_reject,
        subject="reject {task} by {agent}: {reason}",
        body="reason",
    ),
}
