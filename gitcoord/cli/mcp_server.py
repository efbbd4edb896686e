"""Serve tools and resources over MCP, on standard input and output.

Calls come one after another: a repository that is open belongs to one
thread, and the session of a call is named for as long as that call.
"""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from gitcoord.cli.mcp_calls import answer_resource, answer_tool
from gitcoord.cli.mcp_tools import INSTRUCTIONS, RESOURCES, TOOLS
from gitcoord.cli.output import Recorded
from gitcoord.core.fitting import fit_facts, fit_text
from gitcoord.core.version import VERSION

__all__ = ["serve"]

MAX_FACTS_BYTES = 9_000
MAX_TEXT_BYTES = 9_000
MAX_RESOURCE_BYTES = 60_000
MARKDOWN = "text/markdown"


def serve() -> None:
    """Answer calls on standard input and output until the host ends."""
    anyio.run(_serve)


async def _serve() -> None:
    server = Server(
        "gitcoord",
        version=VERSION,
        title="gitcoord",
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        on_list_resources=_list_resources,
        on_list_resource_templates=_list_templates,
        on_read_resource=_read_resource,
    )
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


# tools


async def _list_tools(_context: Any, _params: object) -> types.ListToolsResult:
    tools = []
    for name, tool in TOOLS.items():
        # Codex calls a tool without asking if it neither destroys nor reaches outside.
        hints = types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.is_reading,
            destructive_hint=False,
            idempotent_hint=tool.is_reading,
            open_world_hint=False,
        )
        tools.append(
            types.Tool(
                name=name,
                title=tool.title,
                description=tool.description,
                input_schema=tool.schema,
                annotations=hints,
            )
        )
    return types.ListToolsResult(tools=tools)


async def _call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    metadata = dict(context.meta or {})
    recorded = await _in_turn(answer_tool, params.name, params.arguments or {}, metadata)
    facts = fit_facts(recorded.facts, MAX_FACTS_BYTES)
    text = fit_text(recorded.text, MAX_TEXT_BYTES, "the command of this name shows all of it")
    return types.CallToolResult(
        content=[types.TextContent(text=text)],
        structured_content=facts,
        is_error=not facts.get("ok", False),
    )


_turns: list[anyio.CapacityLimiter] = []


async def _in_turn(act: Any, *given: Any) -> Recorded:
    """Do one thing after another, beside the loop that reads and writes."""
    if not _turns:
        _turns.append(anyio.CapacityLimiter(1))
    answered: Recorded = await anyio.to_thread.run_sync(act, *given, limiter=_turns[0])
    return answered


# resources


async def _list_resources(_context: Any, _params: object) -> types.ListResourcesResult:
    return types.ListResourcesResult(
        resources=[
            types.Resource(uri=address, name=name, description=what, mime_type=MARKDOWN)
            for address, (name, what) in RESOURCES.items()
            if "{" not in address
        ]
    )


async def _list_templates(_context: Any, _params: object) -> types.ListResourceTemplatesResult:
    templates = []
    for address, (name, what) in RESOURCES.items():
        if "{" in address:
            template = types.ResourceTemplate(
                uri_template=address, name=name, description=what, mime_type=MARKDOWN
            )
            templates.append(template)
    return types.ListResourceTemplatesResult(resource_templates=templates)


async def _read_resource(
    _context: Any, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    address = str(params.uri)
    recorded = await _in_turn(answer_resource, address)
    text = fit_text(recorded.text, MAX_RESOURCE_BYTES, "the command shows all of it")
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=address, mime_type=MARKDOWN, text=text)]
    )
