"""Offer the agents' operations to long-lived Python callers, typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.model import TaskRecord
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.doors import Notice, begin_as_agent, landed_by_itself
from gitcoord.features.maintain import upkeep
from gitcoord.features.work import claims, locks, results, reviews, widenings
from gitcoord.features.work.choices import Scope
from gitcoord.features.workspace import Workspace, ledger_at, open_workspace

__all__ = ["Coordinator", "Held", "HeldReview", "open_coordinator"]


class Held(NamedTuple):
    """A claim that its holder passes back to every later call."""

    agent: AgentId
    task: TaskRecord
    token: Token
    entry: str
    branch: str
    base: str
    worktree: str | None


class HeldReview(NamedTuple):
    """A review that its reviewer passes back, with what it is about.

    ``diff`` has ``files`` (path, added, removed), ``text`` and ``is_cut``;
    ``check`` has ``run``, ``verdict`` and ``log``. None: there is none.
    """

    agent: AgentId
    task: TaskRecord
    token: Token
    entry: str
    result: str | None
    diff: dict[str, Any] | None
    check: dict[str, Any] | None


class Coordinator:
    """One ledger of one repository. Use one object per thread."""

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self.notices: list[Notice] = []
        """What was to be told beside the answers so far, the newest last.

        What became of an operation that was cut off, the orchestrator's
        answers, what landed by itself. Whoever read them may clear the list.
        """

    def __enter__(self) -> Self:
        """Use the coordinator in a ``with`` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give back file handles."""
        self.close()

    def close(self) -> None:
        """Give back file handles."""
        self._work.close()

    def _begun(self, agent: AgentId) -> Workspace:
        """Return the workspace once what concerns an agent is settled."""
        self.notices += begin_as_agent(self._work, agent)
        return self._work

    def _acknowledged(self, entry: str) -> str:
        """Return an entry; now and then start the upkeep beside us."""
        upkeep.maybe(self._work)
        return entry

    def claim(
        self,
        agent: str,
        task: str | None = None,
        *,
        pool: str | None = None,
        checkout: bool = True,
        session: str | None = None,
    ) -> Held:
        """Claim a task, by default the next one for this agent.

        Raises:
            NothingReadyError: None now; ``facts["retry_after"]`` says when.
            PlanFinishedError: None will ever come.
            ConflictError: It is held by another.

        """
        who = AgentId(agent)
        done = claims.claim(
            self._begun(who),
            who,
            _task(task),
            within=Scope(pool),
            checkout=checkout,
            session=session,
        )
        held = done.claim
        self._acknowledged(done.entry)
        return Held(
            who, done.task, held["token"], done.entry, held["branch"], held["base"], done.worktree
        )

    def progress(self, claim: Held, message: str, *, percent: int | None = None) -> str:
        """Report progress, which renews the lease; return the entry.

        Raises:
            ClaimLostError: The token is stale.

        """
        return self._acknowledged(
            results.progress(
                self._begun(claim.agent),
                claim.agent,
                claim.task["id"],
                claim.token,
                message,
                percent,
            ).entry
        )

    def beat(self, claim: Held | HeldReview) -> None:
        """Renew the lease without an entry.

        Raises:
            ClaimLostError: The token is stale.

        """
        self._begun(claim.agent).ledger.beat(claim.agent, claim.token)

    def complete(self, claim: Held, *, result: str | None = None, no_result: bool = False) -> str:
        """Hand a commit in; return the entry.

        Raises:
            ClaimLostError: The token is stale.
            RefusedError: Boundary, uncommitted work, nothing to hand in.

        """
        done = results.complete(
            self._begun(claim.agent),
            claim.agent,
            claim.task["id"],
            claim.token,
            result=result,
            no_result=no_result,
        )
        if not done.already:
            self.notices += landed_by_itself(self._work, done.task["spec"]["phase"])
        return self._acknowledged(done.entry)

    def fail(self, claim: Held, *, reason: str, kind: str = "transient") -> str:
        """Report a failure; return the entry.

        Raises:
            ClaimLostError: The token is stale.

        """
        return self._acknowledged(
            results.fail(
                self._begun(claim.agent), claim.agent, claim.task["id"], claim.token, reason, kind
            ).entry
        )

    def release(self, claim: Held, *, reason: str = "") -> str:
        """Give the task back; return the entry.

        Raises:
            ClaimLostError: The token is stale.

        """
        return self._acknowledged(
            results.release(
                self._begun(claim.agent), claim.agent, claim.task["id"], claim.token, reason
            ).entry
        )

    def review(
        self, agent: str, task: str | None = None, *, session: str | None = None
    ) -> HeldReview:
        """Claim a review, by default of the oldest result that waits for one.

        Raises:
            NothingReadyError: Nothing waits for a review by this agent.
            PlanFinishedError: Nothing ever will.
            ConflictError: Others review the named task.
            RefusedError: It is the agent's own result, among others.

        """
        who = AgentId(agent)
        done = reviews.claim(self._begun(who), who, _task(task), session=session)
        self._acknowledged(done.entry)
        found = reviews.material(self._work, self._work.ledger.snapshot(done.entry), done.task)
        return HeldReview(
            who,
            done.task,
            done.review["token"],
            done.entry,
            done.review["result"],
            found["diff"],
            found["check"],
        )

    def approve(self, review: HeldReview, message: str = "") -> str:
        """Approve the reviewed result; return the entry.

        Raises:
            ClaimLostError: The review is not current.

        """
        return self._judged(review, "approve", message)

    def reject(self, review: HeldReview, *, reason: str) -> str:
        """Reject the reviewed result, which opens its task; return the entry.

        Raises:
            ClaimLostError: The review is not current.

        """
        return self._judged(review, "reject", reason)

    def release_review(self, review: HeldReview, *, reason: str = "") -> str:
        """Give a review back without a verdict; return the entry.

        Raises:
            ClaimLostError: The review is not current.

        """
        return self._judged(review, "review-release", reason)

    def _judged(self, review: HeldReview, verdict: str, reason: str) -> str:
        done = reviews.judge(
            self._begun(review.agent),
            review.agent,
            review.task["id"],
            verdict,
            reason,
            token=review.token,
        )
        if done.task["state"] == "done" and not done.already:
            self.notices += landed_by_itself(self._work, done.task["spec"]["phase"])
        return self._acknowledged(done.entry)

    def widen(self, claim: Held, *paths: str) -> str:
        """Let a claim write more paths, at once or not; return the entry.

        Raises:
            ConflictError: Another's claim, lock or review is on one of the paths.
            RefusedError: A rule forbids it; reason ``widening``: the orchestrator is asked.
            ClaimLostError: The token is stale.

        """
        done = widenings.widen(
            self._begun(claim.agent), claim.agent, claim.task["id"], claim.token, paths
        )
        return self._acknowledged(done.entry)

    def lock(
        self,
        agent: str,
        *paths: str,
        for_ms: int | None = None,
        shared: bool = False,
        reason: str = "",
        task: str | None = None,
    ) -> str:
        """Reserve paths, with the agent's claim if it holds one; return the entry.

        Raises:
            ConflictError: Another's claim or lock holds some of them.

        """
        who = AgentId(agent)
        done = locks.lock(
            self._begun(who),
            who,
            paths,
            for_ms=for_ms,
            shared=shared,
            reason=reason,
            task=_task(task),
        )
        return self._acknowledged(done.entry)

    def unlock(self, agent: str, *paths: str) -> str:
        """Give paths back, or without any all that the agent locked; return the entry.

        Raises:
            NotFoundError: The agent has no lock on one of them.

        """
        who = AgentId(agent)
        return self._acknowledged(
            locks.unlock(self._begun(who), who, paths, everything=not paths).entry
        )

    # seeing: the same facts as the commands answer with --json

    def status(self) -> dict[str, Any]:
        """Return how the ledger stands: what needs a person, is stuck, runs, is next, and when."""
        from gitcoord.features.inspect import facts
        from gitcoord.features.maintain.overview import overview

        found = facts.status(self._work)
        return {**found, **overview(self._work, self._work.ledger.snapshot(found["tip"]), found)}

    def events(self, since: str | None = None) -> Iterator[dict[str, Any]]:
        """Tell every entry after one of them, by default all of them, oldest first.

        It ends at the newest: begin again with the last line's ``entry``.

        Raises:
            NotFoundError: The entry is not of this ledger's history.

        """
        from gitcoord.features.inspect.events import EVERYTHING
        from gitcoord.features.work.follow import follow

        return follow(self._work, _entry(since), EVERYTHING, is_once=True)

    def stats(self, since: str | None = None) -> dict[str, Any]:
        """Judge the parallel work, or what of it began after an entry.

        Raises:
            NotFoundError: The entry is not of this ledger's history.

        """
        from gitcoord.features.inspect.statistics import statistics

        return statistics(self._work, since=_entry(since))


def _task(named: str | None) -> TaskId | None:
    if named is None:
        return None
    return TaskId(named)


def _entry(named: str | None) -> Oid | None:
    if named is None:
        return None
    return Oid(named)


def open_coordinator(
    path: str | Path = ".", *, ledger: str | None = None, timeout_s: float = 30.0
) -> Coordinator:
    """Open the ledger of the repository that a path belongs to.

    Where none is named it is the one that an agent's worktree belongs to,
    else ``ledger``.

    Raises:
        UsageError: Not a repository.
        UnavailableError: It cannot be opened or written here.

    """
    return Coordinator(
        open_workspace(Path(path), ledger or ledger_at(Path(path)), timeout_s=timeout_s)
    )
