"""Name the session that asks, from the variables of its environment.

An assistant starts each shell command in a session of the kernel's own, so
that the leader's process tells nothing there; its variable does. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = [
    "VARIABLES",
    "assistant_of",
    "is_named",
    "is_of_assistant",
    "makers_in",
    "named_session",
    "session_in_metadata",
    "session_of_run",
    "with_own",
]

NAMED = "named:"
ASSISTANT = "assistant:"
RUN = "run:"
VARIABLES = {
    "claude": "CLAUDE_CODE_SESSION_ID",
    "codex": "CODEX_SESSION_ID",
    "copilot": "COPILOT_AGENT_SESSION_ID",
    "gemini": "GEMINI_SESSION_ID",
    "opencode": "OPENCODE_SESSION_ID",
}
"""Each assistant's own variable; OpenCode has none, and its plugin sets this one."""
MAX_CHARS = 120
_CODEX_TURN = "x-codex-turn-metadata"


def named_session(environment: Mapping[str, str]) -> str | None:
    """Return the session that the variables name, or None where none does.

    An assistant that another one started has the variables of both, and is
    a session of its own.
    """
    named = environment.get("GITCOORD_SESSION", "")
    if named:
        return NAMED + named[:MAX_CHARS]
    found = []
    for assistant, variable in sorted(VARIABLES.items()):
        session = environment.get(variable)
        if session:
            found.append(f"{assistant}={session[:MAX_CHARS]}")
    if not found:
        return None
    return ASSISTANT + "+".join(found)


def with_own(environment: Mapping[str, str], assistant: str, session: str) -> dict[str, str]:
    """Return a hook's variables with those that the assistant's shell would have.

    Codex tells its hooks the session on standard input alone, and its shell
    commands in the environment alone: both have to name one session.
    """
    variable = VARIABLES.get(assistant)
    if not variable or not session:
        return dict(environment)
    return {**environment, variable: session}


def is_named(session: str) -> bool:
    """Return whether a session was named by whoever started it."""
    return session.startswith(NAMED)


def is_of_assistant(session: str) -> bool:
    """Return whether a session was named by an assistant's own variables."""
    return session.startswith(ASSISTANT)


def assistant_of(session: str) -> str:
    """Return the assistants that a session was named by, or nothing where none did."""
    if not is_of_assistant(session):
        return ""
    told = session.removeprefix(ASSISTANT).split("+")
    return "+".join(one.partition("=")[0] for one in told)


def session_of_run(pid: int, mark: str, assistant: str = "") -> str:
    """Return the session of one agent of a run, with the assistant that it starts, if any."""
    session = f"{RUN}{pid}:{mark}"
    if assistant:
        session = f"{session}:{assistant}"
    return session


def makers_in(session: str) -> tuple[str, ...]:
    """Return the assistants that work in a session; none where nothing tells."""
    told = assistant_of(session)
    if told:
        return tuple(told.split("+"))
    session = session.removeprefix(NAMED)
    if not session.startswith(RUN):
        return ()
    return tuple(session.split(":")[3:4])


def session_in_metadata(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Return the assistant and its session, as a call of a tool tells them.

    Codex starts its servers without its variables, and names the session
    beside each call. Nothing is returned where nothing is told.
    """
    told = metadata.get(_CODEX_TURN)
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except ValueError:
            return "", ""
    if isinstance(told, Mapping):
        session = told.get("session_id")
        if isinstance(session, str):
            return "codex", session
    return "", ""
