"""Answer a hook of git: the fast path that loads no command line parser.

A hook must not stand in the way because gitcoord does: whatever goes wrong
here is told in one line, and the commit goes through. Only a refusal, with
exit status 14, stops it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gitcoord.core.sessions import VARIABLES

if TYPE_CHECKING:
    from gitcoord.git.places import Place

__all__ = ["answer", "main"]

PATIENCE_S = 20


def main(argv: list[str]) -> NoReturn:
    """Answer one event, and exit with its status."""
    if argv and argv[0] in VARIABLES:
        from gitcoord.cli.assistant_hook import main as answer_assistant

        answer_assistant(argv)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(PATIENCE_S)
    status = answer(argv)
    sys.stderr.flush()
    os._exit(status)


def answer(argv: list[str], start: Path | None = None) -> int:
    """Judge the event that the arguments name; return the exit status.

    Git starts its hooks at the top of the worktree; ``start`` is another.

    Everything is said on stderr: what a hook prints is not for machines.
    """
    from gitcoord.core import codec
    from gitcoord.core.errors import ConflictError, GitcoordError, RefusedError, UsageError
    from gitcoord.features.setup import hook_verdicts
    from gitcoord.git.places import discover_hooked

    event = next(iter(argv), "")
    try:
        if event not in hook_verdicts.EVENTS:
            raise UsageError(
                f"there is no hook {event!r}", hint=f"there are {', '.join(hook_verdicts.EVENTS)}"
            )
        lines: Iterable[str] = ()
        if event == "pre-push":
            lines = sys.stdin
        said = _judged(event, discover_hooked(start or Path.cwd()), lines)
    except (ConflictError, RefusedError) as error:
        said = f"{error.message}\n  next: {error.hint}"
        _say(f"gitcoord: {codec.printable(said, lines=True)}")
        return RefusedError.exit_status
    except UsageError as error:
        _say(f"gitcoord: {error.message}; next: {error.hint}")
        return error.exit_status
    except GitcoordError as error:
        said = f"warning: {event} did not look: {error.message}"
    except Exception as error:  # noqa: BLE001 - a bug of ours must not stop a commit
        said = f"warning: {event} did not look: {type(error).__name__}: {error}"
    if said:
        _say(f"gitcoord: {codec.printable(said)[:500]}")
    return 0


def _judged(event: str, place: Place, lines: Iterable[str]) -> str:
    """Judge an event; what nobody holds of a commit is claimed where the plan allows that.

    Raises:
        RefusedError: The event is refused.
        ConflictError: Another holds a path of the commit.

    """
    from gitcoord.core.errors import RefusedError
    from gitcoord.features.setup import hook_verdicts

    try:
        return hook_verdicts.look(event, place, lines)
    except RefusedError as error:
        if not error.facts.get("unheld") or "token" not in error.facts:
            raise
        from gitcoord.features.work.first_edits import widen_for_commit

        if not widen_for_commit(place, error):
            raise
    return hook_verdicts.look(event, place, lines)


def _give_up(_number: int, _frame: object) -> None:
    _say(
        f"gitcoord: warning: the hook was given up after {PATIENCE_S} seconds, and nothing was "
        "looked at"
    )
    os._exit(0)


def _say(text: str) -> None:
    sys.stderr.write(
        text.encode(sys.stderr.encoding or "ascii", "backslashreplace").decode(
            sys.stderr.encoding or "ascii"
        )
        + "\n"
    )
