"""Speak for assistants that call tools: mcp."""

from __future__ import annotations

import sys

import click

from gitcoord.core.errors import UsageError

__all__ = ["mcp"]


@click.command()
def mcp() -> None:
    """Serve the agents' commands to an assistant, as MCP tools on its pipes.

    An assistant starts this itself; the worktree in which it does so says
    who is asking. Answers, rules and refusals are those of the commands. It
    needs the extra: pip install 'gitcoord[mcp]'.

    Example: gitcoord setup codex --mcp --dry-run
    """
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        raise UsageError(
            "the MCP server needs the SDK, which is not installed here",
            hint="pip install 'gitcoord[mcp]'",
        )
    from gitcoord.cli.mcp_greeting import greet

    greeting = greet(sys.stdin.fileno(), sys.stdout.fileno())
    # Loading this takes long; the host has its first answer by now.
    from gitcoord.cli.mcp_server import serve

    serve(greeting)
