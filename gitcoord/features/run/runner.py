"""Run a plan with one command per task: claim, work, commit, complete, land."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gitcoord.core import codec
from gitcoord.core.boundary import boundary_of
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    GitcoordError,
    NothingReadyError,
    PlanFinishedError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from gitcoord.core.leases import wait_ms
from gitcoord.features.inspect import facts
from gitcoord.features.land import landings
from gitcoord.features.land.target_moves import finish_pending
from gitcoord.features.run.reviews import Note, review_one
from gitcoord.features.setup import agents
from gitcoord.features.setup.trust import commands_of, require_trust
from gitcoord.features.work import claims, results
from gitcoord.features.work.beating import beating
from gitcoord.features.work.keepalive import Child
from gitcoord.features.work.wait import seconds_until_worth, wait_for_change
from gitcoord.features.workspace import Workspace, open_workspace, plan_of
from gitcoord.git.program import GitError
from gitcoord.git.worktrees import commit_paths, status_of
from gitcoord.host.clock import Clock

__all__ = ["Run", "run"]

POLL_S = 0.2
TAIL_BYTES = 2000


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
    ) -> None:
        self.start = start
        self.ledger = ledger
        self.command = command
        self.review = review
        self.tell = tell
        self.stop = threading.Event()
        self.landing = threading.Lock()
        self.hopeless: set[str] = set()
        self.errors: list[BaseException] = []


def run(
    work: Workspace,
    start: Path,
    command: list[str],
    jobs: int,
    tell: Callable[[Note], None],
    stop: threading.Event | None = None,
    review: str | None = None,
) -> Run:
    """Work on the plan with ``jobs`` agents until nothing is left to do.

    With ``review``, a shell command, they review each other's results.
    Every claim that is still held when it ends is released.
    """
    plan_of(work.ledger.snapshot())
    program = shutil.which(command[0])
    if program is None:
        raise UsageError(
            f"{command[0]!r} cannot be run: there is no such program",
            hint="name a program that exists, after `--`",
        )
    # Not after the third attempt at every task: now.
    require_trust(work, commands_of(work.ledger.snapshot()))
    # ./agent.sh is the caller's, wherever the worktrees are.
    shared = _Shared(
        start, work.ledger.name, [str(Path(program).absolute()), *command[1:]], tell, review
    )
    if stop is not None:
        shared.stop = stop
    finish_pending(work)
    names = [f"run-{number}" for number in range(1, jobs + 1)]
    for name in names:
        if work.ledger.snapshot().agent(name) is None:
            agents.add(work, name)
    ended = [_start(shared, name) for name in names]
    try:
        for event in ended:
            while not event.wait(POLL_S):
                pass
    except KeyboardInterrupt:
        shared.stop.set()
        for event in ended:
            event.wait()
        if not shared.errors:
            return _ended(work, is_interrupted=True)
    if shared.errors:
        raise shared.errors[0]
    _land_what_is_whole(work, shared)
    return _ended(work, is_interrupted=shared.stop.is_set())


def _ended(work: Workspace, *, is_interrupted: bool) -> Run:
    counts = facts.status(work)["counts"]
    return Run(
        not set(counts) - {"landed", "cancelled"} and not is_interrupted, is_interrupted, counts
    )


def _start(shared: _Shared, agent: str) -> threading.Event:
    """Start a worker; the event says that it is over.

    ``Thread.join`` cannot say it: before Python 3.13 an interrupted join
    takes the thread for ended while it still runs.
    """
    ended = threading.Event()

    def work() -> None:
        try:
            _guarded(shared, agent)
        finally:
            ended.set()

    threading.Thread(target=work, name=agent, daemon=True).start()
    return ended


def _guarded(shared: _Shared, agent: str) -> None:
    work = open_workspace(shared.start, shared.ledger)
    try:
        _work(shared, work, agent)
    except BaseException as error:  # noqa: BLE001 - shown by the main thread, which raises it again
        shared.errors.append(error)
        shared.stop.set()
    finally:
        work.close()


def _work(shared: _Shared, work: Workspace, agent: str) -> None:
    """Take one task after another until none is left."""
    session = f"run:{os.getpid()}:{Clock().token()[:8]}"
    while not shared.stop.is_set():
        tip = work.ledger.tip()
        try:
            claimed = claims.claim(work, agent, session=session)
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
                continue
            if _is_stuck(work):
                shared.tell(Note(agent, "", "idle", error.message))
                return
            wait_for_change(work, tip, seconds_until_worth(error, work.clock), shared.stop)
            continue
        except UnavailableError as error:
            shared.tell(Note(agent, "", "waits", error.message))
            continue
        _do(shared, work, agent, claimed)
        _land_what_is_whole(work, shared)


def _is_stuck(work: Workspace) -> bool:
    """Say whether nothing will ever come by waiting: others hold nothing."""
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


def _do(shared: _Shared, work: Workspace, agent: str, claimed: claims.Claimed) -> None:
    """Run the command for one claim, and hand in or give back what it left."""
    task, held = claimed.task, claimed.claim
    if claimed.checkout != "done" or claimed.worktree is None:
        results.release(
            work, agent, task["id"], held["token"], "its branch could not be checked out"
        )
        raise RefusedError(
            f"the worktree of {agent} cannot take the branch {held['branch']}",
            reason="uncommitted",
            hint=f"look at {claimed.worktree or 'its worktree'} by hand",
        )
    worktree = Path(claimed.worktree)
    shared.tell(Note(agent, task["id"], "claimed", task["spec"]["title"]))
    try:
        with beating(work, agent, held["token"]) as lost:
            _work_on(shared, work, agent, claimed, worktree, lost)
    except ClaimLostError as error:
        _keep_leftovers(worktree, agent, task["id"], held["attempt"])
        shared.tell(Note(agent, task["id"], "lost", error.message))
    except Exception:
        # No claim outlives the run, whatever it was that ended it.
        with suppress(GitcoordError):
            results.release(work, agent, task["id"], held["token"], "the run ended with an error")
        raise


def _work_on(
    shared: _Shared,
    work: Workspace,
    agent: str,
    claimed: claims.Claimed,
    worktree: Path,
    lost: threading.Event,
) -> None:
    """Run the command, and hand in or give back what it left.

    Raises:
        ClaimLostError: The claim was taken: the command was ended.

    """
    task, held = claimed.task, claimed.claim
    status, tail = _run_command(shared, work, agent, claimed, worktree, lost)
    if status is None:
        _keep_leftovers(worktree, agent, task["id"], held["attempt"])
        results.release(work, agent, task["id"], held["token"], "the run was interrupted")
        shared.tell(Note(agent, task["id"], "released", "interrupted"))
    elif status == 0:
        _hand_in(shared, work, agent, claimed, worktree)
    else:
        _keep_leftovers(worktree, agent, task["id"], held["attempt"])
        reason = f"the command ended with status {status}" + (f":\n{tail}" if tail else "")
        results.fail(work, agent, task["id"], held["token"], reason)
        shared.tell(
            Note(
                agent,
                task["id"],
                "failed",
                f"status {status}: {tail.strip().splitlines()[-1] if tail.strip() else ''}",
            )
        )


def _environment(claimed: claims.Claimed, agent: str, ledger: str) -> dict[str, str]:
    task = claimed.task
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
    return kept | {
        "GITCOORD_TASK": task["id"],
        "GITCOORD_TITLE": task["spec"]["title"],
        "GITCOORD_AGENT": agent,
        "GITCOORD_CLAIM": claimed.claim["token"],
        "GITCOORD_LEDGER": ledger,
        "GITCOORD_PATHS": "\n".join(task["spec"]["paths"] or []),
        "GITCOORD_SESSION": claimed.claim["session"],
    }


def _run_command(
    shared: _Shared,
    work: Workspace,
    agent: str,
    claimed: claims.Claimed,
    worktree: Path,
    lost: threading.Event,
) -> tuple[int | None, str]:
    """Run the command; return its status (None: interrupted) and its last output."""
    with tempfile.TemporaryFile() as output:
        child = Child(
            shared.command, worktree, _environment(claimed, agent, work.ledger.name), output
        )
        status: int | None = None
        try:
            while status is None and not shared.stop.is_set() and not lost.is_set():
                status = child.wait(POLL_S)
        finally:
            if status is None:
                child.end()
        if lost.is_set():
            raise ClaimLostError(
                f"the claim on task {claimed.task['id']} was taken over", hint="stop working on it"
            )
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - TAIL_BYTES))
        return status, codec.printable(output.read().decode("utf-8", "replace"), lines=True).strip()


def _hand_in(
    shared: _Shared, work: Workspace, agent: str, claimed: claims.Claimed, worktree: Path
) -> None:
    task, held = claimed.task, claimed.claim
    snapshot = work.ledger.snapshot()
    boundary = boundary_of(snapshot, task, snapshot.agent(agent))
    changed = status_of(worktree)
    allowed = [path for path in changed if boundary.allows(path)]
    outside = [path for path in changed if path not in set(allowed)]
    try:
        message = (
            f"{task['spec']['title']}\n\nGitcoord-Task: {task['id']}\nGitcoord-Attempt: "
            f"{held['attempt']}\n"
        )
        commit_paths(
            worktree, allowed, message, (agent, f"{agent}@{work.ledger.name}.gitcoord.invalid")
        )
        if outside:
            raise RefusedError(
                f"the command wrote outside the task's paths: {', '.join(outside[:5])}",
                reason="boundary",
            )
        done = results.complete(work, agent, task["id"], held["token"])
        shared.tell(
            Note(
                agent, task["id"], "completed" if done.task["state"] == "done" else "in review", ""
            )
        )
    except (RefusedError, GitError) as error:
        _keep_leftovers(worktree, agent, task["id"], held["attempt"])
        text = error.message if isinstance(error, RefusedError) else str(error)
        results.fail(work, agent, task["id"], held["token"], codec.cut(text, 3000))
        shared.tell(Note(agent, task["id"], "failed", text))


def _keep_leftovers(worktree: Path, agent: str, task: str, attempt: int) -> None:
    """Commit what a command left on its attempt's branch, so that nothing is lost."""
    try:
        commit_paths(
            worktree,
            status_of(worktree),
            f"Keep what attempt {attempt} at task {task} left\n",
            (agent, f"{agent}@gitcoord.invalid"),
            hooks=False,
        )
    except GitError:
        return


def _land_what_is_whole(work: Workspace, shared: _Shared) -> bool:
    """Land every phase that is whole; True if one landed or was reopened."""
    with shared.landing:
        is_moved = False
        for phase in facts.status(work)["phases"]:
            if not phase["is_landable"] or phase["id"] in shared.hopeless:
                continue
            try:
                landed = landings.land(work, phase["id"])
            except RefusedError as error:
                if error.reason not in {"conflict", "not-whole", "gate", "gates-required"}:
                    raise
                shared.tell(Note("", phase["id"], "not landed", error.message))
                is_reopened = error.reason == "conflict" or bool(error.facts.get("tasks"))
                is_moved |= is_reopened
                if error.reason.startswith("gate") and not is_reopened:
                    shared.hopeless.add(phase["id"])
                continue
            shared.tell(
                Note("", phase["id"], "landed", f"{landed.results} results on {landed.target}")
            )
            is_moved = True
        return is_moved
