"""Work as one agent of a run: one task after another, until none is left."""

from __future__ import annotations

import os

from gitcoord.core.errors import (
    ConflictError,
    GitcoordError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
    UnavailableError,
)
from gitcoord.core.ids import NO_TASK, AgentId, Oid
from gitcoord.core.leases import wait_ms
from gitcoord.core.pacing import Outcome
from gitcoord.core.sessions import session_of_run
from gitcoord.features.inspect import facts
from gitcoord.features.run.assistants import Assistant
from gitcoord.features.run.attempts import Job, work_on
from gitcoord.features.run.begun import is_of_run
from gitcoord.features.run.crew import Shared
from gitcoord.features.run.landing import land_what_is_whole
from gitcoord.features.run.reviews import Note, review_one
from gitcoord.features.work import claims, results
from gitcoord.features.work.choices import Scope
from gitcoord.features.work.claims import Claimed
from gitcoord.features.work.wait import seconds_until_worth, wait_for_change
from gitcoord.features.workspace import Workspace, plan_of

__all__ = ["REVIEW_POLL_S", "Worker", "assistant_of", "is_budget_used_up"]

REVIEW_POLL_S = 2.0
_ENDED = frozenset({"handed-in", "failed"})


def assistant_of(shared: Shared, agent: AgentId) -> Assistant | None:
    """Return which assistant an agent of a run is, if any is."""
    if not shared.assistants:
        return None
    number = int(agent.rpartition("-")[2])
    return shared.assistants[(number - 1) % len(shared.assistants)]


def is_budget_used_up(shared: Shared, work: Workspace, agent: AgentId) -> bool:
    """Return whether nothing may be started any more; the orchestrator is told, once."""
    used = shared.means.spending.used_up(work)
    if used:
        shared.means.spending.escalate(work, agent, used)
        shared.tell(Note(agent, NO_TASK, "leaves", f"the budget is used up: {used}"))
    return bool(used)


class Worker:
    """An agent of a run, in its own thread and with its own workspace."""

    def __init__(
        self, shared: Shared, work: Workspace, agent: AgentId, position: int, slot: int
    ) -> None:
        self._shared = shared
        self._work = work
        self._agent = agent
        self._position = position
        self._slot = slot
        self._assistant = assistant_of(shared, agent)
        maker = self._assistant.maker if self._assistant is not None else ""
        self._session = session_of_run(os.getpid(), work.clock.token()[:8], maker)
        self._asked_ns = work.clock.monotonic_ns()

    def work(self) -> None:
        """Take one task after another until none is left, or the pace is for fewer."""
        shared = self._shared
        while not shared.takes_no_more and shared.is_within_pace(self._position):
            tip = self._work.ledger.tip()
            if self._assistant is not None:
                if is_budget_used_up(shared, self._work, self._agent):
                    return
                if self._has_rested(self._assistant, tip):
                    continue
            try:
                claimed = claims.claim(
                    self._work,
                    self._agent,
                    within=shared.within,
                    session=self._session,
                    is_waiting=True,
                    asked_ns=self._asked_ns,
                )
            except PlanFinishedError:
                land_what_is_whole(self._work, shared)
                return
            except (NothingReadyError, ConflictError) as error:
                if not self._has_waited(error, tip):
                    return
            except UnavailableError as error:
                self._tell("waits", error.message)
            except RefusedError as error:
                self._tell("leaves", error.message)
                return
            else:
                if not self._work_on(claimed):
                    return

    def _tell(self, what: str, text: str) -> None:
        self._shared.tell(Note(self._agent, NO_TASK, what, text))

    def _has_waited(self, error: GitcoordError, tip: Oid | None) -> bool:
        """Do what else is to do, or wait; False if nothing will ever come."""
        work, shared = self._work, self._shared
        # Another worker may have landed the phase that we waited for.
        if land_what_is_whole(work, shared) or work.ledger.tip() != tip:
            return True
        review = shared.review
        if review is not None and review_one(
            work, self._agent, self._session, review, shared.stop.is_set, shared.tell
        ):
            self._asked_ns = work.clock.monotonic_ns()
            return True
        if _is_stuck(work, shared.within) and not self._is_reviewing():
            self._tell("idle", error.message)
            return False
        shared.tell_waiting(self._agent, _foreign(work))
        until_s = seconds_until_worth(error, work.clock)
        if shared.reviewers:
            until_s = min(until_s, REVIEW_POLL_S)
        wait_for_change(work, tip, until_s, shared.stop)
        return True

    def _is_reviewing(self) -> bool:
        """Return whether a reviewer may still have something to judge at this tip."""
        shared, tip = self._shared, self._work.ledger.tip()
        at_work = [name for name in shared.reviewers if name not in shared.left]
        return any(shared.idle.get(name) != tip for name in at_work)

    def _has_rested(self, assistant: Assistant, tip: Oid | None) -> bool:
        """Wait where an assistant is at its limit while there is work; return whether it is."""
        means = self._shared.means
        left_s = means.limits.left_s(assistant.name, self._work.clock)
        if not left_s or not _is_work_left(self._work):
            return False
        others = means.names - {assistant.name}
        told = means.limits.told(assistant.name, others, self._work.clock)
        self._shared.tell_waiting(self._agent, told)
        wait_for_change(self._work, tip, left_s, self._shared.stop)
        return True

    def _work_on(self, claimed: Claimed) -> bool:
        """Work on a claim; False if this agent can work on none."""
        work, shared = self._work, self._shared
        if claimed.reissued:
            # A run that was killed held it. What that left is kept; this one begins anew.
            token, why = claimed.claim["token"], "the run that held it was killed"
            results.release(work, self._agent, claimed.task["id"], token, why)
            return True
        begun_ns = work.clock.monotonic_ns()
        ending = work_on(self._job(claimed), claimed)
        ended_ns = work.clock.monotonic_ns()
        if ending in _ENDED:
            waited_ms = (begun_ns - self._asked_ns) // 1_000_000
            worked_ms = (ended_ns - begun_ns) // 1_000_000
            shared.count(Outcome(ending == "handed-in", waited_ms, worked_ms))
        if ending == "no-worktree":
            return False
        self._asked_ns = ended_ns
        land_what_is_whole(work, shared)
        return True

    def _job(self, claimed: Claimed) -> Job:
        shared, order = self._shared, self._shared.order
        pool = plan_of(claimed.snapshot)["pools"].get(claimed.task["spec"]["pool"])
        command, assistant = shared.command, self._assistant
        own = pool.get("command") if pool is not None else None
        if own:
            command, assistant = ["/bin/sh", "-c", own], None
        return Job(
            self._work,
            self._agent,
            command,
            shared.stop.is_set,
            shared.tell,
            assistant,
            shared.means,
            order.limit,
            order.ends_hung,
            order.resources,
            self._slot,
            shared.handing,
        )


def _is_work_left(work: Workspace) -> bool:
    """Return whether some task may still be claimed, or reopened."""
    over = {"landed", "cancelled", "failed", "blocked"}
    return bool(set(facts.status(work)["counts"]) - over)


def _foreign(work: Workspace) -> str:
    """Return which claims of others a run waits for, and what can be done."""
    held = [
        (task["id"], task["claim"]["agent"])
        for task in work.ledger.snapshot().live()
        if task["claim"] and not is_of_run(task["claim"]["agent"])
    ]
    if not held:
        return ""
    named = ", ".join(f"{task} by {agent}" for task, agent in held[:5])
    return (
        f"claims of others, not of this run: {named}; `gitcoord show {held[0][0]}` shows how far "
        f"it is, `gitcoord assign {held[0][0]} -` takes it away"
    )


def _is_stuck(work: Workspace, within: Scope) -> bool:
    """Return whether nothing will ever come by waiting: others hold nothing."""
    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    states = {snapshot.require_task(name)["state"] for name in within.tasks}
    if states and not states & {"open", "claimed", "review"}:
        return True
    if snapshot.live():
        return False
    work.index.update(work.store, snapshot.oid)
    for name, state in work.index.listed():
        task = snapshot.require_task(name)
        if not within.has(task):
            continue
        phase = snapshot.phase(task["spec"]["phase"])
        if wait_ms(task["retry"], context) and task["state"] == "open":
            return False
        if (
            state == "ready"
            and phase is not None
            and phase["state"] == "open"
            and snapshot.is_started(phase)
        ):
            assigned = task["assigned"]
            return assigned is not None and not is_of_run(assigned)
    return True
