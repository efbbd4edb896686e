"""What starts the MCP server, in each assistant's own kind of file."""

from __future__ import annotations

import json
import tomllib

import pytest

from gitcoord.core.mcp_settings import (
    claude_servers,
    is_claude_servers,
    with_server,
    without_server,
)


def test_claudes_file_starts_the_server_and_is_known_again() -> None:
    text = claude_servers("/opt/bin/gitcoord")
    server = json.loads(text)["mcpServers"]["gitcoord"]
    assert [server["command"], *server["args"]] == ["/opt/bin/gitcoord", "mcp"]
    assert is_claude_servers(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{}",
        '{"mcpServers": {}}',
        '{"mcpServers": []}',
        '{"mcpServers": {"gitcoord": []}}',
        '{"mcpServers": {"gitcoord": {"args": ["other"]}}}',
        '{"mcpServers": {"gitcoord": {"args": ["mcp"]}, "mine": {}}}',
        '{"mcpServers": {"gitcoord": {"args": ["mcp"]}}, "more": 1}',
    ],
)
def test_a_file_of_somebody_elses_is_not_ours(text: str) -> None:
    assert not is_claude_servers(text)


@pytest.mark.parametrize(
    "before", ["", 'model = "m"\n', '# mine\n[mcp_servers.other]\ncommand = "x"\n']
)
def test_codex_starts_the_server_and_the_rest_stays(before: str) -> None:
    made = with_server(before, '/opt/a "b"/gitcoord')
    server = tomllib.loads(made)["mcp_servers"]["gitcoord"]
    assert [server["command"], *server["args"]] == ['/opt/a "b"/gitcoord', "mcp"]
    assert with_server(made, "/other/gitcoord") != made
    assert with_server(made, '/opt/a "b"/gitcoord') == made
    assert without_server(made) == before


def test_a_server_of_that_name_is_not_replaced() -> None:
    with pytest.raises(ValueError, match="a server named gitcoord already"):
        with_server('[mcp_servers.gitcoord]\ncommand = "x"\n', "gitcoord")


def test_what_is_not_toml_is_not_written_to() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        with_server("= nothing", "gitcoord")
