"""Let an assistant review results: in a throw-away worktree, judged by the ledger alone.

The worktree is known as the reviewer's while it lasts, so that the
assistant's hooks see the open review, and hold a turn that would end without
a verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gitcoord.core.assistant_output import Told, read_output
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    NothingReadyError,
    PlanFinishedError,
    UnavailableError,
)
from gitcoord.core.ids import AgentId
from gitcoord.core.leases import running
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.assist.standing import BRIEFED
from gitcoord.features.run.assistants import REVIEW, Assistant, path_with_ours
from gitcoord.features.run.attempts import Means
from gitcoord.features.run.limits import until_of
from gitcoord.features.run.reviews import Note
from gitcoord.features.work import reviews
from gitcoord.features.work.beating import beating
from gitcoord.features.work.keepalive import Child
from gitcoord.features.workspace import Workspace
from gitcoord.git.places import discover
from gitcoord.git.program import inherited
from gitcoord.git.scratch import throw_away
from gitcoord.ledger.files import write_json
from gitcoord.ledger.logs import MAX_LOG_BYTES

__all__ = ["Reviewer", "review_with"]

POLL_S = 0.2
LIMIT_S = 900
"""For how long a reviewer rests at a limit of which nobody says when it ends."""


class Reviewer(NamedTuple):
    """Who reviews, with what, and whom it tells."""

    work: Workspace
    agent: AgentId
    session: str
    assistant: Assistant
    means: Means
    is_over: Callable[[], bool]
    tell: Callable[[Note], None]


def review_with(reviewer: Reviewer) -> str:
    """Review one result, if one waits; return what came of it, nothing if none did.

    That is ``approved``, ``rejected``, ``lost``, or ``no verdict`` or ``at its
    limit``: then the review was given back.
    """
    work, agent = reviewer.work, reviewer.agent
    try:
        held = reviews.claim(work, agent, session=reviewer.session)
    except (NothingReadyError, PlanFinishedError, ConflictError):
        return ""
    reviewer.tell(Note(agent, held.task["id"], "reviewing", held.task["spec"]["title"]))
    try:
        with beating(work, agent, held.review["token"]) as lost:
            told = _run(reviewer, held, lambda: lost.is_set() or reviewer.is_over())
    except ClaimLostError:
        told = Told()
    what = _outcome(reviewer, held, told)
    reviewer.tell(Note(agent, held.task["id"], what, ""))
    return what


def _run(reviewer: Reviewer, held: reviews.Reviewing, is_over: Callable[[], bool]) -> Told:
    """Start the assistant on the result, to its end, and write down what it used."""
    work, agent = reviewer.work, reviewer.agent
    task, token = held.task, held.review["token"]
    commit = held.review["result"] or (task["result"] and task["result"]["base"])
    if commit is None:
        commit = work.target_tip(work.ledger.snapshot())
    path = work.logs.of_attempt(task["id"], task["attempt"], token, "review")
    try:
        log = work.logs.open(path)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}",
            hint="check whether .git can be written here, and try again",
        ) from None
    try:
        with throw_away(work.git, commit) as thrown, log.receiving() as output:
            _mark(reviewer, thrown.place, held)
            words = reviewer.assistant.command(work, agent, thrown.place, instruction=REVIEW)
            child = Child(words, thrown.place, _environment(reviewer, held), output)
            try:
                while child.wait(POLL_S) is None and not is_over():
                    log.bound()
            finally:
                child.end()
        told = read_output(reviewer.assistant.output, log.tail(MAX_LOG_BYTES))
    finally:
        log.close()
    spending = reviewer.means.spending
    spending.record(work, agent, task["id"], token, told, reviewer.assistant)
    return told


def _mark(reviewer: Reviewer, place: Path, held: reviews.Reviewing) -> None:
    """Let hooks know whose review is open in a worktree; both go with it."""
    private = discover(place).git_dir / "gitcoord"
    ledger = reviewer.work.ledger.name
    write_json(private / "agent.json", {"agent": reviewer.agent, "ledger": ledger})
    task, token = held.task["id"], held.review["token"]
    write_json(private / "reviews" / ledger / f"{token}.json", {"task": task, "token": token})


def _environment(reviewer: Reviewer, held: reviews.Reviewing) -> dict[str, str]:
    known = path_with_ours(inherited())
    kept = {name: value for name, value in known.items() if not name.startswith("GITCOORD_")}
    return {
        **kept,
        **dict(reviewer.assistant.environment),
        "GIT_TERMINAL_PROMPT": "0",
        "GITCOORD_AGENT": reviewer.agent,
        "GITCOORD_LEDGER": reviewer.work.ledger.name,
        "GITCOORD_TASK": held.task["id"],
        "GITCOORD_SESSION": held.review["session"],
        BRIEFED: "1",
    }


def _outcome(reviewer: Reviewer, held: reviews.Reviewing, told: Told) -> str:
    """Return what the ledger says of the review; one that is still open is given back."""
    work, token = reviewer.work, held.review["token"]
    task = work.ledger.snapshot().require_task(held.task["id"])
    known = next((one for one in task["reviews"] if one["token"] == token), None)
    if known is not None and known["verdict"] is not None:
        return "approved"
    if any(one["token"] == token for one in running(task)):
        if told.is_limited:
            until = until_of(told, work.clock) or work.clock.seconds() + LIMIT_S
            reviewer.means.limits.note(reviewer.assistant.name, until)
        try:
            reason = f"{reviewer.assistant.name} gave no verdict"
            reviews.judge(work, reviewer.agent, task["id"], "review-release", reason, token=token)
        except ClaimLostError:
            return "lost"
        if told.is_limited:
            return "at its limit"
        return "no verdict"
    if task["setbacks"] != held.task["setbacks"] and task["setbacks"][-1]["code"] == "rejected":
        return "rejected"
    return "lost"
