"""Work on one claim with the run's command, and hand in or keep what it left.

The command's environment is as clean as a check's. Its work is committed with the
user's hooks and signature and handed in; whatever cannot be handed in is kept on the
attempt's branch, so that the worktree is clean when the next task comes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from gitcoord.core import codec, ids
from gitcoord.core.assistant_output import Told, read_output
from gitcoord.core.boundary import boundary_of
from gitcoord.core.errors import ClaimLostError, GitcoordError, RefusedError, UnavailableError
from gitcoord.core.ids import AgentId
from gitcoord.core.model import Resume, Said, Why
from gitcoord.core.operations.releases import MAX_DELAY_MS
from gitcoord.core.plan_limits import LIMIT_WAIT_MS
from gitcoord.core.sentences import said, words
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.texts import first_line
from gitcoord.core.times import instant
from gitcoord.features.assist.standing import BRIEFED
from gitcoord.features.run.assistants import Assistant, path_with_ours
from gitcoord.features.run.handing import Handing
from gitcoord.features.run.limits import Limits, Patience, until_of
from gitcoord.features.run.resources import NO_BOUNDS, Resources
from gitcoord.features.run.reviews import Note
from gitcoord.features.run.usages import Spending
from gitcoord.features.run.variables import variables_of
from gitcoord.features.run.watching import NO_LIMIT, TimeLimit, Watch
from gitcoord.features.work import results
from gitcoord.features.work.beating import beating
from gitcoord.features.work.claims import Claimed
from gitcoord.features.work.keepalive import Child
from gitcoord.features.workspace import Workspace, plan_of
from gitcoord.git.commits import commit_paths
from gitcoord.git.local_changes import changed_paths, changes_of, untracked_repositories
from gitcoord.git.occupied import Attempt, end_leftover_processes, occupy, vacate
from gitcoord.git.program import GitError, inherited
from gitcoord.git.salvage import Kept, return_to_branch
from gitcoord.git.unfinished import find_unfinished
from gitcoord.host.clock import Deadline
from gitcoord.ledger.logs import MAX_LOG_BYTES

__all__ = ["Ending", "Job", "Means", "work_on"]

Ending = Literal["handed-in", "failed", "given-back", "no-worktree"]
"""How an attempt ended."""

POLL_S = 0.2
LINGER_S = 60.0
"""How long an assistant may go on after its claim has ended."""
TAIL_BYTES = 2000
MAX_REASON_CHARS = 3000


class Job(NamedTuple):
    """What a worker of a run works with."""

    work: Workspace
    agent: AgentId
    command: list[str]
    is_over: Callable[[], bool]
    tell: Callable[[Note], None]
    assistant: Assistant | None = None
    """Who works in place of a command: it hands in itself."""
    means: Means | None = None
    """What the assistants of the run share."""
    limit: TimeLimit = NO_LIMIT
    ends_hung: bool = False
    """Whether a command that leaves no trace of work is ended, and not only told."""
    resources: Resources = NO_BOUNDS
    slot: int | None = None
    """A number that no other agent of a run has on this machine now."""
    handing: Handing = Handing()


class Means(NamedTuple):
    """What the assistants of a run share: usage limits, a budget, and their names."""

    limits: Limits
    spending: Spending
    names: frozenset[str]


class _Ended(NamedTuple):
    """How the command ended (status None: it was ended, and why), and what it said last."""

    status: int | None
    log: bytes
    why: Said | None = None

    @property
    def tail(self) -> str:
        text = self.log[-TAIL_BYTES:].decode("utf-8", "replace")
        return codec.printable(text, lines=True).strip()


class _NotHandedInError(Exception):
    """Raised when what the command left is not what may be handed in."""

    def __init__(self, why: Said) -> None:
        super().__init__(why["code"])
        self.said = why


def work_on(job: Job, claimed: Claimed) -> Ending:
    """Run the command for one claim, and return how that ended.

    The claim is completed, failed or released when this returns or raises, save
    where the ledger could not be reached: then its lease runs out.
    """
    task, token = claimed.task["id"], claimed.claim["token"]
    if claimed.checkout != "done" or claimed.worktree is None:
        problem = claimed.problem or "it has no worktree"
        results.release(job.work, job.agent, task, token, said("no-checkout"))
        job.tell(Note(job.agent, task, "released", f"its branch cannot be checked out: {problem}"))
        return "no-worktree"
    worktree = Path(claimed.worktree)
    job.tell(Note(job.agent, task, "claimed", claimed.task["spec"]["title"]))
    attempt = Attempt(job.agent, task, claimed.claim["attempt"], token, claimed.claim["branch"])
    try:
        occupy(worktree, attempt)
        if job.assistant is not None:
            return _assisted(job, job.assistant, claimed, worktree, attempt)
        return _attempt(job, claimed, worktree, attempt)
    except ClaimLostError as error:
        _keep(job, worktree, attempt)
        job.tell(Note(job.agent, task, "lost", error.message))
    except UnavailableError as error:
        _keep(job, worktree, attempt)
        why: Why = codec.cut(error.message, 1000)
        if job.is_over():
            why = said("interrupted")
        with suppress(UnavailableError):
            results.release(job.work, job.agent, task, token, why)
        job.tell(Note(job.agent, task, "released", "interrupted" if job.is_over() else words(why)))
    except Exception:
        # No claim outlives the run, whatever it was that ended it.
        _keep(job, worktree, attempt)
        with suppress(GitcoordError):
            results.release(job.work, job.agent, task, token, said("run-broke"))
        raise
    return "given-back"


def _attempt(job: Job, claimed: Claimed, worktree: Path, attempt: Attempt) -> Ending:
    """Run the command and hand in its work, beating all the while."""
    # What differs before the command starts is not its doing.
    before = set(changed_paths(worktree))
    with beating(job.work, job.agent, attempt.token, _unheard(job, attempt)) as lost:

        def is_over() -> bool:
            return lost.is_set() or job.is_over()

        ended = _run_command(job, job.command, claimed, worktree, attempt, is_over)
        if (ended.status is None and ended.why is None) or is_over():
            raise _stopped(attempt, is_lost=lost.is_set())
        why: Why = ""
        if ended.why is not None:
            why = _with_output(ended.why, ended)
        elif ended.status != 0:
            why = said("command-failed", status=ended.status, output=ended.tail)
        else:
            try:
                end_leftover_processes(worktree, attempt)
                _hand_in(job, claimed, worktree, before, is_over)
            except UnavailableError:
                if lost.is_set():
                    raise _stopped(attempt, is_lost=True) from None
                raise
            except _NotHandedInError as error:
                why = error.said
            except RefusedError as error:
                why = codec.cut(error.message, MAX_REASON_CHARS)
                if error.reason == "empty-result":
                    why = said("changed-nothing")
            except (GitError, TimeoutError) as error:
                why = codec.cut(str(error), MAX_REASON_CHARS)
        kept = _keep(job, worktree, attempt)
    if not why:
        return "handed-in"
    _fail(job, attempt, ended, _with_kept(why, kept))
    return "failed"


def _unheard(job: Job, attempt: Attempt) -> Callable[[str], None]:
    """Return what tells of a claim whose beats are not taken."""
    return lambda text: job.tell(Note(job.agent, attempt.task, "not heard", text))


def _assisted(
    job: Job, assistant: Assistant, claimed: Claimed, worktree: Path, attempt: Attempt
) -> Ending:
    """Let an assistant work on the claim, and judge what it did by the ledger alone.

    It ends its claim itself. Neither its exit status nor what it says of its
    success counts: a claim that it left open has failed.
    """
    session = assistant.session_of(claimed.task.get("resume"))
    patience = Patience(plan_of(job.work.ledger.snapshot()), job.work.clock)
    with beating(job.work, job.agent, attempt.token, _unheard(job, attempt)) as lost:
        lingering: list[Deadline] = []

        def is_over() -> bool:
            if not lost.is_set() or job.is_over():
                return job.is_over()
            # The claim has ended, by its own hand mostly: it may say its last words.
            if not lingering:
                lingering.append(Deadline(job.work.clock, LINGER_S))
            return lingering[0].expired

        while True:
            command = assistant.command(job.work, job.agent, worktree, session)
            ended = _run_command(job, command, claimed, worktree, attempt, is_over)
            end_leftover_processes(worktree, attempt)
            told = _counted(job, assistant, ended, attempt)
            task = job.work.ledger.snapshot().require_task(attempt.task)
            held = task["claim"]
            is_open = held is not None and held["token"] == attempt.token
            if not is_open or not told.is_limited or is_over():
                break
            wait_s = patience.seconds(until_of(told, job.work.clock))
            if wait_s is None:
                break
            text = (
                f"the claim is kept; it is tried again in {ids.show_duration(int(wait_s * 1000))}"
            )
            job.tell(Note(job.agent, attempt.task, "at its limit", text))
            if not patience.sleep(wait_s, lambda: lost.is_set() or job.is_over()):
                break
            session = told.session if assistant.resume else ""
        is_ended_by_us = ended.status is None and ended.why is None
        if is_open and (is_ended_by_us or job.is_over()):
            raise _stopped(attempt, is_lost=False)
        kept = _keep(job, worktree, attempt)
    _give_others_back(job, attempt)
    if is_open and told.is_limited:
        _release_at_limit(job, assistant, told, attempt)
        return "given-back"
    if is_open:
        why: Why = said("claim-left-open", assistant=assistant.name, status=ended.status)
        if ended.why is not None:
            why = _with_output(ended.why, ended)
        _fail(job, attempt, ended, _with_kept(why, kept))
        return "failed"
    what = {"done": "completed", "review": "in review", "open": "given back"}
    job.tell(Note(job.agent, attempt.task, what.get(task["state"], task["state"]), ""))
    if task["state"] in {"done", "review"}:
        return "handed-in"
    return "given-back"


def _with_output(why: Said, ended: _Ended) -> Said:
    return said(why["code"], **why["values"], output=ended.tail)


def _counted(job: Job, assistant: Assistant, ended: _Ended, attempt: Attempt) -> Told:
    """Read what a session told of itself, and write down what it used."""
    told = read_output(assistant.output, ended.log)
    if job.means is not None:
        job.means.spending.record(job.work, job.agent, attempt.task, attempt.token, told, assistant)
    return told


def _release_at_limit(job: Job, assistant: Assistant, told: Told, attempt: Attempt) -> None:
    """Give the task back with its session: it waits where nobody of this run can go on.

    With the session the next claim starts from this attempt's branch. So there is one for an
    assistant that can go on with none, too: nobody asks for it then.
    """
    clock, until = job.work.clock, until_of(told, job.work.clock)
    if until is None:
        plan = plan_of(job.work.ledger.snapshot())
        until = clock.seconds() + plan.get("limit_wait_ms", LIMIT_WAIT_MS) // 1000
    session = told.session or str(attempt.token)
    resume: Resume = {"assistant": assistant.name, "session": session}
    delay_ms = max(0, until - clock.seconds()) * 1000
    if job.means is not None:
        job.means.limits.note(assistant.name, until)
        others = job.means.names - {assistant.name}
        if any(not job.means.limits.left_s(name, clock) for name in others):
            delay_ms = 0
    why = said("usage-limit", assistant=assistant.name, until=instant(until))
    limit = results.Limit(min(delay_ms, MAX_DELAY_MS), resume)
    results.release(job.work, job.agent, attempt.task, attempt.token, why, limit)
    job.tell(Note(job.agent, attempt.task, "released", words(why)))


def _give_others_back(job: Job, attempt: Attempt) -> None:
    """Release what an assistant claimed beside its task: the run shares out the tasks."""
    for task in job.work.ledger.snapshot().live():
        held = task["claim"]
        if held is None or held["agent"] != job.agent or held["token"] == attempt.token:
            continue
        with suppress(GitcoordError):
            why = said("claimed-beside")
            results.release(job.work, job.agent, task["id"], held["token"], why)


def _stopped(attempt: Attempt, *, is_lost: bool) -> GitcoordError:
    if is_lost:
        text = f"the claim on task {attempt.task} was taken while its command ran"
        return ClaimLostError(text, hint="nothing is left to do", task=attempt.task)
    return UnavailableError("the run was interrupted", hint="run it again")


def _with_kept(why: Why, kept: Kept | None) -> Why:
    """Return a reason, with where to look for what could not be committed."""
    if kept is None or not kept.moved:
        return why
    return said("not-handed-in", reason=why, moved=list(kept.moved))


def _keep(job: Job, worktree: Path, attempt: Attempt) -> Kept | None:
    """Clear up after the command; what that cannot do the worktree's next use does."""
    try:
        return vacate(worktree, attempt, job.work.kept_folder)
    except (GitError, GitcoordError, OSError) as error:
        text = f"what it left stays in {worktree}: {error}"
        job.tell(Note(job.agent, attempt.task, "not kept", text))
        return None


def _fail(job: Job, attempt: Attempt, ended: _Ended, reason: Why) -> None:
    text = words(reason)
    log, last = ended.log, _in_a_line(text)
    if ended.status == 0:
        why = f"\n{text}\n".encode()
        log += why
        job.work.logs.append(_log_of(job, attempt), why)
    elif ended.why is None:
        last = f"status {ended.status}"
        if ended.tail:
            last = f"{last}: {ended.tail.splitlines()[-1]}"
    results.fail(job.work, job.agent, attempt.task, attempt.token, reason, log=log or None)
    more = ""
    if last != text:
        more = f" (`gitcoord show {attempt.task} --log` has more)"
    job.tell(Note(job.agent, attempt.task, "failed", first_line(last) + more))


def _log_of(job: Job, attempt: Attempt) -> Path:
    return job.work.logs.of_attempt(attempt.task, attempt.number, attempt.token, "run")


def _in_a_line(reason: str) -> str:
    """Return what failed and the last that was said about it."""
    lines = reason.splitlines()
    if len(lines) < 2:
        return reason
    return f"{lines[0].removesuffix(':')}: {lines[-1]}"


# the command


def _environment(job: Job, variables: dict[str, str]) -> dict[str, str]:
    """Return the command's environment: nothing of git's that would lead it astray."""
    environment = inherited()
    if job.assistant is not None:
        environment = {**path_with_ours(environment), BRIEFED: "1"}
        environment |= dict(job.assistant.environment)
    return environment | {"GIT_TERMINAL_PROMPT": "0"} | variables


def _run_command(
    job: Job,
    command: list[str],
    claimed: Claimed,
    worktree: Path,
    attempt: Attempt,
    is_over: Callable[[], bool],
) -> _Ended:
    """Run the command to its end, or end it; nothing of its group is left."""
    path = _log_of(job, attempt)
    try:
        log = job.work.logs.open(path)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}",
            hint="check whether .git can be written here, and try again",
        ) from None
    try:
        status: int | None = None
        watch = Watch(job.work, attempt.task, attempt.token, job.limit, ends_hung=job.ends_hung)
        why: Said | None = None
        with (
            variables_of(job.work, job.agent, claimed, job.slot) as variables,
            log.receiving() as output,
        ):
            bounded = job.resources.around(command)
            child = Child(bounded, worktree, _environment(job, variables), output)
            try:
                while status is None and why is None and not is_over():
                    status = child.wait(POLL_S)
                    log.bound()
                    if status is None:
                        why = _seen(job, attempt, watch)
            finally:
                child.end()
        return _Ended(status, log.tail(MAX_LOG_BYTES), why)
    finally:
        log.close()


def _seen(job: Job, attempt: Attempt, watch: Watch) -> Said | None:
    """Look at a command that runs: tell that it hangs, once; return why it has to be ended."""
    was_hung = watch.is_hung
    why = watch.verdict()
    if watch.is_hung and not was_hung and why is None:
        text = f"it printed, reported and committed nothing for {watch.hung_for}"
        job.tell(Note(job.agent, attempt.task, "hung", text))
    return why


# what it left


def _hand_in(
    job: Job,
    claimed: Claimed,
    worktree: Path,
    before: set[str],
    is_over: Callable[[], bool],
) -> None:
    """Commit what the command left inside the task's paths, and complete the task.

    Raises:
        _NotHandedInError: It is not what may be handed in.
        RefusedError: The ledger does not take it.
        GitError: git, a hook or a signer refused the commit.

    """
    task, held = claimed.task, claimed.claim
    unfinished = find_unfinished(worktree)
    if unfinished is not None:
        raise _NotHandedInError(said("left-unfinished", unfinished=str(unfinished)))
    if not return_to_branch(worktree, held["branch"]):
        raise _NotHandedInError(said("left-branch", branch=held["branch"]))
    nested = untracked_repositories(worktree)
    if nested:
        raise _NotHandedInError(said("made-repositories", paths=nested))
    snapshot = job.work.ledger.snapshot()
    boundary = boundary_of(snapshot, task, snapshot.agent(job.agent))
    changes = [change for change in changes_of(worktree) if change.path not in before]
    outside = [
        change.path
        for change in changes
        if not boundary.allows(change.path, is_gone=change.is_gone)
    ]
    if outside:
        raise _NotHandedInError(said("wrote-outside", paths=outside))
    message = (
        f"{task['spec']['title']}\n\n"
        f"Gitcoord-Task: {task['id']}\nGitcoord-Attempt: {held['attempt']}\n"
    )
    author = (job.agent, f"{job.agent}@{job.work.ledger.name}.gitcoord.invalid")
    paths = [change.path for change in changes]
    commit_paths(worktree, paths, message, author, is_over)
    with job.handing.of(task["id"]):
        done = results.complete(job.work, job.agent, task["id"], held["token"])
        what = "in review"
        if done.task["state"] == "done":
            what = "completed"
        job.tell(Note(job.agent, task["id"], what, ""))
