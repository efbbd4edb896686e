"""Claim a task: choose, swap, keep the token, check the branch out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from gitcoord.core import ids, paths
from gitcoord.core.boundary import fits_agent
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NotFoundError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
)
from gitcoord.core.events import Command
from gitcoord.core.leases import (
    Context,
    judge,
    leases_of,
    lock_left_ms,
    remaining_ms,
    wait_ms,
)
from gitcoord.core.machine import decide
from gitcoord.core.model import AgentRecord, Claim, Lease, TaskRecord
from gitcoord.core.operations.preconditions import require_agent
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.inspect import impact
from gitcoord.features.inspect.waiting import NO_ROOM, describe_waiting
from gitcoord.features.names import named_pool, named_task
from gitcoord.features.work.bases import base_of
from gitcoord.features.work.contention import lost, won
from gitcoord.features.work.escalations import escalate_once
from gitcoord.features.work.tokens import forget_stale_tokens, keep_token, refuse_living_session
from gitcoord.features.workspace import Workspace

__all__ = ["RETRY_AFTER_S", "Claimed", "claim", "earlier_branch", "ends_of", "is_blocked"]

RETRY_AFTER_S = 5.0
PATIENCE_S = 0.05


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
) -> Claimed:
    """Claim a task for an agent, or return the claim that it has already.

    ``is_waiting``: the caller asks again and again, so that a loss counts
    only when it gives up (``contention.lost``).

    Raises:
        NothingReadyError: No task for this agent now.
        PlanFinishedError: No task will ever come for it.
        ConflictError: The named task, or this agent, is held by another.
        RefusedError: A rule forbids it.
        NotFoundError: There is no such agent, task or pool.
        ClaimLostError: It was taken while its branch was checked out.

    """
    session = session or work.session()
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
                work, agent, task, pool=pool, checkout=checkout, session=session, resume=resume
            )
    if worktree is not None:
        from gitcoord.git.worktrees import refuse_local_changes

        refuse_local_changes(worktree)
    chooser = _Chooser(work, record, task, pool, session)
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


class _Chooser:
    """Make the claim command from each fresh snapshot."""

    def __init__(
        self, work: Workspace, agent: AgentRecord, task: str | None, pool: str | None, session: str
    ) -> None:
        self._work = work
        self._agent = agent
        self._task = task
        self._pool = pool
        self._session = session
        self.base_conflicts: list[RefusedError] = []
        self._delays_ms: list[int] = []
        self.branch_in_the_way: RefusedError | None = None

    def choose(self, snapshot: Snapshot, context: Context) -> Command:
        """Return a command that ``decide`` accepts on this snapshot."""
        self._work.index.update(self._work.store, snapshot.oid)
        if self._task is not None:
            named = named_task(self._work, snapshot, self._task)
            return self._command(snapshot, named, context)
        for candidate in self._candidates(snapshot, context):
            task = snapshot.task(candidate)
            if task is None:
                continue
            try:
                command = self._command(snapshot, task, context)
            except (NothingReadyError, ConflictError, RefusedError, NotFoundError):
                if task["retry"]:
                    self._delays_ms.append(wait_ms(task["retry"], context))
                continue
            return command
        if self.branch_in_the_way is not None:
            raise self.branch_in_the_way
        raise self._nothing(snapshot, context)

    def _command(self, snapshot: Snapshot, task: TaskRecord, context: Context) -> Command:
        command: Command = {
            "op": "claim",
            "agent": self._agent["id"],
            "task": task["id"],
            "session": self._session,
            "base": "",
            "built_on": {},
        }
        try:
            base = base_of(self._work, snapshot, task)
        except RefusedError as error:
            if error.reason == "base-conflict":
                self.base_conflicts = [*self.base_conflicts, error]
            raise
        command |= {"base": base.oid, "built_on": base.built_on}
        decide(snapshot, command, context)
        self._refuse_branch_in_the_way(snapshot, task["id"])
        return command

    def _refuse_branch_in_the_way(self, snapshot: Snapshot, task: str) -> None:
        """Refuse where git could make no work branch, for one that has a part of its name."""
        prefix = snapshot.settings()["task_prefix"]
        for name in (prefix, f"{prefix}/{task}"):
            if self._work.store.read_ref(branch_ref(name)) is None:
                continue
            self.branch_in_the_way = RefusedError(
                f"a branch {name} is in the way: git can make no branch {name}/... beside it",
                reason="branch",
                hint=f"rename it: `git branch -m {name} OTHER`",
                task=task,
                branch=name,
            )
            raise self.branch_in_the_way

    def _candidates(self, snapshot: Snapshot, context: Context) -> Iterator[str]:
        """Offer abandoned claims first: others wait for them the longest."""
        live = [task for task in snapshot.live() if task["claim"]]
        if self._pool:
            pools = [self._pool]
        else:
            pools = self._agent["pools"]
        for task in sorted(live, key=lambda task: task["order"]):
            held = cast("Claim", task["claim"])
            fits = not pools or task["spec"]["pool"] in pools
            if (
                fits
                and held["agent"] != self._agent["id"]
                and judge(task["id"], held, context) is not None
            ):
                yield task["id"]
        plan = snapshot.plan()
        if plan is None:
            raise NothingReadyError(
                "the ledger has no plan yet",
                hint="`gitcoord plan apply FILE` loads one",
                retry_after=RETRY_AFTER_S,
                waiting_for=["a plan"],
            )
        dirs = {True: [], False: []}  # type: dict[bool, list[str]]
        for task in live:
            prefixes = [paths.literal_prefix(pattern) for pattern in task["spec"]["paths"] or []]
            dirs[cast("Claim", task["claim"])["agent"] == self._agent["id"]] += prefixes
        started = [
            phase["id"]
            for phase in snapshot.phases()
            if phase["state"] == "open" and snapshot.is_started(phase)
        ]
        selection = None
        if len(pools) == 1 and pools[0] in plan["pools"]:
            selection = plan["pools"][pools[0]]["selection"]
        chosen = selection or plan["selection"]
        if chosen == "directory" and not dirs[True]:
            dirs[True] = self._work.index.directories_of(self._agent["id"])
        yield from self._work.index.candidates(
            pools=pools or list(plan["pools"]),
            agent=self._agent["id"],
            phases=started,
            selection=chosen,
            start=self._work.clock.random(),
            dirs=dirs[True],
            others=dirs[False],
        )

    def _nothing(self, snapshot: Snapshot, context: Context) -> GitcoordError:
        """Return what is waited for, after a scan of the tree itself."""
        waiting, retry_ms = [], []
        failed: list[str] = []
        is_over = True
        for task in snapshot.tasks():
            if not self._may_take(snapshot, task):
                continue
            phase = snapshot.phase(task["spec"]["phase"])
            if phase is None or phase["state"] == "landed" or task["state"] == "cancelled":
                continue
            if task["state"] == "failed":
                failed.append(task["id"])
                continue
            if task["state"] == "open" and is_blocked(snapshot, task, {}):
                continue
            is_over = False
            waiting.append(describe_waiting(snapshot, task, self._agent["id"]))
            held = task["claim"]
            if held is not None:
                retry_ms.append(max(0, remaining_ms(held, context)))
            elif wait_ms(task["retry"], context):
                retry_ms.append(wait_ms(task["retry"], context))
            if len(set(waiting)) >= 5:
                break
        blocked = cast("Any", impact.blocked(self._work, snapshot))
        if is_over:
            return _finished(failed, blocked)
        after_s = min([RETRY_AFTER_S, *((ms + 50) / 1000 for ms in retry_ms)])
        reasons = list(dict.fromkeys(waiting))
        return NothingReadyError(
            f"no task is ready for {self._agent['id']}: {'; '.join(reasons[:5])}",
            hint="`gitcoord claim --wait` waits for the next one",
            retry_after=round(after_s, 3),
            **ends_of(snapshot, context, self._delays_ms),
            waiting_for=cast("Any", reasons),
            blocked=blocked,
            no_room=any(NO_ROOM in reason for reason in reasons),
        )

    def _may_take(self, snapshot: Snapshot, task: TaskRecord) -> bool:
        if self._pool:
            pools = [self._pool]
        else:
            pools = self._agent["pools"]
        fits = (not pools or task["spec"]["pool"] in pools) and task["assigned"] in {
            None,
            self._agent["id"],
        }
        return fits and fits_agent(snapshot, task, self._agent)


def ends_of(
    snapshot: Snapshot, context: Context, delays_ms: Iterable[int] = ()
) -> dict[str, float]:
    """Return after how long time alone may make something ready, if ever."""
    ends_ms = [
        remaining_ms(lease, context) for task in snapshot.live() for lease in leases_of(task)
    ]
    for lock in snapshot.locks():
        left_ms = lock_left_ms(lock, context)
        if left_ms is not None:
            ends_ms.append(left_ms)
    ends_ms += delays_ms
    if not ends_ms:
        return {}
    return {"changes_after": round(max(0, min(ends_ms)) / 1000 + PATIENCE_S, 3)}


def _finished(failed: list[str], blocked: Any) -> PlanFinishedError:
    """Return that no task will come by itself; a retry may open some."""
    message = "no task is left that this agent may take"
    hint = "`gitcoord status` shows the plan"
    openers = list(dict.fromkeys([one["task"] for one in blocked] + failed))
    if openers:
        message += f": {', '.join(openers[:5])} failed or cancelled, and what needs them is blocked"
        hint = f"the orchestrator can open {openers[0]} again: `gitcoord retry {openers[0]}`"
    return PlanFinishedError(message, hint=hint, blocked=blocked, failed=cast("Any", failed[:100]))


def is_blocked(snapshot: Snapshot, task: TaskRecord, known: dict[str, bool]) -> bool:
    """Return whether a need, or a need of a need, has failed or was cancelled."""
    stack = [task]
    while stack:
        here = stack.pop()
        for need in here["spec"]["needs"]:
            other = snapshot.task(need)
            if other is None or need in known:
                continue
            known[need] = True
            if other["state"] in {"failed", "cancelled"}:
                return True
            if other["state"] == "open":
                stack.append(other)
    return False
