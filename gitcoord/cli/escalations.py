"""Speak for escalations and notes: escalate, inbox, resolve, note."""

from __future__ import annotations

from gitcoord.cli.app import App
from gitcoord.cli.declared import argument, command, option
from gitcoord.cli.output import git_line, table
from gitcoord.core.errors import UsageError
from gitcoord.core.ids import ORCHESTRATOR, AgentId, TaskId
from gitcoord.core.times import instant

__all__ = ["escalate", "inbox", "note", "resolve"]


@command(
    argument("text"),
    option("--task", metavar="TASK", help="The task that it is about."),
)
def escalate(app: App, text: str, task: TaskId | None) -> None:
    """Hand a matter to the orchestrator; it stays open until resolved.

    The answer is shown by this agent's next command after it.

    Example: gitcoord escalate "may I change the public interface?" --task 25
    """
    from gitcoord.features.work import escalations

    agent = app.agent()
    task = _task_id(app, task)
    done = escalations.escalate(app.work, agent, text, task)
    name = done.event["id"][:8]
    app.out.answer(
        "escalate",
        {"entry": done.entry, "escalation": name, "task": task},
        f"escalated as {name}\nnext: go on with what does not depend on it; the answer comes with "
        "a later command",
    )


@command(
    option("--all", "everything", is_flag=True, help="Resolved ones too, with their answers."),
)
def inbox(app: App, everything: bool) -> None:
    """List the escalations that wait for an answer, oldest first.

    Example: gitcoord inbox
    """
    from gitcoord.core.git_reading import escalations_command
    from gitcoord.features.inspect.sentences import escalation_facts
    from gitcoord.features.work import escalations

    found = [escalation_facts(one) for one in escalations.inbox(app.work, everything=everything)]
    command = escalations_command(app.work.ledger.ref, is_open=not everything)
    rows = []
    for one in found:
        text = str(one["text"]).split("\n", 1)[0]
        if one["state"] == "resolved":
            text += f" -> {one['answer']}"
        rows.append((one["id"], one["kind"], one["task"] or "-", one["agent"], one["at"], text))
    text = table(rows, ("ID", "KIND", "TASK", "AGENT", "SINCE", "TEXT")) or "nothing waits for you"
    if any(one["state"] == "open" for one in found):
        text += "\nnext: gitcoord resolve ID ANSWER"
    if any(one["state"] == "open" and one["kind"] == "widening" for one in found):
        text += "\nnext: gitcoord resolve ID ANSWER --grant lets a claim be widened"
    if any(one["state"] == "open" and one["kind"] == "proposal" for one in found):
        text += "\nnext: gitcoord resolve ID ANSWER --grant adds the proposed task"
    answer = {"escalations": found, "git": command}
    app.out.answer("inbox", answer, f"{text}\n{git_line(answer)}")


@command(
    argument("escalation"),
    argument("answer"),
    option(
        "--grant",
        is_flag=True,
        help="Grant the widening that it asks for, or add the proposed task.",
    ),
)
def resolve(app: App, escalation: str, answer: str, grant: bool) -> None:
    """Answer an escalation; the agent that raised it is shown the answer.

    With --grant a claim may be widened as it asks, or the task that it
    proposes is added in the same entry; without it neither is.

    Example: gitcoord resolve 3fa9c1d2 "yes, and say so in the changelog"
    """
    from gitcoord.features.work import escalations

    work = app.orchestrate()
    done = escalations.resolve(work, escalation, answer, is_granted=grant)
    event, added = done.event, None
    if event["op"] == "batch":
        event, added = event["events"]
    escalation = event["escalation"]
    found = done.snapshot.escalation(escalation)
    who = "its agent"
    if found is not None:
        who = found["agent"]
    facts = {"entry": done.entry, "escalation": escalation}
    text = f"{escalation} is resolved; {who} is told"
    if added is not None:
        from gitcoord.cli.tasks import tell_check

        tell_check(app, added["spec"])
        facts["task"] = added["task"]
        text += f"\nadded {added['task']}: {added['title']}"
    app.out.answer("resolve", facts, text)


@command(
    argument("text", required=False),
    option("--task", metavar="TASK", help="What it is about: a task ..."),
    option("--path", metavar="PATH", help="... or a path or pattern."),
    option("--drop", metavar="NOTE", help="Take a note away."),
)
def note(
    app: App, text: str | None, task: TaskId | None, path: str | None, drop: str | None
) -> None:
    """Leave a finding for the others, or list what was left.

    Without --task and --path it is about the whole plan. Notes are shown to
    the agents that claim a task that they matter to.

    Example: gitcoord note "the parser wants LF line ends" --path src/parser/
    """
    from gitcoord.features.work import notes

    if text is None and drop is None:
        _list(app, task, path)
        return
    if text is not None and drop is not None:
        raise UsageError("TEXT and --drop exclude each other", hint="give one of them")
    agent = _speaker(app)
    if drop is not None:
        done = notes.drop_note(app.work, agent, drop)
        drop = done.event["note"]
        app.out.answer(
            "note", {"entry": done.entry, "note": drop, "dropped": True}, f"note {drop} is dropped"
        )
        return
    task = _task_id(app, task)
    done = notes.note(app.work, agent, text or "", task=task, path=path)
    name = done.event["id"][:8]
    facts = {"entry": done.entry, "note": name, "task": task, "path": path}
    app.out.answer("note", facts, f"noted as {name} on {task or path or 'the plan'}")


def _task_id(app: App, task: TaskId | None) -> TaskId | None:
    """Return the id of the task that was named, if one was."""
    from gitcoord.features.names import named_task

    if task is None:
        return None
    return named_task(app.work, app.work.ledger.snapshot(), task)["id"]


def _speaker(app: App) -> AgentId:
    """Return who speaks: an agent where one is known, else the orchestrator."""
    if app.is_agent_known():
        return app.agent()
    from gitcoord.features.doors import begin_as_orchestrator

    app.tell(begin_as_orchestrator(app.work))
    return ORCHESTRATOR


def _list(app: App, task: TaskId | None, path: str | None) -> None:
    from gitcoord.core import paths
    from gitcoord.features.inspect.notes import note_facts, notes_about
    from gitcoord.features.names import named_task

    snapshot = app.work.ledger.snapshot()
    notes = snapshot.notes()
    if task is not None:
        notes = notes_about(snapshot, named_task(app.work, snapshot, task))
    elif path is not None:
        notes = [note for note in notes if note["path"] and paths.overlaps([note["path"]], [path])]
    rows = []
    for note in notes:
        about = note["task"] or note["path"] or "plan"
        rows.append((note["id"], about, note["agent"], instant(note["at"]), note["text"]))
    text = table(rows, ("ID", "ABOUT", "AGENT", "SINCE", "NOTE")) or "no notes"
    app.out.answer("note", {"notes": [note_facts(note) for note in notes]}, text)
