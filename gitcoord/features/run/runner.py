"""Run a plan with one command per task: claim, work, commit, complete, land."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gitcoord.core.errors import GitcoordError, RefusedError, UsageError
from gitcoord.core.ids import NO_AGENT, NO_TASK, AgentId, Oid
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.land.target_moves import finish_pending
from gitcoord.features.names import named_phase, named_task
from gitcoord.features.prepared import failed_setup, refuse_failed
from gitcoord.features.run.assistants import Assistant, Crew, require_trusted_hooks
from gitcoord.features.run.begun import Begun, slot
from gitcoord.features.run.crew import Shared, Workers
from gitcoord.features.run.ending import Run, ended_run
from gitcoord.features.run.landing import land_what_is_whole
from gitcoord.features.run.notify import notifying
from gitcoord.features.run.order import USUAL, Order
from gitcoord.features.run.pilot import pilot_scope, verdict_on
from gitcoord.features.run.reviewing import review_all
from gitcoord.features.run.reviews import Note
from gitcoord.features.run.worker import Worker, assistant_of
from gitcoord.features.setup import agents
from gitcoord.features.setup.preparing import prepare_again
from gitcoord.features.setup.trust import commands_of, require_trust
from gitcoord.features.work.choices import Scope
from gitcoord.features.workspace import Workspace, open_workspace, plan_of
from gitcoord.git.program import GitError
from gitcoord.host.seats import machine_seats
from gitcoord.ledger.redaction import redactor

__all__ = ["Crew", "Run", "run"]


def run(
    work: Workspace,
    start: Path,
    command: list[str],
    jobs: int,
    tell: Callable[[Note], None],
    stop: threading.Event | None = None,
    review: str | None = None,
    crew: Crew | None = None,
    order: Order = USUAL,
) -> Run:
    """Work on the plan with ``jobs`` agents until nothing is left to do.

    With assistants in the ``crew`` these work in place of the command, in turn
    where there are several. With ``review``, a shell command, agents review
    each other's results.
    ``order`` says what else is wanted: which tasks, a pace, a pilot, bounds. A
    pool with a command of its own gets that. Every claim that is still held
    when it ends is released.
    """
    snapshot = work.ledger.snapshot()
    plan_of(snapshot)
    order = order._replace(within=_named(work, snapshot, order.within))
    crew = crew or Crew()
    _require_command(snapshot, command, crew, order)
    redactor()  # what it says has to be readable before anything prints
    if command:
        command = _found(command)
    # Not after the third attempt at every task: now.
    require_trust(work, commands_of(snapshot))
    stop = stop or threading.Event()
    shared = Shared(start, work.ledger.name, command, tell, stop, review, crew, order)
    shared.means.spending.require_countable(work, [*crew.assistants, *crew.reviewers])
    begun = Begun(work)
    with notifying(
        start, work.ledger.name, lambda text: tell(Note(NO_AGENT, NO_TASK, "notify", text))
    ):
        finish_pending(work)
        try:
            for note in begun.begin(work, command):
                tell(note)
            return _Running(shared, work, begun, jobs).run()
        finally:
            begun.end()


def _named(work: Workspace, snapshot: Snapshot, within: Scope) -> Scope:
    """Return a scope with every phase and task in full.

    Raises:
        NotFoundError: There is no such phase or task.
        UsageError: Several begin so.

    """
    phases = frozenset(named_phase(snapshot, name)["id"] for name in within.phases)
    tasks = frozenset(named_task(work, snapshot, name)["id"] for name in within.tasks)
    return within._replace(phases=phases, tasks=tasks)


def _require_command(snapshot: Snapshot, command: list[str], crew: Crew, order: Order) -> None:
    """Refuse a run that has nothing to start for some of its tasks.

    Raises:
        UsageError: The pool is named.

    """
    if command or crew.assistants:
        return
    pools = plan_of(snapshot)["pools"]
    for task in snapshot.tasks():
        if task["state"] in {"open", "claimed"} and order.within.has(task):
            pool = task["spec"]["pool"]
            if "command" not in pools[pool]:
                raise UsageError(
                    f"nothing works on the tasks of pool {pool}",
                    hint="give a command after `--`, an --assistant, or the pool a command",
                )


def _found(command: list[str]) -> list[str]:
    """Return a command with the place of its program.

    ./agent.sh is the caller's, wherever the worktrees are.
    """
    program = shutil.which(command[0])
    if program is None:
        raise UsageError(
            f"{command[0]!r} cannot be run: there is no such program",
            hint="name a program that exists, after `--`",
        )
    return [str(Path(program).absolute()), *command[1:]]


class _Running:
    """One run, from its first agent to its last."""

    def __init__(self, shared: Shared, work: Workspace, begun: Begun, jobs: int) -> None:
        self._shared = shared
        self._work = work
        self._begun = begun
        self._jobs = jobs
        self._names: list[AgentId] = []

    def run(self) -> Run:
        """Work on the pilot if one is wanted, and on the rest if that went well."""
        shared, order = self._shared, self._shared.order
        since = self._work.ledger.snapshot().oid
        missed: list[str] = []
        stopped = ""
        is_interrupted = False
        if order.pilot:
            shared.within = pilot_scope(self._work, order.within, order.pilot)
            is_interrupted = self._stage()
            side_by_side = min(len(shared.within.tasks), len(self._names))
            shared.within = order.within
            if not shared.takes_no_more:
                missed = self._judge_pilot(since, side_by_side)
                if order.after_pilot == "stop" or (missed and order.after_pilot == "judge"):
                    stopped = "pilot"
        if not stopped and not shared.takes_no_more:
            is_interrupted = self._stage()
        if shared.stopped_by_failures:
            stopped = "failures"
        if shared.errors and not (is_interrupted and isinstance(shared.errors[0], GitError)):
            raise shared.errors[0]
        if not is_interrupted:
            # What stood in the way of a landing may be gone since.
            shared.hopeless.clear()
            land_what_is_whole(self._work, shared, is_last=True)
        return ended_run(
            self._work,
            order.within,
            since,
            is_interrupted=shared.stop.is_set(),
            landed=shared.landed,
            stopped=stopped,
            missed=missed,
        )

    def _judge_pilot(self, since: Oid, side_by_side: int) -> list[str]:
        verdict = verdict_on(self._work, since, side_by_side)
        self._shared.tell(verdict.note)
        return verdict.missed

    def _stage(self) -> bool:
        """Let agents work until nothing is left to do; return whether Ctrl-C stopped them."""
        shared = self._shared
        workers = Workers(shared, self._work_as)
        jobs = self._jobs
        if shared.pace is not None:
            jobs = shared.pace.jobs
        names = self._ready_agents(jobs)
        self._require_hooks()
        for name, reviewer in shared.reviewers.items():
            _prepare_reviewer(self._work, name, reviewer)
            require_trusted_hooks(reviewer, shared.start)
        for position, name in enumerate(names, 1):
            workers.start(name, position)
        for name in shared.reviewers:
            workers.start_reviewer(name, lambda name: self._review_as(name, workers))
        return workers.wait(self._further_agent_at)

    def _ready_agents(self, count: int) -> list[AgentId]:
        """Return the agents to begin with; one whose setup fails is told, and left out.

        Raises:
            RefusedError: The setup failed for every one of them.

        """
        failed: list[RefusedError] = []
        while len(self._names) + len(failed) < count:
            try:
                self._agent_at(len(self._names) + 1)
            except RefusedError as error:
                if error.reason != "worktree":
                    raise
                failed.append(error)
                self._shared.tell(Note(NO_AGENT, NO_TASK, "setup", error.message))
        if failed and not self._names:
            raise failed[0]
        return self._names[:count]

    def _agent_at(self, position: int) -> AgentId:
        """Return the agent of a position, from 1, with a worktree."""
        while len(self._names) < position:
            name = self._begun.name()
            _prepare(self._work, name)
            self._names.append(name)
        return self._names[position - 1]

    def _further_agent_at(self, position: int) -> AgentId | None:
        """Return an agent more; None where it cannot be had, which bounds the pace."""
        try:
            return self._agent_at(position)
        except (GitcoordError, GitError, OSError) as error:
            pace = self._shared.pace
            assert pace is not None
            high = max(pace.low, position - 1)
            self._shared.pace = pace._replace(high=high, jobs=min(pace.jobs, high))
            self._shared.tell(Note(NO_AGENT, NO_TASK, "pace", f"no further agent: {error}"))
            return None

    def _require_hooks(self) -> None:
        """Refuse a run whose hooks an assistant would pass over, before anything is claimed."""
        asked: set[str] = set()
        for name in self._names:
            assistant = assistant_of(self._shared, name)
            worktree = self._work.worktree_of(name)
            if assistant is None or worktree is None or assistant.name in asked:
                continue
            asked.add(assistant.name)
            require_trusted_hooks(assistant, worktree)

    def _work_as(self, agent: AgentId, position: int) -> None:
        """Work as one agent, in a thread of its own."""
        with self._opened() as work:
            seat = slot(machine_seats())
            try:
                Worker(self._shared, work, agent, position, seat.number).work()
            finally:
                seat.leave()

    def _review_as(self, agent: AgentId, workers: Workers) -> None:
        """Review as one agent, in a thread of its own."""
        with self._opened() as work:
            review_all(self._shared, work, agent, workers)

    @contextmanager
    def _opened(self) -> Iterator[Workspace]:
        """Open a workspace for a thread; what goes wrong there ends the run."""
        shared = self._shared
        work = open_workspace(shared.start, shared.ledger)
        work.is_over = shared.stop.is_set
        try:
            yield work
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            shared.errors.append(error)
            shared.stop.set()
        finally:
            work.close()


def _prepare_reviewer(work: Workspace, name: AgentId, assistant: Assistant) -> None:
    """Add an agent that reviews; where a pool has its assistant's name it verifies for that."""
    if work.ledger.snapshot().agent(name) is None:
        pools = [one for one in plan_of(work.ledger.snapshot())["pools"] if one == assistant.name]
        agents.add(work, name, pools=pools, no_worktree=True)


def _prepare(work: Workspace, name: AgentId) -> None:
    """Add an agent of the run, or give it back a worktree that is not there.

    A run that was killed may have come no further than the agent's entry. A
    setup that failed then is run again.

    Raises:
        RefusedError: ``worktree``: the plan's setup failed there.

    """
    known = work.ledger.snapshot().agent(name)
    lacks = known is not None and known["worktree"] and work.worktree_of(name) is None
    if known is None or lacks:
        agents.add(work, name)
    elif failed_setup(work, name):
        prepare_again(work, [name])
    refuse_failed(work, name)
