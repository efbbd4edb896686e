"""Speak for work that no plan has: start."""

from __future__ import annotations

from gitcoord.cli.app import App
from gitcoord.cli.declared import argument, command, option
from gitcoord.core.ids import AgentId
from gitcoord.core.texts import text_of

__all__ = ["start"]


@command(
    argument("title"),
    option(
        "--path",
        "--paths",
        "paths",
        multiple=True,
        metavar="PATH",
        help="A path that it may write.",
    ),
    option("--id", "name", metavar="TASK", help="Its id (default: made of the title's words)."),
    option("--here", is_flag=True, help="Check its branch out here, not in a new worktree."),
)
def start(app: App, title: str, paths: tuple[str, ...], name: str | None, here: bool) -> None:
    """Start a piece of work: its task, its claim and its worktree, in one entry.

    A new agent is added; without --agent it is named after the task. Without
    --path the claim begins with no path, and the first edit of a file claims
    that file, where the plan allows claims to be widened freely. The same
    words with the same --id go on with what was started, or was cut off.

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
