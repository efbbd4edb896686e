"""Ask Codex itself which hooks it trusts: nobody else can tell, or may decide."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gitcoord.core.errors import UnavailableError
from gitcoord.core.shapes import NamedTuple
from gitcoord.host.clock import Clock, Deadline

__all__ = ["HookTrust", "ask_codex"]

PATIENCE_S = 15.0
MAX_LINES = 1000


class HookTrust(NamedTuple):
    """One hook that Codex knows for a folder, and how it stands to it."""

    source: str
    event: str
    command: str
    trust: str


def ask_codex(program: str, folder: Path, flags: Sequence[str] = ()) -> list[HookTrust]:
    """Return the hooks that Codex would run in a folder, with their trust.

    ``flags`` are those that it would be started with.

    Raises:
        UnavailableError: It did not answer in time, or in another way than
            is known.

    """
    asked = [
        {
            "id": 1,
            "method": "initialize",
            "params": {"clientInfo": {"name": "gitcoord", "version": "1"}},
        },
        {"method": "initialized"},
        {"id": 2, "method": "hooks/list", "params": {"cwds": [str(folder)]}},
    ]
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    try:
        with subprocess.Popen(
            [program, "app-server", *flags],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as server:
            try:
                return _answered(server, lines)
            finally:
                server.kill()
    except OSError as error:
        raise _unanswered(str(error.strerror)) from None


def _answered(server: subprocess.Popen[str], lines: str) -> list[HookTrust]:
    """Read until the answer to our question comes; a watchdog ends a silent server."""
    import threading

    assert server.stdin is not None
    assert server.stdout is not None
    watchdog = threading.Timer(PATIENCE_S, server.kill)
    watchdog.daemon = True
    watchdog.start()
    deadline = Deadline(Clock(), PATIENCE_S)
    try:
        server.stdin.write(lines)
        server.stdin.flush()
        for _ in range(MAX_LINES):
            line = server.stdout.readline(1024 * 1024)
            if not line or deadline.expired:
                break
            found = _parsed(line)
            if found is not None:
                return found
    finally:
        watchdog.cancel()
    raise _unanswered("it did not say which hooks it knows")


def _parsed(line: str) -> list[HookTrust] | None:
    try:
        message: Any = json.loads(line)
        if message.get("id") != 2:
            return None
        hooks = [one for folder in message["result"]["data"] for one in folder["hooks"]]
        return [
            HookTrust(
                str(one.get("sourcePath", "")),
                str(one.get("eventName", "")),
                str(one.get("command", "")),
                str(one.get("trustStatus", "")),
            )
            for one in hooks
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _unanswered(why: str) -> UnavailableError:
    return UnavailableError(
        f"codex app-server could not be asked: {why}", hint="see `codex --version`, and try again"
    )
