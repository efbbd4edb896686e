"""Run a plan with one command per task: claim, work, commit, complete, land."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from gitcoord.core.errors import (
    ConflictError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from gitcoord.core.ids import NO_AGENT, NO_TASK, AgentId, Oid, TaskId
from gitcoord.core.leases import wait_ms
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.land.target_moves import finish_pending
from gitcoord.features.run.assistants import Assistant, Crew, require_trusted_hooks
from gitcoord.features.run.attempts import Job, Means, work_on
from gitcoord.features.run.limits import Limits
from gitcoord.features.run.notify import notifying
from gitcoord.features.run.review_assistants import Reviewer, review_with
from gitcoord.features.run.reviews import Note, review_one
from gitcoord.features.run.spending import Spending, load_prices
from gitcoord.features.setup import agents
from gitcoord.features.setup.trust import commands_of, require_trust
from gitcoord.features.work import claims, results
from gitcoord.features.work.wait import seconds_until_worth, wait_for_change
from gitcoord.features.workspace import Workspace, open_workspace, plan_of
from gitcoord.git.program import GitError
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.strays import descendants

__all__ = ["Crew", "Run", "run"]

POLL_S = 0.2
LAST_S = 5.0
REVIEW_POLL_S = 2.0
MAX_VAIN_REVIEWS = 3
"""How often in a row a reviewer may end without a verdict."""


class Run(NamedTuple):
    """How a run ended."""

    is_landed: bool
    is_interrupted: bool
    counts: dict[str, int]


class _Shared:
    """What the workers of one run share."""

    def __init__(
        self,
        start: Path,
        ledger: str,
        command: list[str],
        tell: Callable[[Note], None],
        review: str | None,
        crew: Crew,
    ) -> None:
        self.reviewers = {
            AgentId(f"run-review-{at}"): one for at, one in enumerate(crew.reviewers, 1)
        }
        self.idle: dict[str, Oid | None] = {}
        self.left: set[str] = set()
        self.assistants = crew.assistants
        names = frozenset(one.name for one in crew.assistants)
        self.means = Means(Limits(), Spending(crew.budget, load_prices()), names)
        self.start = start
        self.ledger = ledger
        self.command = command
        self.review = review
        self.tell = tell
        self.stop = threading.Event()
        self.landing = threading.Lock()
        self.hopeless: set[str] = set()
        self.errors: list[BaseException] = []
        self.waits: dict[str, str] = {}

    def tell_waiting(self, agent: AgentId, text: str) -> None:
        """Tell what an agent waits for, once for as long as it stays the same."""
        if self.waits.get(agent) != text:
            self.waits[agent] = text
            if text:
                self.tell(Note(agent, TaskId(""), "waits", text))


def run(
    work: Workspace,
    start: Path,
    command: list[str],
    jobs: int,
    tell: Callable[[Note], None],
    stop: threading.Event | None = None,
    review: str | None = None,
    crew: Crew | None = None,
) -> Run:
    """Work on the plan with ``jobs`` agents until nothing is left to do.

    With assistants in the ``crew`` these work in place of the command, in turn
    where there are several. With ``review``, a shell command, agents review
    each other's results.
    Every claim that is still held when it ends is released.
    """
    plan_of(work.ledger.snapshot())
    crew = crew or Crew()
    if not crew.assistants:
        command = _found(command)
    # Not after the third attempt at every task: now.
    require_trust(work, commands_of(work.ledger.snapshot()))
    shared = _Shared(start, work.ledger.name, command, tell, review, crew)
    shared.means.spending.require_countable(work, [*crew.assistants, *crew.reviewers])
    if stop is not None:
        shared.stop = stop
    with notifying(
        start, work.ledger.name, lambda text: tell(Note(NO_AGENT, NO_TASK, "notify", text))
    ):
        finish_pending(work)
        return _run(shared, work, [AgentId(f"run-{number}") for number in range(1, jobs + 1)])


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


def _assistant_of(shared: _Shared, agent: AgentId) -> Assistant | None:
    """Return which assistant an agent of a run is, if any is."""
    if not shared.assistants:
        return None
    number = int(agent.rpartition("-")[2])
    return shared.assistants[(number - 1) % len(shared.assistants)]


def _require_hooks(shared: _Shared, work: Workspace, names: list[AgentId]) -> None:
    """Refuse a run whose hooks an assistant would pass over, before anything is claimed."""
    asked: set[str] = set()
    for name in names:
        assistant, worktree = _assistant_of(shared, name), work.worktree_of(name)
        if assistant is None or worktree is None or assistant.name in asked:
            continue
        asked.add(assistant.name)
        require_trusted_hooks(assistant, worktree)


def _run(shared: _Shared, work: Workspace, names: list[AgentId]) -> Run:
    """Let agents of these names work until nothing is left to do."""
    for name in names:
        _prepare(work, name)
    _require_hooks(shared, work, names)
    for name, reviewer in shared.reviewers.items():
        _prepare_reviewer(work, name, reviewer)
        require_trusted_hooks(reviewer, shared.start)
    workers = [_start(shared, name) for name in names]
    ended = [*workers, *(_start(shared, name, workers) for name in shared.reviewers)]
    is_interrupted = _wait(shared, ended)
    if shared.errors and not (is_interrupted and isinstance(shared.errors[0], GitError)):
        raise shared.errors[0]
    if not is_interrupted:
        # What stood in the way of a landing may be gone by now.
        shared.hopeless.clear()
        _land_what_is_whole(work, shared, is_last=True)
    return _ended(work, is_interrupted=shared.stop.is_set())


def _prepare_reviewer(work: Workspace, name: AgentId, assistant: Assistant) -> None:
    """Add an agent that reviews; where a pool has its assistant's name it verifies for that."""
    if work.ledger.snapshot().agent(name) is None:
        pools = [one for one in plan_of(work.ledger.snapshot())["pools"] if one == assistant.name]
        agents.add(work, name, pools=pools, no_worktree=True)


def _prepare(work: Workspace, name: AgentId) -> None:
    """Add an agent of the run, or give it back a worktree that is not there.

    A run that was killed may have come no further than the agent's entry.
    """
    known = work.ledger.snapshot().agent(name)
    lacks = known is not None and known["worktree"] and work.worktree_of(name) is None
    if known is None or lacks:
        agents.add(work, name)


@contextmanager
def _counted_interrupts() -> Iterator[list[int]]:
    """Count Ctrl-C instead of raising: an exception could come anywhere, and twice."""
    counted: list[int] = []
    old = signal.getsignal(signal.SIGINT)
    if old is not signal.default_int_handler or threading.current_thread().name != "MainThread":
        yield counted
        return
    signal.signal(signal.SIGINT, lambda number, _frame: counted.append(number))
    try:
        yield counted
    finally:
        signal.signal(signal.SIGINT, old)


def _wait(shared: _Shared, ended: list[threading.Event]) -> bool:
    """Wait for the workers; return whether Ctrl-C stopped them.

    Raises:
        KeyboardInterrupt: It came twice: everything that was left was ended.

    """
    with _counted_interrupts() as interrupts:
        while not all(event.is_set() for event in ended):
            for event in ended:
                event.wait(POLL_S / len(ended))
            if interrupts and not shared.stop.is_set():
                shared.stop.set()
                shared.tell(
                    Note(
                        AgentId(""),
                        TaskId(""),
                        "stopping",
                        "Ctrl-C again ends at once whatever is left",
                    )
                )
            if len(interrupts) > 1:
                _end_everything(shared, ended)
                raise KeyboardInterrupt
        return bool(interrupts)


def _end_everything(shared: _Shared, ended: list[threading.Event]) -> None:
    """Kill every process below this one, and say what that leaves behind."""
    killed = descendants(os.getpid())
    for pid in killed:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    deadline = Deadline(Clock(), LAST_S)
    for event in ended:
        event.wait(deadline.remaining())
    text = f"{len(killed)} process(es) were killed"
    if not all(event.is_set() for event in ended):
        text += "; claims that are still held end with their leases"
    shared.tell(Note(AgentId(""), TaskId(""), "ended", text))


def _ended(work: Workspace, *, is_interrupted: bool) -> Run:
    counts = facts.status(work)["counts"]
    return Run(
        not set(counts) - {"landed", "cancelled"} and not is_interrupted, is_interrupted, counts
    )


def _start(
    shared: _Shared, agent: AgentId, workers: Sequence[threading.Event] = ()
) -> threading.Event:
    """Start a worker, or a reviewer of what ``workers`` do; the event says that it is over.

    ``Thread.join`` cannot say it: before Python 3.13 an interrupted join
    takes the thread for ended while it still runs.
    """
    ended = threading.Event()

    def work() -> None:
        try:
            _guarded(shared, agent, workers)
        finally:
            ended.set()

    threading.Thread(target=work, name=agent, daemon=True).start()
    return ended


def _guarded(shared: _Shared, agent: AgentId, workers: Sequence[threading.Event]) -> None:
    work = open_workspace(shared.start, shared.ledger)
    work.is_over = shared.stop.is_set
    try:
        if agent in shared.reviewers:
            _review(shared, work, agent, workers)
        else:
            _work(shared, work, agent)
    except BaseException as error:  # noqa: BLE001 - shown by the main thread, which raises it again
        shared.errors.append(error)
        shared.stop.set()
    finally:
        work.close()


def _work(shared: _Shared, work: Workspace, agent: AgentId) -> None:
    """Take one task after another until none is left."""
    session = f"run:{os.getpid()}:{Clock().token()[:8]}"
    asked_ns = work.clock.monotonic_ns()
    assistant = _assistant_of(shared, agent)
    while not shared.stop.is_set():
        tip = work.ledger.tip()
        if assistant is not None and _is_budget_used_up(shared, work, agent):
            return
        if assistant is not None and _has_rested(shared, work, agent, assistant):
            continue
        try:
            claimed = claims.claim(work, agent, session=session, is_waiting=True, asked_ns=asked_ns)
        except PlanFinishedError:
            _land_what_is_whole(work, shared)
            return
        except (NothingReadyError, ConflictError) as error:
            # Another worker may have landed the phase that we waited for.
            if _land_what_is_whole(work, shared) or work.ledger.tip() != tip:
                continue
            if shared.review is not None and review_one(
                work, agent, session, shared.review, shared.stop.is_set, shared.tell
            ):
                asked_ns = work.clock.monotonic_ns()
                continue
            if _is_stuck(work) and not _is_reviewing(shared, work):
                shared.tell(Note(agent, TaskId(""), "idle", error.message))
                return
            shared.tell_waiting(agent, _foreign(work))
            until_s = seconds_until_worth(error, work.clock)
            if shared.reviewers:
                until_s = min(until_s, REVIEW_POLL_S)
            wait_for_change(work, tip, until_s, shared.stop)
            continue
        except UnavailableError as error:
            shared.tell(Note(agent, TaskId(""), "waits", error.message))
            continue
        except RefusedError as error:
            shared.tell(Note(agent, TaskId(""), "leaves", error.message))
            return
        if claimed.reissued:
            # A run that was killed held it. What that left is kept; this one begins anew.
            token, why = claimed.claim["token"], "the run that held it was killed"
            results.release(work, agent, claimed.task["id"], token, why)
            continue
        job = Job(
            work, agent, shared.command, shared.stop.is_set, shared.tell, assistant, shared.means
        )
        if not work_on(job, claimed):
            return
        asked_ns = work.clock.monotonic_ns()
        _land_what_is_whole(work, shared)


def _review(
    shared: _Shared, work: Workspace, agent: AgentId, workers: Sequence[threading.Event]
) -> None:
    """Review one result after another, until those who work have ended."""
    assistant = shared.reviewers[agent]
    session = f"run:{os.getpid()}:{Clock().token()[:8]}"
    stop, means = shared.stop.is_set, shared.means
    reviewer = Reviewer(work, agent, session, assistant, means, stop, shared.tell)
    vain = 0
    while not shared.stop.is_set() and vain < MAX_VAIN_REVIEWS:
        tip = work.ledger.tip()
        if _is_budget_used_up(shared, work, agent):
            break
        left_s = means.limits.left_s(assistant.name, work.clock)
        what = ""
        if not left_s:
            what = review_with(reviewer)
        if what:
            vain = (vain + 1) * (what == "no verdict")
            _land_what_is_whole(work, shared)
            continue
        if not left_s:
            shared.idle[agent] = tip
        if all(one.is_set() for one in workers):
            break
        wait_for_change(work, tip, REVIEW_POLL_S, shared.stop)
    shared.left.add(agent)


def _is_reviewing(shared: _Shared, work: Workspace) -> bool:
    """Return whether a reviewer may still have something to judge at this tip."""
    tip = work.ledger.tip()
    return any(shared.idle.get(name) != tip for name in shared.reviewers if name not in shared.left)


def _has_rested(shared: _Shared, work: Workspace, agent: AgentId, assistant: Assistant) -> bool:
    """Wait where an assistant is at its limit while there is work; return whether that was so."""
    tip, means = work.ledger.tip(), shared.means
    left_s = means.limits.left_s(assistant.name, work.clock)
    if not left_s or not _is_work_left(work):
        return False
    others = means.names - {assistant.name}
    shared.tell_waiting(agent, means.limits.told(assistant.name, others, work.clock))
    wait_for_change(work, tip, left_s, shared.stop)
    return True


def _is_budget_used_up(shared: _Shared, work: Workspace, agent: AgentId) -> bool:
    """Return whether nothing may be started any more; the orchestrator is told, once."""
    used = shared.means.spending.used_up(work)
    if used:
        shared.means.spending.escalate(work, agent, used)
        shared.tell(Note(agent, TaskId(""), "leaves", f"the budget is used up: {used}"))
    return bool(used)


def _is_work_left(work: Workspace) -> bool:
    """Return whether some task may still be claimed, or reopened."""
    over = {"landed", "cancelled", "failed", "blocked"}
    return bool(set(facts.status(work)["counts"]) - over)


def _foreign(work: Workspace) -> str:
    """Return which claims of others a run waits for, and what can be done."""
    held = [
        (task["id"], task["claim"]["agent"])
        for task in work.ledger.snapshot().live()
        if task["claim"] and not task["claim"]["agent"].startswith("run-")
    ]
    if not held:
        return ""
    named = ", ".join(f"{task} by {agent}" for task, agent in held[:5])
    return (
        f"claims of others, not of this run: {named}; `gitcoord show {held[0][0]}` shows how far "
        f"it is, `gitcoord assign {held[0][0]} -` takes it away"
    )


def _is_stuck(work: Workspace) -> bool:
    """Return whether nothing will ever come by waiting: others hold nothing."""
    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    if snapshot.live():
        return False
    work.index.update(work.store, snapshot.oid)
    for name, state in work.index.listed():
        task = snapshot.require_task(name)
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
            return assigned is not None and not assigned.startswith("run-")
    return True


def _land_what_is_whole(work: Workspace, shared: _Shared, *, is_last: bool = False) -> bool:
    """Land every phase that is whole; True if one landed or was reopened.

    A stream's batch waits until it is due, unless nothing comes any more.

    What forbids a landing is told, and is not the end of the others' work.
    """
    with shared.landing:
        is_moved = False
        for phase in facts.status(work)["phases"]:
            if not phase["is_landable"] or phase["id"] in shared.hopeless:
                continue
            if shared.stop.is_set():
                break
            if not (is_last or landings.is_batch_due(work, phase["id"])):
                continue
            try:
                landed = landings.land(work, phase["id"])
            except UnavailableError as error:
                if not shared.stop.is_set():
                    shared.tell(Note(AgentId(""), phase["id"], "not landed", error.message))
                continue
            except RefusedError as error:
                shared.tell(Note(AgentId(""), phase["id"], "not landed", error.message))
                is_reopened = error.reason == "conflict" or bool(error.facts.get("tasks"))
                is_moved |= is_reopened
                if not is_reopened and error.reason not in {"not-whole", "nothing-to-do"}:
                    shared.hopeless.add(phase["id"])
                continue
            shared.tell(
                Note(
                    AgentId(""),
                    phase["id"],
                    "landed",
                    f"{landed.results} results on {landed.target}",
                )
            )
            is_moved = True
        return is_moved
