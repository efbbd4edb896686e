"""Speak for git's hooks: install, uninstall, status, and hook itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.groups import NearGroup
from gitcoord.cli.output import incomplete_if, table
from gitcoord.core.sessions import VARIABLES

if TYPE_CHECKING:
    from gitcoord.features.setup.hook_plan import Step

__all__ = ["hook", "hooks"]

_DOING = {
    "write": "write",
    "set-aside": "write",
    "keep": "keep",
    "remove": "remove",
    "restore": "restore",
    "configure": "set",
    "unconfigure": "unset",
    "advise": "leave",
}


@click.group(cls=NearGroup)
def hooks() -> None:
    """Install and remove git's hooks, and show what git would run.

    Example: gitcoord hooks install --dry-run
    """


@hooks.command("install")
@click.option(
    "--guard-target/--no-guard-target",
    "guard",
    default=None,
    help="Let the target move by landing only, for everybody.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@pass_app
def install(app: App, guard: bool | None, dry_run: bool) -> None:
    """Make git look at commits, merges, pushes and gitcoord's refs.

    Hooks that are there stay, and run after ours. core.hooksPath is never set;
    where a hook manager is in use, the lines to add are printed.

    Example: gitcoord hooks install
    """
    from gitcoord.features.setup import hooks as hooking

    steps = hooking.install(app.orchestrate(), guard=guard, dry_run=dry_run)
    _tell(app, "hooks install", steps, dry_run=dry_run)


@hooks.command("uninstall")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@pass_app
def uninstall(app: App, dry_run: bool) -> None:
    """Remove gitcoord's hooks, and restore what was there before.

    Example: gitcoord hooks uninstall
    """
    from gitcoord.features.setup import hooks as hooking

    # Not a word with the ledger: this has to work where nothing else does.
    app.refuse_agents()
    _tell(app, "hooks uninstall", hooking.uninstall(app.work, dry_run=dry_run), dry_run=dry_run)


@hooks.command("status")
@pass_app
def status(app: App) -> int:
    """Show what git would really run; exit 18 if something is wrong.

    Example: gitcoord hooks status
    """
    from gitcoord.features.setup import hooks as hooking

    rows = hooking.status(app.work)
    problems = list(dict.fromkeys(row.problem for row in rows if row.problem))
    lines = [
        (row.event, row.runs, row.state, row.path, f"{len(row.worktrees)} worktree(s)")
        for row in rows
    ]
    text = "\n".join([table(lines, ("EVENT", "RUNS", "OURS", "WHERE GIT LOOKS", "IN")), *problems])
    app.out.answer(
        "hooks status", {"hooks": [row._asdict() for row in rows], "problems": problems}, text
    )
    return incomplete_if(problems)


def _step_facts(step: Step) -> dict[str, Any]:
    lines = None
    if step.act == "advise":
        lines = step.content.decode()
    return {
        "act": step.act,
        "event": step.event,
        "name": step.name,
        "text": step.text,
        "lines": lines,
    }


def _tell(app: App, op: str, steps: list[Step], *, dry_run: bool) -> None:
    rows = [(_DOING[step.act], step.event, step.text) for step in steps]
    facts = [_step_facts(step) for step in steps]
    advice = [step["lines"] for step in facts if step["lines"] is not None]
    text = table(rows) or "there is nothing to take away"
    if advice:
        text += "\nnext: add these lines, and commit them where the file is tracked\n"
        text += "\n".join(advice)
    if dry_run:
        text += "\nnothing was done: leave --dry-run out to do it"
    app.out.answer(op, {"dry_run": dry_run, "steps": facts}, text)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("event")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_app
def hook(app: App, event: str, arguments: tuple[str, ...]) -> int:
    """Judge what git, or a coding assistant, is about to do; their hooks call this.

    For git, exit 14 is a refusal; whatever else goes wrong is told, and git
    goes on. With claude, codex, copilot, gemini or opencode for EVENT it
    reads the assistant's event on standard input and answers in its dialect: a refusal
    is JSON with exit 0, and any other status means that nothing was judged.

    Example: gitcoord hook pre-commit
    """
    if event in VARIABLES:
        from gitcoord.cli.assistant_hook import answer as answer_assistant

        return answer_assistant([event, *arguments], sys.stdin.buffer)
    from gitcoord.cli.hook import answer

    return answer([event, *arguments], app.start)
