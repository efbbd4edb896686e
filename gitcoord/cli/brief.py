"""Show the context of a task: brief."""

from __future__ import annotations

from gitcoord.cli.app import App
from gitcoord.cli.declared import ClickType, argument, command, option
from gitcoord.core.ids import AgentId, TaskId

__all__ = ["brief"]


@command(
    argument("task", required=False),
    option("--budget", type=int, metavar="BYTES", help="Its longest length (default: 4096)."),
    option(
        "--format",
        "form",
        type=ClickType("Choice", ["md", "json"]),
        help="Its form; json is the same as --json.",
    ),
    option("--write", is_flag=True, help="Write it to .claude/rules/gitcoord.md as well."),
    option("--write-local", is_flag=True, help="Write it to CLAUDE.local.md as well."),
)
def brief(
    app: App,
    task: TaskId | None,
    budget: int | None,
    form: str | None,
    write: bool,
    write_local: bool,
) -> None:
    """Show what an agent should know about the task that it holds.

    Identity, boundary, what the needs delivered, who works next door,
    earlier attempts, remarks, notes and answers, and the commands to report
    with. What does not fit is left out, and it says so. What others wrote is
    quoted. A reviewer gets the diff and the gates.

    Example: gitcoord brief --budget 20000
    """
    from gitcoord.core.brief_text import BUDGET_BYTES
    from gitcoord.features.assist.briefs import brief_of

    app.out.as_json = app.out.as_json or form == "json"
    agent = app.reading_agent()
    found = brief_of(app.work, agent, task, budget or BUDGET_BYTES)
    facts = {**found.facts, "text": found.text}
    if write or write_local:
        facts["written"] = _written(app, agent, found.text, is_local=write_local)
    app.out.answer("brief", facts, found.text.rstrip("\n"))


def _written(app: App, agent: AgentId, text: str, *, is_local: bool) -> str:
    from gitcoord.core.errors import RefusedError
    from gitcoord.features.assist.written_briefs import LOCAL, RULES, write_brief

    worktree = app.work.worktree_of(agent)
    if worktree is None:
        raise RefusedError(
            f"{agent} has no worktree to write a brief to",
            reason="worktree",
            hint="leave --write out, or give the agent a worktree",
        )
    name = RULES
    if is_local:
        name = LOCAL
    path = write_brief(worktree, text, name)
    app.out.notice(f"the brief is in {path}, until the claim ends")
    return str(path)
