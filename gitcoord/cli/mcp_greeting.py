"""Answer a host's first question over MCP while the SDK is still loaded.

Loading the SDK takes more than a second of CPU, several on a busy machine,
and some hosts give up on a server before. What a host asks first has one
answer that is known before: who this server is, and what it offers. So that
is given at once, in the very words of the SDK (a test compares them). The
SDK then reads the same question, for it must know of it, and its answer is
kept back. Every other first question waits for the SDK.
"""

from __future__ import annotations

import json
import os
from typing import Any

from gitcoord.cli.mcp_tools import INSTRUCTIONS
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.version import VERSION

__all__ = ["Greeting", "greet", "greeting_for"]

MEETINGS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The protocols that begin with ``initialize``, oldest first."""
TODAY = "2026-07-28"
"""The protocol that begins with ``server/discover``."""
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_CLIENT_KEYS = frozenset(
    {
        _VERSION_KEY,
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/clientCapabilities",
    }
)
_SELF = {"name": "gitcoord", "title": "gitcoord", "version": VERSION}
_OFFERS = {
    "resources": {"listChanged": False, "subscribe": False},
    "tools": {"listChanged": False},
}


class Greeting(NamedTuple):
    """The first line that a host wrote, and the answer that it was given.

    ``answered`` is that request's id; None where the SDK answers it.
    """

    line: bytes
    answered: int | str | None


def greeting_for(line: bytes) -> dict[str, Any] | None:
    """Return the answer to a host's first line, or None where the SDK has to give it."""
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or asked.get("jsonrpc") != "2.0":
        return None
    number, params = asked.get("id"), asked.get("params")
    if isinstance(number, bool) or not isinstance(number, int | str):
        return None
    if not isinstance(params, dict):
        return None
    result = None
    if asked.get("method") == "initialize":
        result = _met(params)
    elif asked.get("method") == "server/discover":
        result = _discovered(params)
    if result is None:
        return None
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _met(params: dict[str, Any]) -> dict[str, Any] | None:
    """Answer ``initialize``, in a protocol that both sides speak."""
    client, able = params.get("clientInfo"), params.get("capabilities")
    if params.get("protocolVersion") not in MEETINGS:
        return None
    if not _names_itself(client) or not isinstance(able, dict):
        return None
    return {
        "capabilities": _OFFERS,
        "instructions": INSTRUCTIONS,
        "protocolVersion": params["protocolVersion"],
        "serverInfo": _SELF,
    }


def _discovered(params: dict[str, Any]) -> dict[str, Any] | None:
    """Answer ``server/discover`` of today's protocol."""
    about = params.get("_meta")
    if not isinstance(about, dict) or not about.keys() >= _CLIENT_KEYS:
        return None
    if about[_VERSION_KEY] != TODAY:
        return None
    return {
        "cacheScope": "private",
        "capabilities": _OFFERS,
        "instructions": INSTRUCTIONS,
        "resultType": "complete",
        "supportedVersions": [TODAY],
        "ttlMs": 0,
        "_meta": {"io.modelcontextprotocol/serverInfo": _SELF},
    }


def _names_itself(client: object) -> bool:
    if not isinstance(client, dict):
        return False
    return all(isinstance(client.get(key), str) for key in ("name", "version"))


def greet(read: int, write: int) -> Greeting:
    """Read a host's first line, and answer it where the answer is known already.

    Nothing after that line is read from the descriptor, for the SDK reads on
    from it. If this fails nothing was answered, and the host hears of it by
    the end of the server.
    """
    line = b""
    while not line.endswith(b"\n") and (one := os.read(read, 1)):
        line += one
    answer = greeting_for(line)
    if answer is None:
        return Greeting(line, None)
    left = json.dumps(answer, separators=(",", ":")).encode() + b"\n"
    while left:
        left = left[os.write(write, left) :]
    return Greeting(line, answer["id"])
