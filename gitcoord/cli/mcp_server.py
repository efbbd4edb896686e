"""Serve tools and resources over MCP, on standard input and output.

Calls come one after another: a repository that is open belongs to one
thread, and the session of a call is named for as long as that call.
"""

from __future__ import annotations

from typing import Any, Self

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from gitcoord.cli.mcp_calls import answer_resource, answer_tool
from gitcoord.cli.mcp_greeting import Greeting
from gitcoord.cli.mcp_tools import INSTRUCTIONS, RESOURCES, TOOLS
from gitcoord.cli.output import Recorded
from gitcoord.core.fitting import fit_facts, fit_text
from gitcoord.core.version import VERSION

__all__ = ["serve"]

MAX_FACTS_BYTES = 9_000
MAX_TEXT_BYTES = 9_000
MAX_RESOURCE_BYTES = 60_000
MARKDOWN = "text/markdown"


def serve(greeting: Greeting) -> None:
    """Answer calls on standard input and output until the host ends.

    ``greeting`` is the line that was read already, and whether it was answered.
    """
    anyio.run(_serve, greeting)


async def _serve(greeting: Greeting) -> None:
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
    options = server.create_initialization_options()
    async with stdio_server() as (read, write):
        await server.run(_Replayed(read, greeting), _KeptBack(write, greeting), options)


# what was read and answered before the SDK was there


class _Replayed:
    """A stream of messages that begins with the line that was read already."""

    def __init__(self, rest: Any, greeting: Greeting) -> None:
        self._rest = rest
        self._first = [greeting.line] if greeting.line else []

    async def receive(self) -> SessionMessage | Exception:
        if not self._first:
            message: SessionMessage | Exception = await self._rest.receive()
            return message
        line = self._first.pop()
        try:
            return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValueError as error:
            return error

    async def aclose(self) -> None:
        await self._rest.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _KeptBack:
    """A stream of messages without the one answer that the host has already."""

    def __init__(self, rest: Any, greeting: Greeting) -> None:
        self._rest = rest
        self._answered = greeting.answered

    async def send(self, item: SessionMessage, /) -> None:
        answered = getattr(item.message, "id", None)
        if self._answered is None or answered != self._answered:
            await self._rest.send(item)
        else:
            self._answered = None

    async def aclose(self) -> None:
        await self._rest.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


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
