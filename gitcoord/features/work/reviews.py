"""Review what another agent handed in: claim it, look at it, judge it.

A reviewer has a lease like any holder. What it is given is what counts: the
task as the plan says it, the result's own changes, and what the check said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import (
    ConflictError,
    GitcoordError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
    UnavailableError,
)
from gitcoord.core.events import Command
from gitcoord.core.git_reading import reviews_command
from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.layout import check_log_path
from gitcoord.core.leases import Context, running
from gitcoord.core.machine import decide
from gitcoord.core.model import AgentRecord, Lease, Result, Review, TaskRecord, Why
from gitcoord.core.operations.gates import run_of
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.operations.reviews import review_of
from gitcoord.core.readiness import is_blocked, waiting_item
from gitcoord.core.sentences import given
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import open_streams, takes_work
from gitcoord.core.texts import text_of
from gitcoord.core.times import instant
from gitcoord.features.inspect.task_facts import review_facts, task_facts
from gitcoord.features.names import named_task
from gitcoord.features.work.choices import RETRY_AFTER_S, ends_of
from gitcoord.features.work.tokens import (
    REVIEWS,
    Current,
    begun_ns,
    current_lease,
    forget_stale_tokens,
    keep_token,
    refuse_living_session,
)
from gitcoord.features.workspace import Workspace, plan_of
from gitcoord.git.program import GitError

__all__ = [
    "MAX_DIFF_BYTES",
    "Judged",
    "Reviewing",
    "claim",
    "give_back",
    "judge",
    "listing",
    "material",
]

MAX_DIFF_BYTES = 24 * 1024
MAX_LOG_CHARS = 4000


class Reviewing(NamedTuple):
    """A review that stands: its entry, the task's record, the review in it."""

    entry: Oid
    task: TaskRecord
    review: Review
    already: bool


class Judged(NamedTuple):
    """A verdict that stands, or stood already: its entry, and the task."""

    entry: Oid
    task: TaskRecord
    already: bool


# the operations


def claim(
    work: Workspace, agent: AgentId, task: TaskId | None = None, *, session: str | None = None
) -> Reviewing:
    """Claim a review, by default of the oldest task that waits for one.

    Asking again in the same session returns the same review.

    Raises:
        NothingReadyError: Nothing waits for a review by this agent now.
        PlanFinishedError: Nothing ever will.
        ConflictError: Others review the named task.
        RefusedError: ``author``, ``pool``, ``reviewed``, ``capacity``, ``state``.

    """
    session = session or work.session()
    snapshot = work.ledger.snapshot()
    record = require_agent(snapshot, agent)
    if task is not None:
        task = named_task(work, snapshot, task)["id"]
    own = _own_reviews(snapshot, agent)
    held = next(
        (one for one in own if one["id"] == task),
        own[0] if task is None and len(own) >= record["capacity"] else None,
    )
    if held is not None:
        review = cast("Review", review_of(held, agent))
        known = {str(one["token"]) for one in work.tokens(agent, REVIEWS).all()}
        if review["session"] == session and review["token"] in known:
            return Reviewing(snapshot.oid, held, review, already=True)
        refuse_living_session(work, held["id"], cast("Lease", review), session)
        task = held["id"]

    def choose(now: Snapshot, context: Context) -> Command:
        return _chosen(work, now, context, record, task, session)

    done = work.ledger.execute(
        choose, agent=agent, before_swap=lambda event: keep_token(work, agent, event, REVIEWS)
    )
    forget_stale_tokens(work, agent, done.snapshot, REVIEWS)
    after = done.snapshot.require_task(done.event["task"])
    return Reviewing(done.entry, after, cast("Review", review_of(after, agent)), already=False)


def judge(
    work: Workspace,
    agent: AgentId,
    task: TaskId | None,
    verdict: str,
    reason: Why,
    *,
    token: Token | None = None,
) -> Judged:
    """Approve or reject the result that this agent's review is about.

    To approve again what this review approved is not an error: ``already``.

    Raises:
        NotFoundError: It reviews nothing here, or not that task.
        ClaimLostError: The review is not current: the result changed, the
            task was cancelled, or the lease was over and the place taken.
        UsageError: A rejection without a reason.

    """
    snapshot = work.ledger.snapshot()
    if task is not None and token is not None:
        current = Current(task, token, REVIEWS)
    else:
        current = current_lease(work, snapshot, agent, task, (REVIEWS,))
    if isinstance(reason, str) and (reason or verdict == "reject"):
        reason = text_of(reason, "reason")
    review = next(
        (
            one
            for one in snapshot.require_task(current.task)["reviews"]
            if one["token"] == current.token
        ),
        None,
    )
    command: Command = {
        "op": verdict,
        "agent": agent,
        "task": current.task,
        "token": current.token,
        **given(reason),
        "reviewed": review["result"] if review else None,
        "begun_ns": begun_ns(work, agent, current.token, REVIEWS),
    }
    if review is not None and review["verdict"] == verdict + "d":
        return Judged(snapshot.oid, snapshot.require_task(current.task), already=True)
    done = work.ledger.execute(command, agent=agent)
    return Judged(done.entry, done.snapshot.require_task(current.task), already=False)


def give_back(work: Workspace, agent: AgentId, task: TaskId | None, reason: str = "") -> Judged:
    """End a review without a verdict: its place is free again.

    Raises:
        NotFoundError: It reviews nothing here, or not that task.
        ClaimLostError: The review is not current.

    """
    return judge(work, agent, task, "review-release", reason)


# choosing


def _own_reviews(snapshot: Snapshot, agent: AgentId) -> list[TaskRecord]:
    own = []
    for task in snapshot.live():
        reviews = [review for review in running(task) if review["agent"] == agent]
        own += [(review["at"], task["order"], task) for review in reviews]
    return [task for _, _, task in sorted(own, key=lambda row: row[:2])]


def _waiting(work: Workspace, snapshot: Snapshot) -> Iterator[TaskRecord]:
    """Offer what waits for a review, the oldest result first."""
    work.index.update(work.store, snapshot.oid)
    phases = [phase["id"] for phase in snapshot.phases() if takes_work(phase)]
    found = [
        task
        for name in work.index.in_state(phases, "review")
        if (task := snapshot.task(name)) and task["result"]
    ]
    yield from sorted(found, key=lambda task: (cast("Result", task["result"])["at"], task["order"]))


def _chosen(
    work: Workspace,
    snapshot: Snapshot,
    context: Context,
    agent: AgentRecord,
    task: TaskId | None,
    session: str,
) -> Command:
    command: Command = {"op": "review", "agent": agent["id"], "task": task, "session": session}
    if task is not None:
        return command
    reasons: list[str] = []
    for found in _waiting(work, snapshot):
        try:
            decide(snapshot, {**command, "task": found["id"]}, context)
        except (ConflictError, RefusedError) as error:
            reasons.append(error.message)
            continue
        return {**command, "task": found["id"]}
    raise _nothing(snapshot, agent["id"], reasons, ends_of(snapshot, work.ledger.context()))


def _nothing(
    snapshot: Snapshot, agent: AgentId, reasons: list[str], ends: dict[str, float]
) -> GitcoordError:
    known: dict[str, bool] = {}
    landed = {phase["id"] for phase in snapshot.phases() if phase["state"] == "landed"}
    for task in snapshot.tasks():
        is_landed = "landed" in task or task["spec"]["phase"] in landed
        is_over = is_landed or task["state"] in {"failed", "cancelled"}
        if not is_over and not (task["state"] == "open" and is_blocked(snapshot, task, known)):
            told = "; ".join(dict.fromkeys(reasons[:5])) or "no result waits for one"
            return NothingReadyError(
                f"no review is ready for {agent}: {told}",
                retry_after=RETRY_AFTER_S,
                **ends,
                hint="`gitcoord review claim --wait` waits for the next one",
                waiting_for=[
                    waiting_item("review", reason) for reason in reasons[:5] or ["no result waits"]
                ],
            )
    streams = open_streams(snapshot)
    if streams:
        text = f"more may come into stream {', '.join(streams[:5])}"
        return NothingReadyError(
            f"no review is ready for {agent}: {text}",
            retry_after=RETRY_AFTER_S,
            **ends,
            hint="`gitcoord review claim --wait` waits for the next one",
            waiting_for=[waiting_item("phase", text, streams)],
        )
    return PlanFinishedError("no task is left to review", hint="`gitcoord status` shows the plan")


# what a reviewer is shown


def material(work: Workspace, snapshot: Snapshot, task: TaskRecord) -> dict[str, Any]:
    """Return what a verdict is about: the task, the result, its diff, its check.

    Where the diff cannot be made ``problem`` says why: the review stands.
    """
    result = cast("Result", task["result"])
    diff, problem = None, ""
    try:
        diff = _diff(work, snapshot, result)
    except (GitError, UnavailableError, OSError) as error:
        problem = f"the changes cannot be shown now: {error}; claim the review again to see them"
    return {
        "task": task_facts(snapshot, task, work.ledger.context()),
        "result": {**result, "at": instant(result["at"])},
        "diff": diff,
        "problem": problem,
        "check": _check(snapshot, task),
    }


def _diff(work: Workspace, snapshot: Snapshot, result: Result) -> dict[str, Any] | None:
    if result["oid"] is None:
        return None
    from gitcoord.git.patches import patch_of

    patch = patch_of(
        work.git,
        result["oid"],
        work.target_tip(snapshot),
        result["built_on"],
        result["base"],
        MAX_DIFF_BYTES,
    )
    files = [
        {"path": codec.printable(path), "added": added, "removed": removed}
        for path, added, removed in patch.files
    ]
    return {
        "old": patch.old,
        "new": patch.new,
        "files": files,
        "text": patch.text,
        "is_cut": patch.is_cut,
    }


def _check(snapshot: Snapshot, task: TaskRecord) -> dict[str, Any] | None:
    run = None
    if task["spec"]["check"]:
        run = run_of(snapshot, task=task["id"])
    if run is None:
        return None
    log = (snapshot.file(check_log_path(task["id"])) or b"").decode("utf-8", "replace").strip()
    if len(log) <= MAX_LOG_CHARS:
        shown = log
    else:
        shown = "…" + log[-MAX_LOG_CHARS:]
    return {
        "run": codec.printable(task["spec"]["check"] or ""),
        "verdict": run["verdict"],
        "millis": run["millis"],
        "log": shown,
    }


def listing(work: Workspace) -> dict[str, Any]:
    """List what waits for a review, what is reviewed, and by whom."""
    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    heartbeat_ms = plan_of(snapshot)["heartbeat_ms"]
    found = []
    for task in _waiting(work, snapshot):
        result = cast("Result", task["result"])
        found.append(
            {
                "task": task["id"],
                "title": task["spec"]["title"],
                "author": result["agent"],
                "result": result["oid"],
                "at": instant(result["at"]),
                "needed": task["approvals"],
                "verify_by": task["spec"]["verify_by"],
                "approved": sum(review["verdict"] == "approved" for review in task["reviews"]),
                "reviews": [
                    review_facts(review, context, heartbeat_ms) for review in task["reviews"]
                ],
            }
        )
    work.ledger.remember()
    command = reviews_command(work.ledger.ref)
    return {"tip": snapshot.oid, "reviews": found, "git": command}
