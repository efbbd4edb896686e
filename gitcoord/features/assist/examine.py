"""Look at what coding assistants were given here: for ``doctor``.

Nothing is said of an assistant that was never set up.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from gitcoord.core import hook_commands
from gitcoord.core.codex_profile import NOT_DENIED
from gitcoord.core.errors import GitcoordError
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.assist.briefs import SUBAGENT
from gitcoord.features.assist.codex_trust import ask_codex
from gitcoord.features.assist.file_changes import read_text
from gitcoord.features.assist.setups import agents_worktrees, plan_claude
from gitcoord.features.workspace import Workspace

__all__ = ["Seen", "look_at_assistants", "not_covered"]

MAX_NAMED = 10


class Seen(NamedTuple):
    """One thing about an assistant; ``advice`` is empty where all is well."""

    text: str
    advice: str = ""


def look_at_assistants(work: Workspace) -> Iterator[Seen]:
    """Return what is set up for assistants, and what is missing."""
    main = work.place.main_worktree
    if main is None:
        return
    has_claude = " hook claude " in (read_text(main / ".claude" / "settings.local.json") or "")
    has_codex = " hook codex " in (read_text(main / ".codex" / "hooks.json") or "")
    if has_claude:
        yield from _claude(work)
    if has_codex:
        yield from _codex(work)
    if has_claude or has_codex:
        yield from not_covered(work)


def not_covered(work: Workspace) -> Iterator[Seen]:
    """Return the agents whose edits no hook judges: a hook knows an agent by its worktree."""
    names = [
        agent["id"]
        for agent in work.ledger.snapshot().agents()
        if not agent["id"].startswith(SUBAGENT) and work.worktree_of(agent["id"]) is None
    ]
    if names:
        yield Seen(
            "the hooks of assistants judge no edit of these agents, which have no worktree of "
            f"their own: {', '.join(names[:MAX_NAMED])}; `complete` does"
        )


def _claude(work: Workspace) -> Iterator[Seen]:
    planned = plan_claude(work, "local", is_removal=False)
    if any(change.is_needed for change in planned.changes):
        yield Seen("Claude's settings are not as this release writes them", "gitcoord setup claude")
    else:
        yield Seen("Claude's hooks and permissions are in place")


def _codex(work: Workspace) -> Iterator[Seen]:
    missing = []
    for place in agents_worktrees(work):
        settings = read_text(place / ".codex" / "config.toml") or ""
        if "[permissions.gitcoord]" not in settings:
            missing.append(place.name)
    if missing:
        yield Seen(
            "Codex cannot commit from these worktrees, which have no profile: "
            f"{', '.join(missing)}",
            "gitcoord setup codex",
        )
    else:
        yield Seen(f"Codex's profiles are in place; what they cannot deny: {'; '.join(NOT_DENIED)}")
    yield from _trust(work)


def _trust(work: Workspace) -> Iterator[Seen]:
    program = shutil.which("codex")
    main = work.place.main_worktree
    if program is None or main is None:
        yield Seen("codex is not on the path here, so its trust was not asked for")
        return
    try:
        known = ask_codex(program, main)
    except GitcoordError as error:
        yield Seen(error.message, error.hint)
        return
    ours = [one for one in known if hook_commands.is_our_command(one.command)]
    distrusted = sorted({one.event for one in ours if one.trust not in {"trusted", "managed"}})
    if not ours:
        advice = f"start codex in {main}, and trust the folder"
        yield Seen("Codex does not load the hooks of this repository: it is not trusted", advice)
    elif distrusted:
        yield Seen(
            f"Codex does not trust these hooks yet, and passes them over: {', '.join(distrusted)}",
            f"start codex in {main}, and trust them: it asks at its start, and under /hooks",
        )
    else:
        yield Seen(f"Codex trusts all {len(ours)} hooks")
