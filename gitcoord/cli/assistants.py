"""Prepare coding assistants: setup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.output import incomplete_if
from gitcoord.core.errors import UsageError

if TYPE_CHECKING:
    from gitcoord.features.assist.file_changes import FileChange
    from gitcoord.features.assist.setups import Planned, Scope

__all__ = ["prepare", "setup"]

_ASSISTANTS = ("claude", "codex", "gemini", "copilot", "opencode")


@click.command()
@click.argument("what", type=click.Choice([*_ASSISTANTS, "agents-md"]))
@click.option("--check", is_flag=True, help="Check that all is there; exit 18 if not.")
@click.option("--remove", is_flag=True, help="Remove what this command added.")
@click.option("--print", "is_shown", is_flag=True, help="Print the files, and write nothing.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--project", is_flag=True, help="In files that are tracked and shared.")
@click.option("--user", is_flag=True, help="In your own folder, for all repositories.")
@click.option(
    "--mcp", "has_mcp", is_flag=True, help="Enter the MCP server too; later runs keep it."
)
@pass_app
def setup(
    app: App,
    what: str,
    check: bool,
    remove: bool,
    is_shown: bool,
    dry_run: bool,
    project: bool,
    user: bool,
    has_mcp: bool,
) -> int:
    """Prepare a coding assistant: hooks, permissions, instructions.

    By default nothing tracked changes. Other keys, their order and comments
    stay; running it twice is the same as once. Nothing is trusted for you:
    what you have to confirm is printed.

    Example: gitcoord setup claude --dry-run
    """
    scope = _scope(is_project=project, is_user=user)
    app.refuse_agents()
    if has_mcp and not remove:
        _require_mcp(what)
    planned = _planned(app, what, scope, is_removal=remove, has_mcp=has_mcp)
    files = [_file_facts(one, is_shown=is_shown) for one in planned.changes]
    is_trial = dry_run or check or is_shown
    facts: dict[str, Any] = {"files": files, "dry_run": is_trial, "advice": planned.advice}
    if is_shown:
        text = "\n".join(f"# {one.path}\n{one.after or ''}" for one in planned.changes)
        app.out.answer("setup", facts, text)
        return 0
    if not is_trial:
        _apply(app, what, planned, scope, is_removal=remove)
    lines = [f"{_word(one.before, one.after)}  {one.path}  ({one.what})" for one in planned.changes]
    if dry_run:
        lines.append("nothing was done: leave --dry-run out to do it")
    _tell(app, what, planned, is_removal=remove)
    if check and what != "agents-md" and app.work.ledger.tip() is not None:
        _tell_not_covered(app)
    app.out.answer("setup", facts, "\n".join(lines))
    if not check:
        return 0
    return incomplete_if(any(change.is_needed for change in planned.changes))


def _scope(*, is_project: bool, is_user: bool) -> Scope:
    if is_project and is_user:
        raise UsageError("--project and --user exclude each other", hint="give one of them")
    if is_project:
        return "project"
    if is_user:
        return "user"
    return "local"


def _require_mcp(what: str) -> None:
    """Refuse to enter a server that could not start.

    Raises:
        UsageError: The extra is not installed, or no assistant is prepared.

    """
    from importlib.util import find_spec

    if what not in _ASSISTANTS:
        raise UsageError(
            "--mcp is for an assistant; agents-md is instructions only",
            hint="leave --mcp out",
        )
    if find_spec("mcp") is None:
        raise UsageError(
            "the MCP server needs the SDK, which is not installed here",
            hint="pip install 'gitcoord[mcp]'",
        )


def _tell(app: App, what: str, planned: Planned, *, is_removal: bool) -> None:
    """Tell what only a person can do, and of a program that is missing or too old."""
    from gitcoord.features.assist.programs import OLDEST, advice_about

    for text in planned.advice:
        app.out.notice(text)
    if what not in OLDEST or is_removal:
        return
    problem = advice_about(what)
    if problem:
        app.out.notice(problem)


def _tell_not_covered(app: App) -> None:
    from gitcoord.features.assist.examine import not_covered

    for seen in not_covered(app.work):
        app.out.notice(seen.text)


def prepare(app: App, assistant: str, worktrees: Sequence[str]) -> list[str]:
    """Put what an assistant lacks in place; return the line that starts it in each worktree."""
    import shlex

    from gitcoord.features.assist.programs import advice_about

    planned = _planned(app, assistant, "local", is_removal=False)
    if any(change.is_needed for change in planned.changes):
        _apply(app, assistant, planned, "local", is_removal=False)
    # The hooks are every agent's: whoever was told with the first is not told again.
    if planned.has_new_hooks:
        for text in planned.advice:
            app.out.notice(text)
    problem = advice_about(assistant)
    if problem:
        app.out.notice(problem)
    words = f'{assistant} "Work on your gitcoord task"'
    return [f"cd {shlex.quote(worktree)} && {words}" for worktree in worktrees]


def _file_facts(change: FileChange, *, is_shown: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "path": str(change.path),
        "what": change.what,
        "is_changed": change.is_needed,
    }
    if is_shown:
        facts["text"] = change.after
    return facts


def _planned(
    app: App, what: str, scope: Scope, *, is_removal: bool, has_mcp: bool = False
) -> Planned:
    from gitcoord.features.assist import more_setups, setups

    if what not in _ASSISTANTS:
        return setups.plan_agents_md(app.work, is_removal=is_removal)
    plans = {
        "claude": setups.plan_claude,
        "codex": setups.plan_codex,
        "gemini": more_setups.plan_gemini,
        "copilot": more_setups.plan_copilot,
        "opencode": more_setups.plan_opencode,
    }
    return plans[what](app.work, scope, is_removal=is_removal, has_mcp=has_mcp)


def _apply(app: App, what: str, planned: Planned, scope: str, *, is_removal: bool) -> None:
    """Write the files; git passes over those that are this machine's alone."""
    from gitcoord.features.assist import setups
    from gitcoord.features.assist.file_changes import apply_changes
    from gitcoord.git.exclusions import exclude, include

    main = app.work.place.main_worktree
    patterns = setups.excluded(what, planned)
    if scope == "local" and main is not None and not is_removal:
        exclude(main, *patterns)
    apply_changes(planned.changes)
    setups.remember(app.work, planned)
    if scope == "local" and main is not None and is_removal:
        include(main, *patterns)


def _word(before: str | None, after: str | None) -> str:
    if before == after:
        return "keep  "
    if after is None:
        return "remove"
    return "write "
