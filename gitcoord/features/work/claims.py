"""Claim a task: choose, swap, keep the token, check the branch out."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from gitcoord.core.errors import (
    ClaimLostError,
    GitcoordError,
    RefusedError,
)
from gitcoord.core.events import Command
from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.core.model import AgentRecord, Claim, Lease, TaskRecord
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.names import named_pool, named_task
from gitcoord.features.work.choices import ALL_TASKS, Chooser, HoldsError, Scope, own_claims
from gitcoord.features.work.contention import lost, won
from gitcoord.features.work.sharing import shared_choice
from gitcoord.features.work.tokens import (
    forget_stale_tokens,
    holds_any,
    keep_token,
    refuse_living_session,
)
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.deciding import Shared
from gitcoord.ledger.ledger import Done

__all__ = [
    "Claimed",
    "begun",
    "claim",
    "go_on",
    "recovered_place",
    "refuse_changes",
    "shown",
]


class Claimed(NamedTuple):
    """A claim that stands: its entry, the state there, the task, and what was done."""

    entry: Oid
    snapshot: Snapshot
    task: TaskRecord
    already: bool
    reissued: bool
    checkout: str
    worktree: str | None
    earlier: str
    """The newest work branch of an earlier attempt, or nothing."""
    is_resumed: bool = False
    problem: str = ""
    """Why the branch could not be checked out."""

    @property
    def claim(self) -> Claim:
        """The claim in the task's record."""
        return cast("Claim", self.task["claim"])


def claim(
    work: Workspace,
    agent: AgentId,
    task: TaskId | None = None,
    *,
    within: Scope = ALL_TASKS,
    checkout: bool = True,
    session: str | None = None,
    resume: bool = False,
    is_waiting: bool = False,
    asked_ns: int | None = None,
) -> Claimed:
    """Claim a task for an agent, or return the claim that it has already.

    ``within`` bounds what it chooses among. ``is_waiting``: the caller asks
    again and again, so that a loss counts only when it gives up
    (``contention.lost``). ``asked_ns`` is when it first asked, by this
    machine's clock; without it, it asks now.

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
    if within.pool is not None and snapshot.plan() is not None:
        within = within._replace(pool=named_pool(snapshot, within.pool))
    worktree = recovered_place(work, agent, checkout=checkout)

    def returned(snapshot: Snapshot, held: TaskRecord) -> Claimed:
        try:
            return go_on(work, snapshot, held, session, worktree)
        except ClaimLostError:
            # Taken over between our look and our swap: there is nothing to
            # return any more, so this is a claim like any other.
            return claim(
                work,
                agent,
                task,
                within=within,
                checkout=checkout,
                session=session,
                resume=resume,
                asked_ns=asked_ns,
                is_waiting=is_waiting,
            )

    mine = None
    if task is not None or worktree is not None or holds_any(work, agent, snapshot):
        # Else it is looked for where the choice is made: most who choose hold nothing.
        mine = _held_already(snapshot, record, task)
    if mine is not None:
        return returned(snapshot, mine)
    if worktree is not None:
        from gitcoord.features.prepared import refuse_failed

        refuse_failed(work, agent)
    refuse_changes(worktree)
    chooser = Chooser(work, record, task, within, session, asked_ns)
    shared = None
    if task is None:
        shared = shared_choice(work, agent, within, session, asked_ns)
    try:
        done = _published(work, agent, chooser, shared, is_waiting=is_waiting)
    except HoldsError as holds:
        return returned(holds.snapshot, holds.task)
    return begun(work, agent, done, done.event["task"], worktree, resume=resume)


def _held_already(snapshot: Snapshot, agent: AgentRecord, task: TaskId | None) -> TaskRecord | None:
    """Return what asking again returns: the named task, or the oldest of all that it may hold.

    Raises:
        RefusedError: ``capacity``: a further one was named.

    """
    own = own_claims(snapshot, agent["id"])
    for held in own:
        if held["id"] == task:
            return held
    if len(own) < agent["capacity"]:
        return None
    if task is not None:
        raise RefusedError(
            f"{agent['id']} already holds {own[0]['id']}, as many as its capacity allows",
            reason="capacity",
            hint="complete, fail or release it first",
            task=own[0]["id"],
        )
    return own[0]


def _published(
    work: Workspace, agent: AgentId, chooser: Chooser, shared: Shared | None, *, is_waiting: bool
) -> Done:
    """Publish the claim of the first task that can be had; count a loss, and escalate."""
    try:
        done = work.ledger.execute(
            chooser.offers,
            agent=agent,
            before_swap=lambda event: keep_token(work, agent, event),
            shared=shared,
        )
    except GitcoordError as error:
        if not is_waiting:
            lost(work, agent, error)
        raise
    finally:
        if chooser.base_conflicts:
            _escalate(work, agent, chooser.base_conflicts)
    won(work, agent)
    return done


def _escalate(work: Workspace, agent: AgentId, conflicts: list[RefusedError]) -> None:
    """Tell the orchestrator of the tasks whose base cannot be merged, once each."""
    from gitcoord.features.work.escalations import escalate_once

    for conflict in conflicts:
        task = TaskId(str(conflict.facts["task"]))
        escalate_once(work, agent, "base-conflict", task, conflict.message)


def begun(
    work: Workspace,
    agent: AgentId,
    done: Done,
    task: TaskId,
    worktree: Path | None,
    *,
    resume: bool = False,
) -> Claimed:
    """Check out what was claimed, from an earlier attempt's branch if that is wanted.

    What a usage limit ended goes on from where it was.
    """
    record = done.snapshot.held_task(task)
    forget_stale_tokens(work, agent, done.snapshot, besides=record["claim"])
    earlier = _earlier_branch(work, done.snapshot, record)
    start = ""
    if resume or "resume" in record:
        start = earlier
    state, problem = _check_out(work, agent, worktree, record, start)
    return Claimed(
        done.entry,
        done.snapshot,
        record,
        already=False,
        reissued=False,
        checkout=state,
        worktree=shown(worktree),
        earlier=earlier,
        is_resumed=bool(start) and state == "done",
        problem=problem,
    )


def shown(worktree: Path | None) -> str | None:
    """Return a worktree's path for an answer; None without a worktree."""
    if worktree is None:
        return None
    return str(worktree)


def go_on(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, session: str, worktree: Path | None
) -> Claimed:
    """Return this session's claim, or take it over from an older session."""
    held = cast("Claim", task["claim"])
    entry = snapshot.oid
    known = work.tokens(held["agent"]).names()
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
        snapshot, entry, is_reissued = done.snapshot, done.entry, True
        task = snapshot.require_task(task["id"])
        forget_stale_tokens(work, agent, done.snapshot)
    state, problem = _check_out(work, held["agent"], worktree, task)
    return Claimed(
        entry,
        snapshot,
        task,
        already=True,
        reissued=is_reissued,
        checkout=state,
        worktree=shown(worktree),
        earlier=_earlier_branch(work, snapshot, task),
        problem=problem,
    )


def recovered_place(work: Workspace, agent: AgentId, *, checkout: bool) -> Path | None:
    """Return where to check out, if anywhere, when what was cut off there is put back."""
    if not checkout:
        return None
    worktree = _checkout_place(work, agent)
    if worktree is not None:
        from gitcoord.git.occupied import recover

        recover(worktree, work.kept_folder)
    return worktree


def refuse_changes(worktree: Path | None) -> None:
    """Refuse to check out over local changes, if there is anywhere to check out.

    Raises:
        RefusedError: ``uncommitted``.

    """
    if worktree is not None:
        from gitcoord.git.worktrees import refuse_local_changes

        refuse_local_changes(worktree)


def _checkout_place(work: Workspace, agent: AgentId) -> Path | None:
    """Return the linked worktree to check out in: only the agent's own."""
    own = work.worktree_of(agent)
    if own is None:
        _refuse_deleted(work, agent)
        return None
    if work.standing_agent() not in {agent, None}:
        return None
    return own


def _refuse_deleted(work: Workspace, agent: AgentId) -> None:
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
    work: Workspace, agent: AgentId, worktree: Path | None, task: TaskRecord, earlier: str = ""
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


def _checked_out(work: Workspace, worktree: Path, branch: str, start: Oid) -> tuple[str, str]:
    from gitcoord.git.program import GitError
    from gitcoord.git.worktrees import checkout_branch

    ref = branch_ref(branch)
    try:
        if work.store.read_ref(ref) is None:
            # As the store makes refs: git's own lock would outlive a kill.
            work.ledger.hints.keep(ref, start)
        checkout_branch(worktree, branch, start)
    except GitcoordError as error:
        return "failed", f"{error.message}: {error.hint}"
    except (GitError, OSError) as error:
        return "failed", str(error)
    return "done", ""


def _earlier_branch(work: Workspace, snapshot: Snapshot, task: TaskRecord) -> str:
    """Return the newest work branch of an earlier attempt, or nothing."""
    if task["attempt"] < 2:
        return ""
    prefix = branch_ref(f"{snapshot.settings()['task_prefix']}/{task['id']}/")
    found = []
    for ref in work.store.list_refs(prefix):
        number = ref.removeprefix(prefix).partition("-")[0]
        if number.isdecimal() and int(number) < task["attempt"]:
            found.append((int(number), ref))
    if not found:
        return ""
    return branch_name(max(found)[1])
