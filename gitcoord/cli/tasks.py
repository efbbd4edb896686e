"""Speak for those who plan: assign, retry, cancel, pause, unpause, reap."""

from __future__ import annotations

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.texts import clause

__all__ = ["assign", "cancel", "pause", "reap", "retry", "unpause"]


@click.command()
@click.argument("task")
@click.argument("to", metavar="AGENT")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def assign(app: App, task: str, to: str, reason: str) -> None:
    """Assign a task to an agent (or, with -, to anyone); fences its holder.

    Example: gitcoord assign 25 builder-1
    """
    from gitcoord.features.work import tasks

    named: str | None = to
    if to == "-":
        named = None
    done = tasks.assign(app.orchestrate(), task, named, reason)
    assigned = done.event["to"]
    task = done.event["task"]
    facts = {"entry": done.entry, "task": task, "assigned": assigned}
    app.out.answer("assign", facts, f"{task} is for {assigned or 'anyone'}")


@click.command()
@click.argument("task")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def retry(app: App, task: str, reason: str) -> None:
    """Open a failed or cancelled task again, its failures forgotten.

    Example: gitcoord retry 25
    """
    from gitcoord.features.work import tasks

    done = tasks.change(app.orchestrate(), "retry", task, reason)
    task = done.event["task"]
    app.out.answer("retry", {"entry": done.entry, "task": task}, f"{task} is open again")


@click.command()
@click.argument("task")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def cancel(app: App, task: str, reason: str) -> None:
    """Cancel a task; fences its holder, and redoes what was built on it.

    Example: gitcoord cancel 25 --reason "done by hand"
    """
    from gitcoord.features.work import tasks

    done = tasks.change(app.orchestrate(), "cancel", task, reason)
    task = done.event["task"]
    redone = [one["task"] for one in done.event["redone"]]
    text = f"{task} is cancelled" + clause("; to be done again: {}", ", ".join(redone))
    app.out.answer("cancel", {"entry": done.entry, "task": task, "redone": redone}, text)


@click.command()
@click.argument("task")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def pause(app: App, task: str, reason: str) -> None:
    """Keep everybody from beginning with a task, until it is unpaused.

    An agent that holds it keeps its claim, is told, and may complete it.

    Example: gitcoord pause 25 --reason "the interface is about to change"
    """
    from gitcoord.features.work import tasks

    done = tasks.change(app.orchestrate(), "pause", task, reason)
    task = done.event["task"]
    claim = done.snapshot.require_task(task)["claim"]
    text = f"{task} is paused: `gitcoord unpause {task}` ends that"
    text += clause("\n{} holds it, is told, and may complete it", claim and claim["agent"])
    app.out.answer("pause", {"entry": done.entry, "task": task}, text)


@click.command()
@click.argument("task")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def unpause(app: App, task: str, reason: str) -> None:
    """Let a paused task be claimed again.

    Example: gitcoord unpause 25
    """
    from gitcoord.features.work import tasks

    done = tasks.change(app.orchestrate(), "unpause", task, reason)
    task = done.event["task"]
    app.out.answer("unpause", {"entry": done.entry, "task": task}, f"{task} is not paused any more")


@click.command()
@pass_app
def reap(app: App) -> None:
    """End every claim whose lease is over, and every lock whose time is.

    Each such claim counts as a failure.

    Nothing has to run this: the next claimer takes such tasks by itself.

    Example: gitcoord reap
    """
    work = app.orchestrate()
    try:
        done = work.ledger.execute({"op": "expire", "agent": ORCHESTRATOR}, agent=ORCHESTRATOR)
    except RefusedError as error:
        if error.reason != "nothing-expired":
            raise
        app.out.answer(
            "reap", {"entry": None, "expired": [], "lapsed": []}, "no claim and no lock is over"
        )
        return
    finally:
        work.ledger.remember()
    gone = [{"task": one["task"], "agent": one["agent"]} for one in done.event["expired"]]
    lapsed = [{"lock": one["lock"], "agent": one["agent"]} for one in done.event["lapsed"]]
    lines = [f"ended the claim of {one['agent']} on {one['task']}" for one in gone]
    lines += [f"ended the lock {one['lock']} of {one['agent']}" for one in lapsed]
    app.out.answer(
        "reap", {"entry": done.entry, "expired": gone, "lapsed": lapsed}, "\n".join(lines)
    )
