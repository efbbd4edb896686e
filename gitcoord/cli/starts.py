"""Speak for work that no plan has: start."""

from __future__ import annotations

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.core.ids import AgentId
from gitcoord.core.texts import text_of

__all__ = ["start"]


@click.command()
@click.argument("title")
@click.option(
    "--path", "--paths", "paths", multiple=True, metavar="PATH", help="It may write this."
)
@click.option("--id", "name", metavar="TASK", help="Its id; by default the title's words.")
@click.option("--here", is_flag=True, help="Check its branch out here, in no other worktree.")
@pass_app
def start(app: App, title: str, paths: tuple[str, ...], name: str | None, here: bool) -> None:
    """Start a piece of work: its task, its claim and its worktree, in one entry.

    An agent that is new is added; without --agent it is called after the
    task. Without --path the work begins with no path, and what is written
    first is claimed then, where the plan lets claims be widened freely.

    Example: gitcoord start "Fix the login form" --agent ana
    """
    from gitcoord.cli.claimed import show_claim
    from gitcoord.features.work import starts

    agent: AgentId | None = None
    if app.is_agent_known():
        agent = app.agent()
    done = starts.start(
        app.work, text_of(title, "title"), agent=agent, paths=paths, name=name, here=here
    )
    show_claim(app, done, op="start")
