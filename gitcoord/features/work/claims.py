"""Claim a task: choose, swap, keep the token, check the branch out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

from gitcoord.core import ids
from gitcoord.core.errors import (
    ClaimLostError,
    GitcoordError,
    RefusedError,
)
from gitcoord.core.events import Command
from gitcoord.core.machine import decide
from gitcoord.core.model import Claim, Lease, TaskRecord
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.names import named_pool, named_task
from gitcoord.features.work.choices import Chooser
from gitcoord.features.work.contention import lost, won
from gitcoord.features.work.escalations import escalate_once
from gitcoord.features.work.tokens import forget_stale_tokens, keep_token, refuse_living_session
from gitcoord.features.workspace import Workspace

__all__ = ["Claimed", "claim", "earlier_branch"]


class Claimed(NamedTuple):
    """A claim that stands: its entry, the task's record, and what was done."""

    entry: str
    task: TaskRecord
    already: bool
    reissued: bool
    checkout: str
    worktree: str | None
    is_resumed: bool = False
    problem: str = ""
    """Why the branch could not be checked out."""

    @property
    def claim(self) -> Claim:
        """The claim in the task's record."""
        return cast("Claim", self.task["claim"])


def claim(
    work: Workspace,
    agent: str,
    task: str | None = None,
    *,
    pool: str | None = None,
    checkout: bool = True,
    session: str | None = None,
    resume: bool = False,
    is_waiting: bool = False,
    asked_ns: int | None = None,
) -> Claimed:
    """Claim a task for an agent, or return the claim that it has already.

    ``is_waiting``: the caller asks again and again, so that a loss counts
    only when it gives up (``contention.lost``). ``asked_ns`` is when it first
    asked, by this machine's clock; without it, it asks now.

    Raises:
        NothingReadyError: No task for this agent now.
        PlanFinishedError: No task will ever come for it.
        ConflictError: The named task, or this agent, is held by another.
        RefusedError: A rule forbids it.
        NotFoundError: There is no such agent, task or pool.
        ClaimLostError: It was taken while its branch was checked out.

    """
    session = session or work.session()
    if asked_ns is None:
        asked_ns = work.clock.monotonic_ns()
    snapshot = work.ledger.snapshot()
    record = require_agent(snapshot, agent)
    if task is not None:
        task = named_task(work, snapshot, task)["id"]
    if pool is not None and snapshot.plan() is not None:
        pool = named_pool(snapshot, pool)
    worktree = None
    if checkout:
        worktree = _checkout_place(work, agent)
    if worktree is not None:
        from gitcoord.git.occupied import recover

        recover(worktree, work.kept_folder)
    own = _own_claims(snapshot, agent)
    mine = next((held for held in own if held["id"] == task), None)
    if mine is not None or len(own) >= record["capacity"]:
        if mine is None and task is not None:
            raise RefusedError(
                f"{agent} already holds {own[0]['id']}, as many as its capacity allows",
                reason="capacity",
                hint="complete, fail or release it first",
                task=own[0]["id"],
            )
        try:
            return _return_held(work, snapshot, mine or own[0], session, worktree)
        except ClaimLostError:
            # Taken over between our look and our swap: there is nothing to
            # return any more, so this is a claim like any other.
            return claim(
                work,
                agent,
                task,
                pool=pool,
                checkout=checkout,
                session=session,
                resume=resume,
                asked_ns=asked_ns,
            )
    if worktree is not None:
        from gitcoord.git.worktrees import refuse_local_changes

        refuse_local_changes(worktree)
    chooser = Chooser(work, record, task, pool, session, asked_ns)
    try:
        _refuse_held(work, snapshot, agent, task)
        done = work.ledger.execute(
            chooser.choose, agent=agent, before_swap=lambda event: keep_token(work, agent, event)
        )
    except GitcoordError as error:
        if not is_waiting:
            lost(work, agent, error)
        raise
    finally:
        for conflict in chooser.base_conflicts:
            escalate_once(
                work, agent, "base-conflict", str(conflict.facts["task"]), conflict.message
            )
    won(work, agent)
    claimed = done.snapshot.require_task(done.event["task"])
    forget_stale_tokens(work, agent, done.snapshot)
    earlier = ""
    if resume:
        earlier = earlier_branch(work, done.snapshot, claimed)
    state, problem = _check_out(work, agent, worktree, claimed, earlier)
    return Claimed(
        done.entry,
        claimed,
        already=False,
        reissued=False,
        checkout=state,
        worktree=str(worktree) if worktree else None,
        is_resumed=bool(earlier) and state == "done",
        problem=problem,
    )


def _refuse_held(work: Workspace, snapshot: Snapshot, agent: str, task: str | None) -> None:
    """Refuse at once a task that cannot be had: only who may win waits for a turn."""
    record = None
    if ids.is_id(task) and task:
        record = snapshot.task(task)
    if record is None:
        return
    command: Command = {
        "op": "claim",
        "agent": agent,
        "task": record["id"],
        "session": "",
        "base": "",
        "built_on": {},
    }
    try:
        decide(snapshot, command, work.ledger.context())
    except RefusedError as error:
        # The base is looked at last, and is made when everything else fits.
        if error.reason != "base-moved":
            raise
    finally:
        work.ledger.remember()


def _own_claims(snapshot: Snapshot, agent: str) -> list[TaskRecord]:
    own = [task for task in snapshot.live() if task["claim"] and task["claim"]["agent"] == agent]
    return sorted(own, key=lambda task: cast("Claim", task["claim"])["since"])


def _return_held(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, session: str, worktree: Path | None
) -> Claimed:
    """Return this session's claim, or take it over from an older session."""
    held = cast("Claim", task["claim"])
    entry = snapshot.oid
    known = {str(one["token"]) for one in work.tokens(held["agent"]).all()}
    is_reissued = False
    if held["session"] != session or held["token"] not in known:
        refuse_living_session(work, task["id"], cast("Lease", held), session)
        command: Command = {
            "op": "reissue",
            "agent": held["agent"],
            "task": task["id"],
            "session": session,
            "old": held["token"],
        }
        agent = held["agent"]
        done = work.ledger.execute(
            command, agent=agent, before_swap=lambda event: keep_token(work, agent, event)
        )
        task, entry, is_reissued = done.snapshot.require_task(task["id"]), done.entry, True
        forget_stale_tokens(work, agent, done.snapshot)
    state, problem = _check_out(work, held["agent"], worktree, task)
    return Claimed(
        entry,
        task,
        already=True,
        reissued=is_reissued,
        checkout=state,
        worktree=str(worktree) if worktree else None,
        problem=problem,
    )


def _checkout_place(work: Workspace, agent: str) -> Path | None:
    """Return the linked worktree to check out in: only the agent's own."""
    own = work.worktree_of(agent)
    if own is None:
        _refuse_deleted(work, agent)
        return None
    if work.standing_agent() not in {agent, None}:
        return None
    return own


def _refuse_deleted(work: Workspace, agent: str) -> None:
    """Refuse to claim for a worktree that is gone.

    Raises:
        RefusedError: ``worktree``: it was deleted; nothing changed.

    """
    recorded = work.recorded_worktree(agent)
    if recorded is not None:
        raise RefusedError(
            f"the worktree of {agent} is gone: {recorded}",
            reason="worktree",
            hint=f"`gitcoord agent add {agent}` makes it again; `claim --no-checkout` goes without",
        )


def _check_out(
    work: Workspace, agent: str, worktree: Path | None, task: TaskRecord, earlier: str = ""
) -> tuple[str, str]:
    """Check the claim's branch out; a failure leaves the claim standing, and is told.

    A large branch takes its time, so that it beats meanwhile.

    Raises:
        ClaimLostError: The claim was taken while the files were written.

    """
    if worktree is None:
        return "none", ""
    from gitcoord.features.work.beating import beating

    held = cast("Claim", task["claim"])
    start = (work.store.read_ref(branch_ref(earlier)) if earlier else None) or held["base"]
    with beating(work, agent, held["token"]):
        checkout = _checked_out(work, worktree, held["branch"], start)
    now = work.ledger.snapshot().require_task(task["id"])["claim"]
    if now is None or now["token"] != held["token"]:
        raise ClaimLostError(
            f"the claim on task {task['id']} was taken while its branch was checked out",
            hint="`gitcoord claim` gives the next task",
            task=task["id"],
        )
    return checkout


def _checked_out(work: Workspace, worktree: Path, branch: str, start: str) -> tuple[str, str]:
    from gitcoord.git.program import GitError
    from gitcoord.git.worktrees import checkout_branch

    ref = branch_ref(branch)
    try:
        if work.store.read_ref(ref) is None:
            # As the store makes refs: git's own lock would outlive a kill.
            work.ledger.keep(ref, start)
        checkout_branch(worktree, branch, start)
    except GitcoordError as error:
        return "failed", f"{error.message}: {error.hint}"
    except (GitError, OSError) as error:
        return "failed", str(error)
    return "done", ""


def earlier_branch(work: Workspace, snapshot: Snapshot, task: TaskRecord) -> str:
    """Return the newest work branch of an earlier attempt, or nothing."""
    if task["attempt"] < 2:
        return ""
    prefix = branch_ref(f"{snapshot.settings()['task_prefix']}/{task['id']}/")
    found = [
        (int(number), ref)
        for ref in work.store.list_refs(prefix)
        if (number := ref.removeprefix(prefix).partition("-")[0]).isdecimal()
        and int(number) < task["attempt"]
    ]
    if not found:
        return ""
    return branch_name(max(found)[1])
