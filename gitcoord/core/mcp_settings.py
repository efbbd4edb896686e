"""Write how an assistant starts the MCP server, into its own kind of file.

Pure. Claude reads a file of servers alone; it is written where there is
none. Codex has them in its configuration, where ours stands between marks.
Gemini, Copilot and OpenCode have them in settings, each under its name.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

__all__ = [
    "CLAUDE_TOOLS",
    "SERVER",
    "SERVER_OF_OPENCODE",
    "claude_servers",
    "copilot_server",
    "gemini_server",
    "is_claude_servers",
    "is_our_server",
    "opencode_server",
    "with_server",
    "without_server",
]

CLAUDE_TOOLS = "mcp__gitcoord"
"""The rule by which Claude allows the tools of the server, which are an agent's alone."""
SERVER = ("mcpServers", "gitcoord")
"""Where our server stands in the settings of Gemini and Copilot."""
SERVER_OF_OPENCODE = ("mcp", "gitcoord")
_BEGIN = (
    "# gitcoord mcp: begin (`gitcoord setup codex --mcp` writes this, `--remove` takes it away)"
)
_END = "# gitcoord mcp: end"
_BLOCK = re.compile(r"# gitcoord mcp: begin[^\n]*\n.*?# gitcoord mcp: end\n", re.DOTALL)


def claude_servers(program: str) -> str:
    """Return a whole ``.mcp.json`` that starts our server, and no other."""
    server = {"type": "stdio", "command": program, "args": ["mcp"]}
    return json.dumps({"mcpServers": {"gitcoord": server}}, indent=2) + "\n"


def is_claude_servers(content: str) -> bool:
    """Return whether a ``.mcp.json`` holds our server alone, of any release."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or set(found) != {"mcpServers"}:
        return False
    servers = found["mcpServers"]
    if not isinstance(servers, dict) or set(servers) != {"gitcoord"}:
        return False
    return is_our_server(servers["gitcoord"])


def gemini_server(program: str) -> dict[str, Any]:
    """Return how Gemini starts our server."""
    return {"command": program, "args": ["mcp"]}


def copilot_server(program: str) -> dict[str, Any]:
    """Return how Copilot starts our server, with all of its tools, as it would write it."""
    return {"type": "local", "command": program, "args": ["mcp"], "tools": ["*"]}


def opencode_server(program: str) -> dict[str, Any]:
    """Return how OpenCode starts our server."""
    return {"type": "local", "command": [program, "mcp"], "enabled": True}


def is_our_server(server: object) -> bool:
    """Return whether the server named gitcoord in a host's settings is ours, of any release."""
    if not isinstance(server, dict):
        return False
    command = server.get("command")
    if isinstance(command, list):
        return command[1:] == ["mcp"]
    return server.get("args") == ["mcp"]


def with_server(content: str, program: str) -> str:
    """Return Codex's configuration with our server, the rest as it is.

    Raises:
        ValueError: It is not TOML, or has such a server of its own.

    """
    rest = without_server(content)
    servers = tomllib.loads(rest).get("mcp_servers", {})
    if "gitcoord" in servers:
        raise ValueError("it has a server named gitcoord already")
    if rest and not rest.endswith("\n"):
        rest += "\n"
    lines = [
        _BEGIN,
        "[mcp_servers.gitcoord]",
        f"command = {json.dumps(program)}",
        'args = ["mcp"]',
        # Without it the model is asked before the tools are there.
        "required = true",
        _END,
    ]
    made = rest + "".join(f"{line}\n" for line in lines)
    tomllib.loads(made)
    return made


def without_server(content: str) -> str:
    """Return Codex's configuration without our server."""
    return _BLOCK.sub("", content)
