"""Speak for reviewers: claim a review, approve, reject, release it, list."""

from __future__ import annotations

from typing import Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import git_line, shown_paths, table
from gitcoord.core import ids
from gitcoord.core.ids import TaskId

__all__ = ["review"]


@click.group(cls=NearGroup)
def review() -> None:
    """Review what another agent handed in.

    A phase asks for it with reviews = N, a task with verify_by = POOL. Until
    then the task is in review, and its phase does not land.
    """


@review.command("claim")
@click.argument("task", required=False)
@click.option("--wait", is_flag=True, help="Wait until there is something to review.")
@click.option(
    "--timeout", type=float, metavar="S", help="Give up after S seconds (with --wait: 100)."
)
@pass_app
def claim_review(app: App, task: TaskId | None, wait: bool, timeout: float | None) -> None:
    """Claim a review, by default of the oldest result that waits for one.

    Shows the task, the result's changes and what its check said. The
    review has a lease, like a claim: beat and keepalive renew it.

    Example: gitcoord review claim --wait
    """
    from gitcoord.cli.waiting import ready_to_wait, waited
    from gitcoord.features.work import reviews

    agent = ready_to_wait(app, wait=wait, timeout=timeout)
    done = waited(
        app,
        lambda: reviews.claim(app.work, agent, task),
        lambda _error: None,
        wait=wait,
        timeout=timeout,
    )
    snapshot, context = app.work.ledger.snapshot(done.entry), app.work.ledger.context()
    from gitcoord.features.inspect.task_facts import review_facts
    from gitcoord.features.workspace import plan_of

    found = reviews.material(app.work, snapshot, done.task)
    if problem := found.pop("problem"):
        app.out.notice(problem)
    own = review_facts(done.review, context, plan_of(snapshot)["heartbeat_ms"])
    facts = {
        **found,
        "review": own,
        "entry": done.entry,
        "already": done.already,
        "ledger": app.work.ledger.name,
    }
    app.out.answer("review claim", facts, "\n".join(_shown(facts)))


def _shown(facts: dict[str, Any]) -> list[str]:
    task, result, diff, check = facts["task"], facts["result"], facts["diff"], facts["check"]
    what = "reviewing"
    if facts["already"]:
        what = "still reviewing"
    lines = [
        f"{what} {task['id']}: {task['title']}",
        f"  paths     {shown_paths(task['paths'])}",
        f"  result    {(result['oid'] or 'no commit')[:12]} by {result['agent']}, attempt "
        f"{result['attempt']}: "
        f"{result['commits']} commit(s), {result['files']} file(s)",
        f"  lease     until {facts['review']['expires_at']}, renewed by beat",
    ]
    lines += [
        f"  before    attempt {one['attempt']} by {one['agent']}: {one['kind']}: {one['reason']}"
        for one in task["setbacks"]
    ]
    if task["description"]:
        lines.append("  about     " + task["description"].replace("\n", "\n            "))
    if check:
        lines.append(f"  check     {check['verdict']}: {check['run']}")
        lines += ["            " + line for line in check["log"].splitlines()[-12:]]
    if diff:
        lines += [
            "",
            *(
                f"  {_count(one['added'], '+')} {_count(one['removed'], '-')}  {one['path']}"
                for one in diff["files"][:50]
            ),
        ]
        lines += ["", diff["text"].rstrip("\n")]
        if diff["is_cut"]:
            lines.append(f"[cut here; all of it: git diff {diff['old'][:12]} {diff['new'][:12]}]")
    lines += [
        "",
        f"next: gitcoord review approve {task['id']}, or gitcoord review reject {task['id']} "
        "--reason TEXT",
    ]
    return lines


def _count(lines: int | None, sign: str) -> str:
    if lines is None:
        return "binary"
    return f"{sign}{lines}".rjust(6)


@review.command("approve")
@click.argument("task", required=False)
@click.option("--message", metavar="TEXT", default="", help="What to say with it.")
@pass_app
def approve(app: App, task: TaskId | None, message: str) -> None:
    """Approve the reviewed result; with enough approvals the task is done.

    Example: gitcoord review approve
    """
    from gitcoord.features.doors import landed_by_itself
    from gitcoord.features.work import reviews

    done = reviews.judge(app.work, app.agent(), task, "approve", message)
    record = done.task
    if record["state"] == "done" and not done.already:
        app.tell(landed_by_itself(app.work, record["spec"]["phase"]))
    approved = sum(one["verdict"] == "approved" for one in record["reviews"])
    facts = {
        "entry": done.entry,
        "task": record["id"],
        "state": record["state"],
        "approved": approved,
        "needed": record["approvals"],
        "already": done.already,
    }
    state = "done"
    if record["state"] != "done":
        state = f"in review with {approved} of {record['approvals']} approvals"
    app.out.answer(
        "review approve", facts, f"{record['id']} is {state}\nnext: gitcoord review claim"
    )


@review.command("reject")
@click.argument("task", required=False)
@click.option(
    "--reason",
    metavar="TEXT",
    required=True,
    help="What has to change; shown to the next agent that tries.",
)
@pass_app
def reject(app: App, task: TaskId | None, reason: str) -> None:
    """Reject the reviewed result: the task is open again, with the reason.

    It counts as a failure of the task, and ends its other reviews.

    Example: gitcoord review reject --reason "the empty file is not handled"
    """
    from gitcoord.features.work import reviews

    done = reviews.judge(app.work, app.agent(), task, "reject", reason)
    record = done.task
    facts = {
        "entry": done.entry,
        "task": record["id"],
        "state": record["state"],
        "failures": record["failures"],
    }
    app.out.answer(
        "review reject",
        facts,
        f"{record['id']} is {record['state']} after {record['failures']} failure(s)",
    )


@review.command("release")
@click.argument("task", required=False)
@click.option("--reason", metavar="TEXT", default="", help="Why it is released.")
@pass_app
def release(app: App, task: TaskId | None, reason: str) -> None:
    """Release the review without a verdict.

    Example: gitcoord review release
    """
    from gitcoord.features.work import reviews

    done = reviews.give_back(app.work, app.agent(), task, reason)
    app.out.answer(
        "review release",
        {"entry": done.entry, "task": done.task["id"]},
        f"{done.task['id']} waits for another review",
    )


@review.command("list")
@pass_app
def list_reviews(app: App) -> None:
    """List the results that wait for a review, and who is at it.

    Example: gitcoord review list
    """
    from gitcoord.features.work import reviews

    found = reviews.listing(app.work)
    rows = []
    for waiting in found["reviews"]:
        approved = f"{waiting['approved']} of {waiting['needed']}"
        who = (waiting["author"], approved, waiting["verify_by"] or "-", _at_work(waiting))
        rows.append((waiting["task"], *who, waiting["title"]))
    text = table(rows, ("TASK", "AUTHOR", "APPROVED", "VERIFY BY", "REVIEWS", "TITLE"))
    text = text or "nothing waits for a review"
    app.out.answer("review list", found, f"{text}\n{git_line(found)}")


def _at_work(waiting: dict[str, Any]) -> str:
    told = []
    for one in waiting["reviews"]:
        left = ids.show_duration(one.get("lease_left_ms", 0))
        if one.get("is_over"):
            left = "its lease is over"
        told.append(f"{one['agent']} {one['verdict'] or f'at work, {left}'}")
    return "; ".join(told) or "-"
