"""Answer a hook of a coding assistant: the fast path, as for git's hooks.

What is said goes to standard output, in the assistant's dialect, with exit
status 0; a denial too. Whatever goes wrong is one line on standard error and
status 1: the installed command makes of it a refusal before an edit, and
nothing anywhere else.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from gitcoord.core.ids import AgentId

if TYPE_CHECKING:
    from gitcoord.core.hook_calls import HookCall


__all__ = ["answer", "main"]

PATIENCE_S = 20


def main(argv: list[str]) -> NoReturn:
    """Answer one event of an assistant, and exit with its status."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(PATIENCE_S)
    status = answer(argv, sys.stdin.buffer)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def answer(argv: list[str], stdin: object) -> int:
    """Read one event, print what is said about it, and return the status.

    ``argv`` is the assistant, and the worktree's folder if it is known.
    """
    from gitcoord.core.hook_calls import (
        MAX_INPUT_BYTES,
        UnreadableCallError,
        gives_work,
        read_call,
    )

    assistant, top = argv[0], "".join(argv[1:2])
    # Copilot loads what was set up for Claude, and reads its own dialect alone.
    if os.environ.get("COPILOT_AGENT_SESSION_ID") or os.environ.get("COPILOT_CLI"):
        assistant = "copilot"
    try:
        call = read_call(stdin.read(MAX_INPUT_BYTES + 1))  # type: ignore[attr-defined]
    except UnreadableCallError as error:
        _say(f"gitcoord: {error}, so nothing was judged")
        return 1
    if not call.kind:
        return 0
    from gitcoord.core.hook_answers import render
    from gitcoord.features.assist import hook

    try:
        told = []
        if gives_work(call):
            told = _begun(top or call.cwd)
        said = hook.answer(call, assistant, top)
        _note(call, assistant, top, is_refused=bool(said.denial))
        if call.kind == "session-start" and said.context:
            told = _begun(top or call.cwd)
        if told:
            said = said._replace(context="\n".join(filter(None, [*told, said.context])))
        sys.stdout.write(render(said, call, assistant))
    except Exception as error:  # noqa: BLE001 - a bug of ours must not end in a traceback
        _say(f"gitcoord: {assistant}'s {call.event} was not judged: {_told(error)}")
        return 1
    return 0


def _note(call: HookCall, assistant: str, top: str, *, is_refused: bool) -> None:
    """Note when a tool call begins and ends, for one that takes longer than a lease."""
    from gitcoord.features.assist.long_calls import note_call
    from gitcoord.features.assist.standing import standing_at, top_above

    standing = standing_at(top or top_above(call.cwd))
    if standing is not None:
        note_call(call, assistant, standing, is_refused=is_refused)


def _begun(top: str) -> list[str]:
    """Settle what concerns whoever begins here; return what it should know.

    That is the worktree's agent, and the orchestrator where no agent works.
    """
    from contextlib import closing
    from pathlib import Path

    from gitcoord.core import codec
    from gitcoord.core.errors import GitcoordError
    from gitcoord.features.assist.standing import agent_marker, standing_at, top_above
    from gitcoord.features.doors import begin_as_agent, begin_as_orchestrator
    from gitcoord.features.workspace import DEFAULT_LEDGER, open_workspace

    standing = standing_at(top_above(top))
    if standing is None:
        return []
    marker = agent_marker(standing)
    ledger = marker.get("ledger") or os.environ.get("GITCOORD_LEDGER") or DEFAULT_LEDGER
    try:
        with closing(open_workspace(Path(standing.top), str(ledger), is_lazy=True)) as work:
            if "agent" in marker:
                notices = begin_as_agent(work, AgentId(str(marker["agent"])))
            else:
                notices = begin_as_orchestrator(work)
    except GitcoordError:
        # The brief is there all the same; the agent's next command tells it.
        return []
    return [f"gitcoord: {codec.printable(one.text)}" for one in notices]


def _told(error: Exception) -> str:
    hint = getattr(error, "hint", "")
    if hint:
        return f"{error}; next: {hint}"
    return f"{type(error).__name__}: {error}"


def _give_up(_number: int, _frame: object) -> None:
    _say(f"gitcoord: the hook was given up after {PATIENCE_S} seconds, and nothing was judged")
    os._exit(1)


def _say(text: str) -> None:
    shown = text.encode("ascii", "backslashreplace").decode("ascii")
    sys.stderr.write(shown.replace("\n", " ")[:1000] + "\n")
    sys.stderr.flush()
