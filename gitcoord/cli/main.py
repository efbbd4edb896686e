"""Read the command line, and be the one boundary that errors cross."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NoReturn

from gitcoord.core.errors import GitcoordError, InternalError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitcoord.cli.app import App
    from gitcoord.cli.output import Output

__all__ = ["COMMANDS", "COMPLETE", "GROUPS", "declared_command", "main", "run", "split_options"]

GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Setting up": {
        "init": ("setup", "Create a ledger in this repository, and load a plan"),
        "join": ("machines", "Work on a ledger that is on a git server"),
        "plan": ("setup", "Check, apply and show plans"),
        "agent": ("agents", "Add, list, show, prepare and remove agents"),
        "hooks": ("hooks", "Install and remove git's hooks, and show what runs"),
        "setup": ("assistants", "Prepare a coding assistant: hooks, permissions, instructions"),
        "trust": ("setup", "Trust the plan's commands on this machine"),
        "doctor": ("maintain", "Check the repository and its surroundings"),
        "upkeep": ("maintain", "Pack the ledger and prune"),
        "archive": ("maintain", "Close a finished ledger: a tag keeps it"),
        "uninstall": ("maintain", "Show what gitcoord has in the repository, or remove it"),
        "demo": ("run", "Run the main job on a scratch repository"),
    },
    "For agents": {
        "start": ("starts", "Start a piece of work that no plan has"),
        "claim": ("claims", "Claim a task"),
        "progress": ("claims", "Report progress on the claimed task"),
        "beat": ("claims", "Renew the lease without an entry"),
        "keepalive": ("claims", "Beat while a command runs"),
        "complete": ("claims", "Hand in the claimed task's result"),
        "hand-in": ("claims", "The same as complete, where a guard refuses that word"),
        "fail": ("claims", "Report that the claimed task failed"),
        "release": ("claims", "Release the claimed task"),
        "brief": ("brief", "Show what an agent should know of its task"),
        "review": ("reviews", "Review what another agent handed in"),
        "lock": ("locks", "Reserve paths"),
        "unlock": ("locks", "Release locked paths"),
        "locks": ("locks", "List what is locked, and who waits for whom"),
        "widen": ("widenings", "Add paths to the claim"),
        "escalate": ("escalations", "Hand a matter to the orchestrator"),
        "note": ("escalations", "Leave a finding for the others"),
    },
    "For orchestrators": {
        "status": ("inspect", "Show a summary, and what needs you"),
        "watch": ("watch", "Watch what happens, who needs you, what is stuck"),
        "tasks": ("inspect", "List tasks"),
        "show": ("inspect", "Show one task with its history"),
        "why": ("inspect", "Show everything that a task waits for"),
        "impact": ("inspect", "Show what waits for a task"),
        "task": ("tasks", "Add tasks one by one, change open ones, propose one"),
        "assign": ("tasks", "Assign a task to an agent, or to anyone"),
        "retry": ("tasks", "Open a failed or cancelled task again"),
        "cancel": ("tasks", "Cancel a task"),
        "overlaps": ("overlaps", "Show whose work touches whose"),
        "pause": ("tasks", "Let nobody claim a task for a while"),
        "unpause": ("tasks", "Let a paused task be claimed again"),
        "reap": ("tasks", "End every claim whose lease is over"),
        "inbox": ("escalations", "List what waits for an answer"),
        "resolve": ("escalations", "Answer an escalation"),
        "phase": ("landings", "List, check and land phases"),
        "gate": ("gates", "Try the gates of phases"),
        "run": ("run", "Work on the plan with one command per task"),
        "tidy": ("run", "Remove worktrees of finished runs and branches of landed work"),
        "simulate": ("seeing", "Work through the plan in memory: how long, how many agents"),
        "checkpoint": ("rollbacks", "Create a checkpoint"),
        "rollback": ("rollbacks", "Go back to an earlier entry"),
        "batch": ("rollbacks", "Apply lines of JSON as one entry"),
    },
    "Auditing": {
        "log": ("seeing", "List the newest entries"),
        "events": ("seeing", "Follow the ledger, a line of JSON for each entry"),
        "verify": ("inspect", "Replay the history and check every entry"),
        "report": ("seeing", "Write a report: one self-contained HTML page"),
        "stats": ("seeing", "Judge the parallel work: efficiency, overhead, failures"),
    },
    "For machines": {
        "mcp": ("mcp", "Serve the agents' commands to an assistant, over MCP"),
        "hook": ("hooks", "Judge what git is about to do; hooks call this"),
        "commands": ("run", "List every command"),
        "completion": ("run", "Print the shell's completion script"),
    },
}
"""The commands by whom they are for, each with its module and what it does."""
COMMANDS = {name: row for rows in GROUPS.values() for name, row in rows.items()}
_ONE_SHOT = frozenset(
    {
        "start",
        "claim",
        "progress",
        "beat",
        "complete",
        "hand-in",
        "fail",
        "release",
        "lock",
        "unlock",
        "locks",
        "widen",
        "escalate",
        "note",
        "assign",
        "retry",
        "cancel",
        "pause",
        "unpause",
        "inbox",
        "resolve",
        "checkpoint",
        "review",
        "status",
        "tasks",
        "show",
        "impact",
        "why",
        "log",
    }
)
"""Commands that are over before libgit2 would be loaded."""
COMPLETE = "_GITCOORD_COMPLETE"
"""Set by a shell that asks what a word could go on with."""
_VALUED = {"-C": "start", "--ledger": "ledger", "--agent": "agent"}
_TROUBLE = {
    errno.EIO,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
    errno.EACCES,
    errno.EPERM,
}
_FLAGS = {
    "--json": "as_json",
    "--as-orchestrator": "as_orchestrator",
    "--offline": "is_offline",
}


def declared_command(name: str) -> Any:
    """Import a command's module; return the command, as it is declared there."""
    module = import_module(f"gitcoord.cli.{COMMANDS[name][0]}")
    return getattr(module, name.replace("-", "_"))


def split_options(argv: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Take the options that may stand anywhere out of the arguments.

    Nothing after ``--`` is looked at: that is another program's.

    Raises:
        UsageError: An option lacks its value.

    """
    found: dict[str, Any] = {
        "start": ".",
        "ledger": None,
        "agent": None,
        "as_json": False,
        "as_orchestrator": False,
        "is_offline": False,
    }
    rest: list[str] = []
    index = 0
    while index < len(argv):
        word = argv[index]
        name, equals, value = word.partition("=")
        if word == "--":
            rest += argv[index:]
            break
        if word in _FLAGS:
            found[_FLAGS[word]] = True
        elif name in _VALUED and (equals or word == name):
            if not equals:
                index += 1
                if index >= len(argv):
                    raise UsageError(
                        f"{name} needs a value", hint="`gitcoord --help` shows the options"
                    )
                value = argv[index]
            found[_VALUED[name]] = value
        else:
            rest.append(word)
        index += 1
    return rest, found


def main(argv: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its status.

    Everything is written, closed and synced by then. To take the
    interpreter apart would cost a fifth of what the command did.
    """
    if argv is None:
        argv = sys.argv[1:]
    status = run(argv)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def run(argv: list[str], out: Output | None = None) -> int:
    """Run one command, told to ``out`` where that is given; return its exit status."""
    from gitcoord.cli.output import Output

    if out is None:
        out = Output(as_json="--json" in takewhile(lambda word: word != "--", argv))
    app = None
    try:
        _require_platform()
        rest, options = split_options(argv)
        from gitcoord.cli.app import App

        app = App(**options, is_one_shot=rest[:1] != [] and rest[0] in _ONE_SHOT, out=out)
        status = _run_command(app, rest)
        return status if isinstance(status, int) else 0
    except GitcoordError as error:
        out.error(error)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - the boundary: a bug is shown in one line and logged
        told = _disturbance(error) or _bug(error, app.private_folder() if app is not None else None)
        out.error(told)
        return told.exit_status
    finally:
        if app is not None:
            app.close()


def _run_command(app: App, words: list[str]) -> object:
    """Run what the words say plainly; leave all others, and their errors, to click."""
    plain = _plain_command(words)
    if plain is not None:
        function, values = plain
        return function(app, **values)
    from gitcoord.cli.root import run_by_click

    return run_by_click(app, words)


def _plain_command(words: Sequence[str]) -> tuple[Callable[..., object], dict[str, Any]] | None:
    """Return the function that the words call, and with what; None if click is to read them."""
    if not words or words[0] not in _ONE_SHOT or COMPLETE in os.environ:
        return None
    from gitcoord.cli.declared import Declared
    from gitcoord.cli.plain_reading import plain_values

    command = declared_command(words[0])
    if not isinstance(command, Declared):
        return None
    values = plain_values(command, words[1:])
    if values is None:
        return None
    return command.function, values


def _require_platform() -> None:
    if os.name == "nt":
        raise UnavailableError(
            "gitcoord runs on Linux and macOS", hint="on Windows, use it inside WSL"
        )


def _disturbance(error: Exception) -> GitcoordError | None:
    """Tell a name that no disk takes, and a failure of the disk or of git, apart from a bug."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return UsageError(
            f"this is too long for the name of a file: {str(error.filename)[:80]} ...",
            hint="name a shorter one",
        )
    from gitcoord.git.program import GitError
    from gitcoord.host.remedies import remedy

    if isinstance(error, GitError) or (isinstance(error, OSError) and error.errno in _TROUBLE):
        return UnavailableError(
            f"the command could not be finished: {error}",
            hint=remedy(error),
        )
    return None


def _bug(error: Exception, folder: Any) -> InternalError:
    """Log a bug, and name the log file."""
    import tempfile
    import traceback
    from pathlib import Path

    text = "".join(traceback.format_exception(error))
    for place in (Path(folder) / "logs" if folder else None, Path(tempfile.gettempdir())):
        if place is None:
            continue
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", prefix="gitcoord-bug-", suffix=".log", dir=place, delete=False
            ) as log:
                log.write(text)
        except OSError:
            continue
        return InternalError(
            f"this is a bug in gitcoord: {type(error).__name__}: {str(error)[:200]}",
            hint=f"the details are in {log.name}; please report them",
            log=log.name,
        )
    return InternalError(
        f"this is a bug in gitcoord: {type(error).__name__}: {str(error)[:200]}",
        hint="please report it",
    )
