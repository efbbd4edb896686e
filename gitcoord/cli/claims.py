"""Speak for the agents: claim, progress, beat, complete, fail, release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gitcoord.cli.app import App
from gitcoord.cli.declared import ClickType, argument, command, option
from gitcoord.cli.output import incomplete_if
from gitcoord.core import ids
from gitcoord.core.errors import (
    GitcoordError,
    UsageError,
)
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.core.texts import text_of

__all__ = [
    "beat",
    "claim",
    "complete",
    "fail",
    "hand_in",
    "keepalive",
    "progress",
    "release",
]


def _current(
    app: App, task: TaskId | None, kinds: Sequence[str] = ("claims",)
) -> tuple[AgentId, TaskId, Token]:
    """Return the agent, and the task and token of what it holds."""
    from gitcoord.features.work.tokens import current_lease

    agent = app.agent()
    found = current_lease(app.work, app.work.ledger.snapshot(), agent, task, kinds)
    return agent, found.task, found.token


@command(
    argument("task", required=False),
    option("--pool", metavar="POOL", help="Take a task of this pool."),
    option("--no-checkout", is_flag=True, help="Touch no branch and no file."),
    option("--wait", is_flag=True, help="Wait until a task is ready."),
    option(
        "--timeout", type=float, metavar="S", help="Give up after S seconds (with --wait: 100)."
    ),
    option("--resume", is_flag=True, help="Start from the earlier attempt's branch."),
)
def claim(
    app: App,
    task: TaskId | None,
    pool: str | None,
    no_checkout: bool,
    wait: bool,
    timeout: float | None,
    resume: bool,
) -> None:
    """Claim a task, by default the next one that is ready for this agent.

    In the agent's worktree its branch is checked out. Asking again returns
    the same claim.

    Example: gitcoord claim --wait
    """
    from gitcoord.cli.claimed import show_claim
    from gitcoord.cli.waiting import ready_to_wait, waited
    from gitcoord.features.work import claims
    from gitcoord.features.work.choices import Scope
    from gitcoord.features.work.contention import lost

    agent = ready_to_wait(app, wait=wait, timeout=timeout)
    asked_ns = app.work.clock.monotonic_ns()

    def once() -> Any:
        return claims.claim(
            app.work,
            agent,
            task,
            within=Scope(pool),
            checkout=not no_checkout,
            resume=resume,
            is_waiting=wait,
            asked_ns=asked_ns,
        )

    def gave_up(error: GitcoordError) -> None:
        lost(app.work, agent, error)

    show_claim(app, waited(app, once, gave_up, wait=wait, timeout=timeout))


@command(
    argument("message"),
    option("--percent", type=int, metavar="N", help="How much is done, 0 to 100."),
    option("--task", metavar="TASK", help="Which claim, where the agent has several."),
)
def progress(app: App, message: str, percent: int | None, task: TaskId | None) -> None:
    """Report progress on the claimed task, which renews the lease.

    Example: gitcoord progress "lexer passes its tests" --percent 60
    """
    from gitcoord.features.work import results

    agent, found, token = _current(app, task)
    done = results.progress(app.work, agent, found, token, message, percent)
    app.out.answer(
        "progress", {"entry": done.entry, "task": found}, f"progress on {found} recorded"
    )


@command(
    option("--task", metavar="TASK", help="Which claim, where the agent has several."),
)
def beat(app: App, task: TaskId | None) -> None:
    """Renew the lease of the claim, or of the review, without an entry.

    Example: gitcoord beat
    """
    agent, found, token = _current(app, task, ("claims", "reviews"))
    app.work.ledger.beat(agent, token)
    app.out.answer("beat", {"task": found}, f"the lease of {found} is renewed")


@command(
    option("--task", metavar="TASK", help="Which claim, where the agent has several."),
    argument("command", nargs=-1, required=True),
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def keepalive(app: App, task: TaskId | None, command: tuple[str, ...]) -> int:
    """Beat while a command runs; end it if the claim or review is lost.

    Ends with the command's status, or with 13 when the claim was lost.

    Example: gitcoord keepalive -- make test
    """
    from gitcoord.features.work.keepalive import keepalive as keep
    from gitcoord.host.programs import find_program

    find_program(command[0])

    agent, found, token = _current(app, task, ("claims", "reviews"))
    return keep(app.work, agent, found, token, list(command), app.out.notice)


@command(
    argument("names", nargs=-1, metavar="[TASK | PATH...]"),
    option(
        "--result",
        metavar="REV",
        help="The commit to hand in (default: the tip of the claim's branch).",
    ),
    option("--no-result", is_flag=True, help="Hand in no commit, where the task allows it."),
    option(
        "--commit",
        "message",
        metavar="MESSAGE",
        help="First commit what lies inside the boundary, of the PATHs if any is named.",
    ),
    option("--task", metavar="TASK", help="Which claim, where PATHs are named."),
    option("--dry-run", is_flag=True, help="Show what it would say, and change nothing."),
)
def complete(
    app: App,
    names: tuple[str, ...],
    result: str | None,
    no_result: bool,
    message: str | None,
    task: TaskId | None,
    dry_run: bool,
) -> int:
    """Hand in the claimed task's result.

    Refused where a commit writes outside the task's paths, where work is
    left uncommitted, or where nothing was done. A task's check runs on
    exactly this commit, in a throw-away worktree, and has to pass.

    With --commit what differs inside the boundary is committed first, and
    what lies outside is named and left alone. With --dry-run all of that is
    tried, the check too, and exit 18 says that it would be refused.

    Example: gitcoord complete --commit "Build the lexer"
    """
    from gitcoord.features.doors import landed_by_itself
    from gitcoord.features.work import results

    task, paths = _task_or_paths(names, task, is_committing=message is not None)
    if sum(one is not None for one in (result, message)) + no_result > 1:
        raise UsageError(
            "--result, --no-result and --commit exclude each other", hint="give one of them"
        )
    if dry_run:
        return _show_preview(app, task, result, message, paths)
    agent, found, token = _current(app, task)
    _tell_changed_reads(app, found)
    if message is not None:
        _commit(app, found, token, message, paths)
    done = results.complete(app.work, agent, found, token, result=result, no_result=no_result)
    _forget_brief(app, agent)
    if not done.already:
        app.tell(landed_by_itself(app.work, done.task["spec"]["phase"]))
    handed = done.task["result"]
    facts = {
        "entry": done.entry,
        "task": found,
        "state": done.task["state"],
        "already": done.already,
        "result": handed,
    }
    what = "no commit"
    if handed and handed["oid"]:
        what = f"{handed['commits']} commit(s), {handed['files']} file(s)"
    if done.task["spec"]["check"]:
        what += ", check passed"
    state: str = done.task["state"]
    if state == "review":
        state = "in review"
        facts["approvals"] = done.task["approvals"]
        what += f"; {done.task['approvals']} approval(s) of other agents make it done"
    if done.already:
        state = f"already {state}"
    app.out.answer("complete", facts, f"{found} is {state}: {what}\nnext: gitcoord claim")
    return 0


def _tell_changed_reads(app: App, task: TaskId) -> None:
    """Tell that what the work relies on changed since it began."""
    snapshot = app.work.ledger.snapshot()
    record = snapshot.require_task(task)
    if not record["spec"]["reads"]:
        return
    from gitcoord.features.inspect.overlaps import changed_reads

    files = changed_reads(app.work, snapshot, record)
    if files:
        app.out.notice(
            f"what task {task} reads changed on the target since its base: {', '.join(files[:5])}"
        )


def _forget_brief(app: App, agent: AgentId) -> None:
    """Remove the brief that was written into the agent's worktree."""
    from gitcoord.features.assist.written_briefs import forget_brief

    forget_brief(app.work, agent)


hand_in = complete
"""A shell's own ``complete`` runs strings: Claude lets no isolated subagent use that word."""


def _task_or_paths(
    names: Sequence[str], task: TaskId | None, *, is_committing: bool
) -> tuple[TaskId | None, Sequence[str]]:
    """Tell a task's id from paths: with --commit they are paths."""
    if is_committing or not names:
        return task, names
    if len(names) > 1 or task is not None:
        raise UsageError(
            f"{' '.join(names)} are too many", hint="name one task; paths go with --commit MESSAGE"
        )
    return TaskId(names[0]), ()


def _commit(app: App, task: TaskId, token: Token, message: str, paths: Sequence[str]) -> None:
    """Commit what lies inside the boundary; name what was left alone."""
    from gitcoord.features.work import drafts
    from gitcoord.features.work.first_edits import widen_by

    text = text_of(message, "message")
    snapshot = app.work.ledger.snapshot()
    record = snapshot.require_task(task)
    held = record["claim"]
    if held is None or held["token"] != token:
        return  # complete says what became of it
    named = drafts.top_paths(app.start, paths)
    if named or record["spec"]["paths"] == []:
        # Work that began without a path is all that was written.
        wanted = named or drafts.draft_of(app.work, snapshot, record, named).outside
        if widen_by(app.work, held["agent"], task, token, wanted):
            snapshot = app.work.ledger.snapshot()
            record = snapshot.require_task(task)
    draft = drafts.draft_of(app.work, snapshot, record, named)
    drafts.commit_draft(app.work, record, draft, text)
    if draft.outside:
        app.out.notice(f"left alone, outside the boundary: {', '.join(draft.outside[:10])}")


def _show_preview(
    app: App, task: TaskId | None, result: str | None, message: str | None, paths: Sequence[str]
) -> int:
    """Show what complete would say; return its status."""
    from gitcoord.features.work import drafts
    from gitcoord.features.work.tokens import current_lease

    agent = app.reading_agent()
    held = current_lease(app.work, app.work.ledger.snapshot(), agent, task)
    named = drafts.top_paths(app.start, paths)
    shown = drafts.preview(
        app.work,
        held.task,
        held.token,
        result=result,
        is_committing=message is not None,
        named=named,
    )
    problems = [
        {"code": one.code, "message": one.message, "hint": one.hint, **one.facts}
        for one in shown.problems
    ]
    lines = [f"would commit {path}" for path in shown.facts["inside"]]
    lines += [f"would leave alone {path}" for path in shown.facts["outside"]]
    for one in shown.problems:
        lines += [f"would be refused: {one.message}", f"  next: {one.hint}"]
    if not shown.problems:
        handed = shown.facts["result"]
        what = f"{handed['commits']} commit(s), {handed['files']} file(s)"
        if shown.facts["check"]:
            what += ", check passed"
        lines.append(f"{held.task} would be handed in: {what}")
    app.out.answer(
        "complete", {"dry_run": True, **shown.facts, "problems": problems}, "\n".join(lines)
    )
    return incomplete_if(shown.problems)


@command(
    argument("task", required=False),
    option("--reason", metavar="TEXT", required=True, help="What went wrong."),
    option(
        "--kind",
        type=ClickType("Choice", ["transient", "permanent"]),
        default="transient",
        show_default=True,
        help="Whether trying again can help.",
    ),
    option(
        "--log",
        "log",
        type=ClickType("File", "rb"),
        metavar="FILE",
        help="Keep the end of this log (- for standard input).",
    ),
)
def fail(app: App, task: TaskId | None, reason: str, kind: str, log: Any) -> None:
    """Report that the claimed task failed; it is tried again, or has failed.

    The last 64 KiB of the log are kept in the ledger for the next attempt.

    Example: gitcoord fail --reason "the schema of step 3 is missing"
    """
    from gitcoord.features.inspect import impact
    from gitcoord.features.work import results

    agent, found, token = _current(app, task)
    content = None
    if log is not None:
        content = log.read()
    done = results.fail(app.work, agent, found, token, reason, kind, content)
    _forget_brief(app, agent)
    record = done.snapshot.require_task(found)
    facts: dict[str, Any] = {
        "entry": done.entry,
        "task": found,
        "state": record["state"],
        "failures": record["failures"],
    }
    blocked = impact.behind(app.work, done.snapshot, found)
    after = ""
    if record["state"] == "failed":
        facts["blocked"] = blocked
        if blocked["count"]:
            after = f"\n{impact.told(blocked, is_failed=True)}"
    else:
        facts["would_block"] = blocked
    if record["state"] == "open":
        facts["retry_after"] = done.event["delay_ms"] / 1000
        after = f"; it can be claimed again after {ids.show_duration(done.event['delay_ms'])}"
    app.out.answer(
        "fail", facts, f"{found} is {record['state']} after {record['failures']} failure(s){after}"
    )


@command(
    argument("task", required=False),
    option("--reason", metavar="TEXT", default="", help="Why it is released."),
)
def release(app: App, task: TaskId | None, reason: str) -> None:
    """Release the claimed task; it does not count as a failure.

    Example: gitcoord release --reason "needs a Mac"
    """
    from gitcoord.features.work import results

    agent, found, token = _current(app, task)
    done = results.release(app.work, agent, found, token, reason)
    _forget_brief(app, agent)
    app.out.answer("release", {"entry": done.entry, "task": found}, f"{found} is open again")
