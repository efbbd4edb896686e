"""Speak for a claim that has to write more: widen."""

from __future__ import annotations

from gitcoord.cli.app import App
from gitcoord.cli.declared import argument, command, option
from gitcoord.core.ids import TaskId

__all__ = ["widen"]


@command(
    argument("paths", metavar="PATH...", nargs=-1, required=True),
    option("--task", metavar="TASK", help="Which claim, where the agent has several."),
)
def widen(app: App, paths: tuple[str, ...], task: TaskId | None) -> None:
    """Add paths to the claim, unless somebody else holds them.

    It is granted or refused at once. Where the plan does not allow claims to
    be widened freely, the orchestrator is asked; once that is granted, the
    same command widens. Paths start at the top of the repository: a/b.py,
    a/b/, a/*.py.

    Example: gitcoord widen src/common/dates.py
    """
    from gitcoord.features.inspect.overlaps import neighbours, overlap_line
    from gitcoord.features.work import widenings
    from gitcoord.features.work.tokens import current_claim

    agent = app.agent()
    found, token = current_claim(app.work, app.work.ledger.snapshot(), agent, task)
    done = widenings.widen(app.work, agent, found, token, paths)
    record = done.snapshot.require_task(found)
    near = neighbours(done.snapshot, record)
    facts = {"entry": done.entry, "task": found, "widened": record.get("widened", [])}
    text = f"{found} may write {', '.join(done.event['paths'] or [])}, too"
    text += "".join(f"\n  next door {overlap_line(one)}" for one in near[:5])
    app.out.answer("widen", {**facts, "neighbours": near}, text)
