"""Write how an assistant starts the MCP server, into its own kind of file.

Pure. Claude reads a file of servers alone; it is written where there is
none. Codex has them in its configuration, where ours stands between marks.
"""

from __future__ import annotations

import json
import re
import tomllib

__all__ = ["CLAUDE_TOOLS", "claude_servers", "is_claude_servers", "with_server", "without_server"]

CLAUDE_TOOLS = "mcp__gitcoord"
"""The rule by which Claude allows the tools of the server, which are an agent's alone."""
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
    server = servers["gitcoord"]
    return isinstance(server, dict) and server.get("args") == ["mcp"]


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
