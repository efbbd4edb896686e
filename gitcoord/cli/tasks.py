"""Speak for those who plan: tasks in passing, assign, retry, cancel, pause, reap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import table
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR, AgentId, TaskId
from gitcoord.core.model import TaskSpec
from gitcoord.core.plan_patterns import PATTERNS
from gitcoord.core.texts import clause, text_of

__all__ = ["assign", "cancel", "pause", "reap", "retry", "task", "tell_check", "unpause"]

_OPTIONS = (
    click.option(
        "--path", "paths", multiple=True, metavar="PATH", help="A path that it may write."
    ),
    click.option("--reads", multiple=True, metavar="PATH", help="A path that it relies on."),
    click.option("--needs", multiple=True, metavar="TASK", help="A task that it waits for."),
    click.option("--phase", metavar="PHASE", help="The phase that it lands with."),
    click.option("--pool", metavar="POOL", help="The pool whose agents take it."),
    click.option("--description", metavar="TEXT", help="What is to be done."),
    click.option("--check", metavar="COMMAND", help="What has to pass on its result."),
    click.option("--estimate", metavar="TIME", help="How long it takes, such as 30m."),
    click.option("--priority", type=int, metavar="N", help="Higher ones come first."),
)


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what a task is."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as keys of a plan's task."""
    return {key: value for key, value in options.items() if value not in (None, ())}


class _TaskGroup(NearGroup):
    """The commands about single tasks; `task list` is `tasks`, loaded where it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "list"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "list":
            return super().get_command(ctx, cmd_name)
        from gitcoord.cli.inspect import tasks

        return tasks.made()


@click.group(cls=_TaskGroup)
def task() -> None:
    """Add tasks one by one, change open ones, or propose one as an agent."""


@task.command("add")
@click.argument("title", metavar="TEXT")
@click.option("--id", "name", metavar="TASK", help="Its id (default: the next free number).")
@_with_options
@pass_app
def task_add(app: App, /, title: str, name: str | None, **options: Any) -> None:
    """Add one task to the plan that is there.

    It has to keep the rules of a plan file. Where there is only one open
    phase, or only one pool, it belongs to that. A plan file that is applied
    later finds it by its id.

    Example: gitcoord task add "Document it" --id 80 --path docs/ --phase build
    """
    from gitcoord.features.setup import planned_tasks

    wanted = {"id": name, "title": text_of(title, "title"), **_given(options)}
    done = planned_tasks.add(app.orchestrate(), wanted)
    name = done.event["task"]
    tell_check(app, done.event["spec"])
    text = f"added {name}: {done.event['title']}\nnext: gitcoord claim {name}"
    app.out.answer("task add", {"entry": done.entry, "task": name}, text)


@task.command("edit")
@click.argument("task")
@click.option("--title", metavar="TEXT", help="What it is called.")
@_with_options
@pass_app
def task_edit(app: App, /, task: TaskId, **options: Any) -> None:
    """Change an open task; what no option names stays as it is.

    Example: gitcoord task edit 25 --estimate 2h --priority 5
    """
    from gitcoord.features.setup import planned_tasks

    done = planned_tasks.edit(app.orchestrate(), task, _given(options))
    name = done.event["task"]
    tell_check(app, done.event["spec"])
    app.out.answer("task edit", {"entry": done.entry, "task": name}, f"changed {name}")


@task.command("propose")
@click.argument("title", metavar="TEXT")
@click.option("--id", "name", metavar="TASK", help="Its id; by default the title's words.")
@_with_options
@pass_app
def task_propose(app: App, /, title: str, name: str | None, **options: Any) -> None:
    """Propose a task to the orchestrator, as an agent.

    It is held to the rules of a plan file at once, and added once the
    orchestrator grants it: `gitcoord resolve ID ANSWER --grant`. The answer
    is shown by this agent's next command after it.

    Example: gitcoord task propose "Split the lexer" --id 81 --path src/split/ --phase build
    """
    from gitcoord.features.setup import planned_tasks

    agent = app.agent()
    wanted = {"id": name, "title": text_of(title, "title"), **_given(options)}
    entry, asked, proposed = planned_tasks.propose(app.work, agent, wanted)
    facts = {"entry": entry, "escalation": asked, "task": proposed}
    text = f"proposed {proposed} as {asked}\nnext: go on; the answer comes with a later command"
    app.out.answer("task propose", facts, text)


def tell_check(app: App, spec: TaskSpec) -> None:
    """Tell that a check has to be trusted before it runs on this machine."""
    from gitcoord.features.setup.trust import untrusted

    if spec["check"] and untrusted(app.work, [f"check: {spec['check']}"]):
        app.out.notice("its check runs once it is trusted on this machine: `gitcoord trust`")


@click.command()
@click.argument("task", required=False)
@click.argument("to", metavar="[AGENT]", required=False)
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@click.option(
    "--by",
    type=click.Choice(PATTERNS),
    help="Assign every unassigned open task, by a pattern.",
)
@pass_app
def assign(app: App, task: TaskId | None, to: AgentId | None, reason: str, by: str | None) -> None:
    """Assign a task to an agent, or to anyone (-); its holder is fenced.

    With --by, every unassigned open task is assigned as one entry: each
    folder to one agent, the tasks in turn, or each pool to one agent.

    Example: gitcoord assign 25 builder-1
    """
    from gitcoord.features.work import tasks

    if by is not None and task is None:
        _share_out(app, by)
        return
    if by is not None or task is None or to is None:
        raise UsageError(
            "name a task and an agent, or a pattern with --by",
            hint="`gitcoord assign TASK AGENT`, or `gitcoord assign --by directory`",
        )
    named: AgentId | None = to
    if to == "-":
        named = None
    done = tasks.assign(app.orchestrate(), task, named, reason)
    assigned = done.event["to"]
    task = done.event["task"]
    facts = {"entry": done.entry, "task": task, "assigned": assigned}
    app.out.answer("assign", facts, f"{task} is for {assigned or 'anyone'}")


def _share_out(app: App, by: str) -> None:
    from gitcoord.features.run.sharing import share_out

    entry, shares = share_out(app.orchestrate(), by)
    parts: dict[AgentId, list[TaskId]] = {}
    for task, agent in shares.items():
        parts.setdefault(agent, []).append(task)
    rows = [(agent, f"{len(part)}: {', '.join(part[:10])}") for agent, part in parts.items()]
    facts = {
        "entry": entry,
        "by": by,
        "shares": [{"agent": agent, "tasks": part} for agent, part in parts.items()],
    }
    app.out.answer("assign", facts, table(rows))


@click.command()
@click.argument("task")
@click.option("--reason", metavar="TEXT", default="", help="Why.")
@pass_app
def retry(app: App, task: TaskId, reason: str) -> None:
    """Open a failed or cancelled task again, and forget its failures.

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
def cancel(app: App, task: TaskId, reason: str) -> None:
    """Cancel a task: its holder is fenced, what was built on it is redone.

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
def pause(app: App, task: TaskId, reason: str) -> None:
    """Let nobody claim a task until it is unpaused.

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
def unpause(app: App, task: TaskId, reason: str) -> None:
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
