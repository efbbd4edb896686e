"""Choose the task of a claim: abandoned ones first, then the index's candidates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gitcoord.core import paths
from gitcoord.core.boundary import fits_agent, paths_of
from gitcoord.core.errors import (
    ConflictError,
    GitcoordError,
    NotFoundError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
)
from gitcoord.core.ids import AgentId, PhaseId, TaskId
from gitcoord.core.leases import (
    Context,
    LeftError,
    judge,
    leases_of,
    lock_left_ms,
    remaining_ms,
    wait_ms,
)
from gitcoord.core.model import AgentRecord, Claim, TaskRecord
from gitcoord.core.readiness import is_blocked, waiting_item
from gitcoord.core.refs import branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import open_streams, takes_work
from gitcoord.features.names import named_task
from gitcoord.features.work.bases import Base, base_of
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Offers

if TYPE_CHECKING:  # what is waited for only who finds nothing has to be told
    from gitcoord.features.inspect.waiting import Waiting

__all__ = [
    "ALL_TASKS",
    "RETRY_AFTER_S",
    "Chooser",
    "HoldsError",
    "Scope",
    "ends_of",
    "own_claims",
]

RETRY_AFTER_S = 5.0
PATIENCE_S = 0.05


class Scope(NamedTuple):
    """The tasks that are meant; an empty set, or no pool, leaves nothing out."""

    pool: str | None = None
    phases: frozenset[PhaseId] = frozenset()
    tasks: frozenset[TaskId] = frozenset()

    def pools_of(self, agent: AgentRecord) -> list[str]:
        """Return the pools to choose from; none named means every pool."""
        if self.pool:
            return [self.pool]
        return agent["pools"]

    def has_phase(self, phase: PhaseId) -> bool:
        """Return whether whatever comes into a phase is meant."""
        return not self.tasks and (not self.phases or phase in self.phases)

    def has(self, task: TaskRecord) -> bool:
        """Return whether a task is of the phases and the tasks that are meant."""
        if self.tasks and task["id"] not in self.tasks:
            return False
        return not self.phases or task["spec"]["phase"] in self.phases


ALL_TASKS = Scope()


class HoldsError(Exception):
    """Raised where who wants any task holds as many as it may: the oldest is its task."""

    def __init__(self, snapshot: Snapshot, task: TaskRecord) -> None:
        super().__init__(task["id"])
        self.snapshot = snapshot
        self.task = task


def own_claims(snapshot: Snapshot, agent: AgentId) -> list[TaskRecord]:
    """Return the tasks that an agent holds a claim on, the oldest claim first."""
    own = [task for task in snapshot.live() if task["claim"] and task["claim"]["agent"] == agent]
    return sorted(own, key=lambda task: cast("Claim", task["claim"])["since"])


class Chooser:
    """Offer claims on each fresh snapshot, until the ledger accepts one.

    Where it ``is_for_another``, whose turn we have, it merges nothing and says
    of nothing that it cannot be had: LeftError leaves that to its owner.
    """

    def __init__(
        self,
        work: Workspace,
        agent: AgentRecord,
        task: TaskId | None,
        within: Scope,
        session: str,
        asked_ns: int | None = None,
        *,
        is_for_another: bool = False,
    ) -> None:
        self._work = work
        self._agent = agent
        self._task = task
        self._within = within
        self._session = session
        self._asked_ns = asked_ns
        self._is_for_another = is_for_another
        self.base_conflicts: list[RefusedError] = []
        self._delays_ms: list[int] = []
        self._branch_in_the_way: RefusedError | None = None

    def offers(self, snapshot: Snapshot, context: Context) -> Offers:
        """Offer the tasks that it may be, in order; a refusal is raised where one is offered.

        Raises:
            GitcoordError: What forbids the named task, or what is waited for
                where no other is left.
            HoldsError: None was named, and the agent may hold no other.

        """
        self._delays_ms = []
        self._branch_in_the_way = None
        if self._task is not None:
            yield from self._offer(snapshot, named_task(self._work, snapshot, self._task))
            return
        own = own_claims(snapshot, self._agent["id"])
        if len(own) >= self._agent["capacity"]:
            if self._is_for_another:
                raise LeftError
            raise HoldsError(snapshot, own[0])
        self._work.index.update(self._work.store, snapshot.oid)
        for candidate in self._candidates(snapshot, context):
            task = snapshot.task(candidate)
            if task is None or not self._within.has(task):
                continue
            if self._is_for_another and task["state"] != "open":
                # The index does not know of what its turn decided before.
                continue
            try:
                yield from self._offer(snapshot, task)
            except (NothingReadyError, ConflictError, RefusedError, NotFoundError):
                if task["retry"]:
                    self._delays_ms.append(wait_ms(task["retry"], context))
                continue
            return
        if self._is_for_another:
            raise LeftError
        if self._branch_in_the_way is not None:
            raise self._branch_in_the_way
        raise self._nothing(snapshot, context)

    def _offer(self, snapshot: Snapshot, task: TaskRecord) -> Offers:
        """Offer one task, and refuse it afterwards where git could not make its branch."""
        yield {
            "op": "claim",
            "agent": self._agent["id"],
            "task": task["id"],
            "session": self._session,
            "asked_ns": self._asked_ns,
            "make_base": partial(self._base, snapshot, task),
        }
        self._refuse_branch_in_the_way(snapshot, task["id"])

    def _base(self, snapshot: Snapshot, task: TaskRecord) -> Base:
        if self._task is not None:
            # Where candidates were asked for, it is up to date.
            self._work.index.update(self._work.store, snapshot.oid)
        try:
            return base_of(self._work, snapshot, task, is_merged=not self._is_for_another)
        except RefusedError as error:
            if error.reason == "base-conflict":
                self.base_conflicts.append(error)
            raise

    def _refuse_branch_in_the_way(self, snapshot: Snapshot, task: TaskId) -> None:
        """Refuse where git could make no work branch, for one that has a part of its name."""
        prefix = snapshot.settings()["task_prefix"]
        for name in (prefix, f"{prefix}/{task}"):
            if not self._work.store.has_ref(branch_ref(name)):
                continue
            self._branch_in_the_way = RefusedError(
                f"a branch {name} is in the way: git can make no branch {name}/... beside it",
                reason="branch",
                hint=f"rename it: `git branch -m {name} OTHER`",
                task=task,
                branch=name,
            )
            raise self._branch_in_the_way

    def _candidates(self, snapshot: Snapshot, context: Context) -> Iterator[TaskId]:
        """Offer abandoned claims first: others wait for them the longest."""
        live = [task for task in snapshot.live() if task["claim"]]
        pools = self._within.pools_of(self._agent)
        for task in sorted(live, key=lambda task: task["order"]):
            held = cast("Claim", task["claim"])
            fits = not pools or task["spec"]["pool"] in pools
            if (
                fits
                and self._within.has(task)
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
                waiting_for=[waiting_item("plan", "the ledger waits for a plan")],
            )
        if self._within.tasks:
            # Few, and named: to read through all the others would make them slow to have.
            yield from self._named_in_turn()
            return
        started = []
        for phase in snapshot.phases():
            is_meant = not self._within.phases or phase["id"] in self._within.phases
            if is_meant and takes_work(phase) and snapshot.is_started(phase):
                started.append(phase["id"])
        selection = None
        if len(pools) == 1 and pools[0] in plan["pools"]:
            selection = plan["pools"][pools[0]]["selection"]
        chosen = selection or plan["selection"]
        own: list[str] = []
        others: list[str] = []
        if chosen == "directory":
            own, others = self._directories(live)
        yield from self._work.index.candidates(
            pools=pools or list(plan["pools"]),
            agent=self._agent["id"],
            phases=started,
            selection=chosen,
            start=self._work.clock.random(),
            dirs=own,
            others=others,
        )

    def _directories(self, live: Iterable[TaskRecord]) -> tuple[list[str], list[str]]:
        """Return the directories in which the agent works, or worked; and where others do."""
        own: list[str] = []
        others: list[str] = []
        for task in live:
            prefixes = [paths.literal_prefix(pattern) for pattern in paths_of(task) or []]
            if cast("Claim", task["claim"])["agent"] == self._agent["id"]:
                own += prefixes
            else:
                others += prefixes
        return own or self._work.index.directories_of(self._agent["id"]), others

    def _named_in_turn(self) -> list[TaskId]:
        """Return the tasks that are meant, from any of them on: claimers part."""
        named = sorted(self._within.tasks)
        first = int(self._work.clock.random() * len(named))
        return named[first:] + named[:first]

    def _nothing(self, snapshot: Snapshot, context: Context) -> GitcoordError:
        """Return what is waited for, after a scan of the tree itself."""
        from gitcoord.features.inspect import impact
        from gitcoord.features.inspect.waiting import NO_ROOM_KINDS, first_waiting, waiting_facts

        waiting: list[Waiting] = []
        retry_ms = []
        failed: list[str] = []
        is_over = True
        for task in snapshot.tasks():
            if not self._may_take(snapshot, task):
                continue
            phase = snapshot.phase(task["spec"]["phase"])
            is_landed = phase is None or phase["state"] == "landed" or "landed" in task
            if is_landed or task["state"] == "cancelled":
                continue
            if task["state"] == "failed":
                failed.append(task["id"])
                continue
            if task["state"] == "open" and is_blocked(snapshot, task, {}):
                continue
            is_over = False
            waiting.append(first_waiting(snapshot, task, context, self._agent["id"]))
            held = task["claim"]
            if held is not None:
                retry_ms.append(max(0, remaining_ms(held, context)))
            elif wait_ms(task["retry"], context):
                retry_ms.append(wait_ms(task["retry"], context))
            if len(set(waiting)) >= 5:
                break
        blocked = cast("Any", impact.blocked(self._work, snapshot))
        streams = [one for one in open_streams(snapshot) if self._within.has_phase(one)]
        if is_over and not streams:
            return _finished(failed, blocked)
        if is_over:
            waiting = [_more_to_come(streams)]
        after_s = min([RETRY_AFTER_S, *((ms + 50) / 1000 for ms in retry_ms)])
        reasons = list(dict.fromkeys(waiting))
        told = [one.sentence for one in reasons[:5]]
        return NothingReadyError(
            f"no task is ready for {self._agent['id']}: {'; '.join(told)}",
            hint="`gitcoord claim --wait` waits for the next one",
            retry_after=round(after_s, 3),
            **ends_of(snapshot, context, self._delays_ms),
            waiting_for=[waiting_facts(one) for one in reasons],
            blocked=blocked,
            no_room=any(one.kind in NO_ROOM_KINDS for one in reasons),
        )

    def _may_take(self, snapshot: Snapshot, task: TaskRecord) -> bool:
        pools = self._within.pools_of(self._agent)
        fits = (not pools or task["spec"]["pool"] in pools) and task["assigned"] in {
            None,
            self._agent["id"],
        }
        return fits and self._within.has(task) and fits_agent(snapshot, task, self._agent)


def _more_to_come(streams: list[PhaseId]) -> Waiting:
    """Return that a stream which is open may get more tasks."""
    from gitcoord.features.inspect.waiting import Waiting

    text = f"more may come into stream {', '.join(streams[:5])}"
    hint = f"`gitcoord phase close {streams[0]}` ends it"
    return Waiting("phase", tuple(streams), text, f"gitcoord phase close {streams[0]}", hint)


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
