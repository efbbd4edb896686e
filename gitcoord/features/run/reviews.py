"""Review results with a command, in a throw-away worktree of each."""

from __future__ import annotations

from collections.abc import Callable

from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
)
from gitcoord.core.ids import NO_OID, AgentId, TaskId
from gitcoord.core.model import GateSpec, TaskRecord, Why
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.work import reviews
from gitcoord.features.work.beating import beating
from gitcoord.features.work.check_outcome import Verdict
from gitcoord.features.work.checks import run_command, tail_of
from gitcoord.features.workspace import Workspace

__all__ = ["Note", "review_one"]

TIMEOUT_MS = 3_600_000
MAX_REASON_CHARS = 2000
_CANNOT_JUDGE = {125, 126, 127}


class Note(NamedTuple):
    """Something that happened in a run, for the display."""

    agent: AgentId
    task: TaskId
    what: str
    text: str


def review_one(
    work: Workspace,
    agent: AgentId,
    session: str,
    command: str,
    is_over: Callable[[], bool],
    tell: Callable[[Note], None],
) -> bool:
    """Review one result, if one waits for this agent; say whether one did.

    The command stands in a worktree of the result. It approves with status
    0 and rejects with another, and its last output is the reason.

    Raises:
        RefusedError: ``review-command``: it could not be run, or did not
            come to an end; the review was given back.

    """
    try:
        held = reviews.claim(work, agent, session=session)
    except (NothingReadyError, PlanFinishedError, ConflictError):
        return False
    task, token = held.task, held.review["token"]
    tell(Note(agent, task["id"], "reviewing", task["spec"]["title"]))
    try:
        with beating(work, agent, token) as lost:
            verdict = _run_review(work, held, command, lambda: lost.is_set() or is_over())
        if not verdict.is_passed and (verdict.status is None or verdict.status in _CANNOT_JUDGE):
            if not lost.is_set():
                _give_back(work, held, verdict)
            if is_over() or lost.is_set():
                return False
            raise _without_verdict(task, verdict)
        tell(_judged(work, held, verdict))
    except ClaimLostError as error:
        tell(Note(agent, task["id"], "lost", error.message))
    return True


def _run_review(
    work: Workspace, held: reviews.Reviewing, command: str, is_over: Callable[[], bool]
) -> Verdict:
    """Run the command on the result that is reviewed, or on the base where there is none."""
    task, review = held.task, held.review
    base = NO_OID
    if task["result"]:
        base = task["result"]["base"]
    spec: GateSpec = {"name": "review", "run": command, "timeout_ms": TIMEOUT_MS, "retry": 0}
    about = {
        "GITCOORD_TASK": task["id"],
        "GITCOORD_TITLE": task["spec"]["title"],
        "GITCOORD_AGENT": review["agent"],
        "GITCOORD_PATHS": "\n".join(paths_of(task) or []),
        "GITCOORD_BASE": base,
    }
    log = work.logs.of_attempt(task["id"], task["attempt"], review["token"], "review")
    return run_command(work, spec, review["result"] or base, log, about, is_over)


def _judge(work: Workspace, held: reviews.Reviewing, op: str, reason: Why) -> reviews.Judged:
    review = held.review
    return reviews.judge(work, review["agent"], held.task["id"], op, reason, token=review["token"])


def _give_back(work: Workspace, held: reviews.Reviewing, verdict: Verdict) -> None:
    """Give a review back of which the command could not judge."""
    _judge(work, held, "review-release", verdict.said or "")


def _without_verdict(task: TaskRecord, verdict: Verdict) -> RefusedError:
    return RefusedError(
        f"the review command gave no verdict on task {task['id']}: {verdict.reason}",
        reason="review-command",
        hint="fix it: 0 approves, 1 rejects",
        task=task["id"],
    )


def _judged(work: Workspace, held: reviews.Reviewing, verdict: Verdict) -> Note:
    """Approve or reject as the command ended; return what is shown of it."""
    output = tail_of(verdict.output, MAX_REASON_CHARS)
    op, reason = "reject", output or verdict.said or ""
    if verdict.status == 0:
        op, reason = "approve", output
    done = _judge(work, held, op, reason)
    what, why = _outcome(op, output, is_done=done.task["state"] == "done")
    return Note(held.review["agent"], held.task["id"], what, why)


def _outcome(op: str, said: str, *, is_done: bool) -> tuple[str, str]:
    """Return what became of a task that was reviewed, and the last line of why."""
    if op == "reject":
        return "rejected", (said.splitlines() or [""])[-1]
    if is_done:
        return "completed", ""
    return "approved", ""
