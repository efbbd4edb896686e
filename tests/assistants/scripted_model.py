"""A model that follows a script: what a real assistant talks to in the lane.

It speaks Anthropic's Messages, OpenAI's Responses and Chat Completions, and
Gemini's generateContent, streamed, on loopback.
A script is a list of turns; a lane is another list for requests in which a
pattern occurs, as those of one subagent. What was sent is kept, so that a
test can see what the model would have read.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

__all__ = ["ScriptedModel", "Turn", "call", "limited", "patch", "say", "shell", "tool", "write"]

SUMMARY = "Respond with TEXT ONLY"
"""How Claude asks for a summary, offering its tools all the same."""


class Turn(NamedTuple):
    """One answer of the model: a text, and tools that it calls.

    ``tokens`` is how large the model claims the conversation to be.
    """

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    tokens: int = 100
    sleep_s: float = 0.0
    limit_until: int = 0
    """In place of an answer: the usage limit is reached, until this time in Unix seconds."""


def limited(until: int) -> Turn:
    """Refuse a request as each provider does where a usage limit is reached."""
    return Turn(limit_until=until)


def say(text: str) -> Turn:
    return Turn(text)


def call(name: str, **given: Any) -> Turn:
    return Turn("next", ((name, given),))


def shell(command: str) -> Turn:
    """Run a command, by the shell tool of whichever assistant asks."""
    return Turn("next", (("$shell", command),))


def tool(name: str, **given: Any) -> Turn:
    """Call one of gitcoord's tools over MCP."""
    return call(f"mcp__gitcoord__{name}", **given)


def write(path: str, content: str) -> Turn:
    """Write a file, by the tool of whichever assistant asks (Copilot, Gemini, OpenCode)."""
    return Turn("next", (("$write", (path, content)),))


def patch(*lines: str) -> Turn:
    """Apply a patch of Codex's form."""
    return Turn("next", (("apply_patch", "\n".join(["*** Begin Patch", *lines, "*** End Patch"])),))


class ScriptedModel:
    """A server that is up as long as the block runs."""

    def __init__(self, turns: list[Turn], lanes: dict[str, list[Turn]] | None = None) -> None:
        self.bodies: list[str] = []
        self._turns = list(turns)
        self._lanes = [(re.compile(pattern), list(rest)) for pattern, rest in (lanes or {}).items()]
        self._given: dict[str, Turn] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.model = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def sent(self) -> str:
        """Everything that was ever sent to the model."""
        return "\n".join(self.bodies)

    @property
    def answered(self) -> str:
        """What tools answered, where the model is told so in the form of Responses (Codex)."""
        items = [item for body in self.bodies for item in json.loads(body).get("input", [])]
        found = [item for item in items if str(item.get("type", "")).endswith("_call_output")]
        return "\n".join(str(item.get("output")) for item in found)

    def answer(self, body: str, *, has_tools: bool) -> Turn:
        """Return the next turn; a request that is sent again gets the same one."""
        with self._lock:
            self.bodies.append(body)
            if body not in self._given:
                self._given[body] = self._next(body, has_tools=has_tools)
            return self._given[body]

    def _next(self, body: str, *, has_tools: bool) -> Turn:
        for pattern, rest in self._lanes:
            if pattern.search(body):
                return rest.pop(0) if rest else say("over")
        if not has_tools or SUMMARY in body:
            return say("a summary")
        return self._turns.pop(0) if self._turns else say("over")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send({"data": [], "object": "list", "has_more": False})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw or b"{}")
        path = self.path.split("?")[0]
        if path.endswith("count_tokens"):
            self._send({"input_tokens": 100})
        elif path.endswith("/messages"):
            self._stream(_anthropic, body)
        elif path.endswith("/responses"):
            self._stream(_openai, body)
        elif path.endswith("/chat/completions"):
            self._stream(_chat, body)
        elif "streamGenerateContent" in path:
            self._stream(_gemini, body)
        elif "enerateContent" in path:
            self._send(next(_gemini(body, say("a summary"), []))[1])
        else:
            self._send({"error": {"message": "not here"}}, 404)

    def _stream(self, speak: Any, body: dict[str, Any]) -> None:
        model: ScriptedModel = self.server.model  # type: ignore[attr-defined]
        tools = _tool_names(body)
        turn = model.answer(json.dumps(body, ensure_ascii=False), has_tools=bool(tools))
        time.sleep(turn.sleep_s)
        if turn.limit_until:
            self._refuse(speak, turn.limit_until)
            return
        calls = [_fitted(name, given, tools) for name, given in turn.calls]
        events = list(speak(body, turn, calls))
        if speak in {_anthropic, _openai} and not body.get("stream"):
            whole = events[-1][1] if speak is _openai else _whole_message(body, turn, calls)
            self._send(whole)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for name, event in events:
            head = f"event: {name}\n" if name else ""
            self.wfile.write(f"{head}data: {json.dumps(event)}\n\n".encode())
        if speak is _chat:
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _refuse(self, speak: Any, until: int) -> None:
        """Answer 429 in the provider's words, and ask for no second try."""
        text = "You have reached your usage limit."
        error: dict[str, Any] = {"type": "usage_limit_reached", "message": text, "resets_at": until}
        if speak is _anthropic:
            error = {"type": "rate_limit_error", "message": text}
        elif speak is _gemini:
            error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": text}
        headers = {
            "x-should-retry": "false",
            "anthropic-ratelimit-unified-status": "rejected",
            "anthropic-ratelimit-unified-reset": str(until),
        }
        self._send({"type": "error", "error": error}, 429, headers)

    def _send(
        self, value: object, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, one in (headers or {}).items():
            self.send_header(name, one)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _tool_names(body: dict[str, Any]) -> set[str]:
    """Return the names of the tools on offer, in whichever form they are listed."""
    names = set()
    for tool in body.get("tools") or []:
        for one in tool.get("functionDeclarations") or [tool.get("function") or tool]:
            names.add(str(one.get("name") or one.get("type")))
    return names


def _fitted(name: str, given: Any, tools: set[str]) -> tuple[str, Any]:
    """Return a call in the words of the tools that are on offer."""
    if name == "$write":
        path, content = given
        if "write_file" in tools:
            return "write_file", {"file_path": path, "content": content}
        if "todowrite" in tools:
            return "write", {"filePath": path, "content": content}
        return "create", {"path": path, "file_text": content}
    if name != "$shell":
        return _tool_as_named(name, tools), given
    if "exec_command" in tools:
        return "exec_command", {"cmd": given}
    said = {"command": given, "description": "run it"}
    if "run_shell_command" in tools:
        return "run_shell_command", {**said, "is_background": False}
    if "bash" in tools:
        return "bash", said
    return "Bash", said


def _tool_as_named(name: str, tools: set[str]) -> str:
    """Return a tool of ours by the name under which a host offers it."""
    server, _, short = name.rpartition("__")
    ours = (one for one in sorted(tools) if "gitcoord" in one and one.endswith(short))
    return next(ours, name) if server == "mcp__gitcoord" else name


_numbers = iter(range(1, 1_000_000))


def _whole_message(
    body: dict[str, Any], turn: Turn, calls: list[tuple[str, Any]]
) -> dict[str, Any]:
    number = next(_numbers)
    blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for at, (name, given) in enumerate(calls):
        blocks.append(
            {"type": "tool_use", "id": f"toolu_{number:06d}{at:02d}", "name": name, "input": given}
        )
    usage = {
        "input_tokens": turn.tokens,
        "output_tokens": 10,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
    stop = "tool_use" if calls else "end_turn"
    return {
        "id": f"msg_{number:06d}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


def _anthropic(
    body: dict[str, Any], turn: Turn, calls: list[tuple[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Stream one message of Anthropic's Messages."""
    whole = _whole_message(body, turn, calls)
    yield (
        "message_start",
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
    )
    for at, block in enumerate(whole["content"]):
        empty: dict[str, Any]
        delta: dict[str, Any]
        if block["type"] == "text":
            empty, delta = (
                {"type": "text", "text": ""},
                {"type": "text_delta", "text": block["text"]},
            )
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield (
            "content_block_start",
            {"type": "content_block_start", "index": at, "content_block": empty},
        )
        yield "content_block_delta", {"type": "content_block_delta", "index": at, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": at}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": end, "usage": whole["usage"]}
    yield "message_stop", {"type": "message_stop"}


def _called(item: dict[str, Any], name: str, given: Any) -> dict[str, Any]:
    """Return a call of a function; those of a server are in its namespace."""
    space, _, short = name.rpartition("__")
    if space:
        item |= {"namespace": space, "name": short}
    return {**item, "type": "function_call", "arguments": json.dumps(given)}


def _openai(
    body: dict[str, Any], turn: Turn, calls: list[tuple[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Stream one response of OpenAI's Responses."""
    number = next(_numbers)
    items: list[dict[str, Any]] = []
    if turn.text:
        content = [{"type": "output_text", "text": turn.text, "annotations": []}]
        items.append(
            {
                "type": "message",
                "id": f"msg_{number}",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        )
    for at, (name, given) in enumerate(calls):
        item = {
            "id": f"fc_{number}_{at}",
            "call_id": f"call_{number}_{at}",
            "name": name,
            "status": "completed",
        }
        if isinstance(given, str):
            items.append({**item, "type": "custom_tool_call", "input": given})
        else:
            items.append(_called(item, name, given))
    usage = {
        "input_tokens": turn.tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": turn.tokens + 10,
    }
    whole = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": body.get("model"),
        "output": items,
        "usage": usage,
        "error": None,
        "incomplete_details": None,
    }
    events: list[tuple[str, dict[str, Any]]] = [
        (
            "response.created",
            {"response": {**whole, "status": "in_progress", "output": [], "usage": None}},
        )
    ]
    for at, item in enumerate(items):
        started = {**item, "content": []} if item["type"] == "message" else item
        events.append(("response.output_item.added", {"output_index": at, "item": started}))
        events.append(("response.output_item.done", {"output_index": at, "item": item}))
    events.append(("response.completed", {"response": whole}))
    for at, (name, event) in enumerate(events):
        yield name, {"type": name, "sequence_number": at, **event}


def _chat(
    body: dict[str, Any], turn: Turn, calls: list[tuple[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Stream one answer of OpenAI's Chat Completions."""
    number = next(_numbers)
    base = {"id": f"chat_{number}", "created": 0, "model": body.get("model")}
    base["object"] = "chat.completion.chunk"
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if calls:
        message["tool_calls"] = [
            {
                "index": at,
                "id": f"call_{number}_{at}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(given)},
            }
            for at, (name, given) in enumerate(calls)
        ]
    reason = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": turn.tokens, "completion_tokens": 10, "total_tokens": turn.tokens}
    yield "", {**base, "choices": [{"index": 0, "delta": message, "finish_reason": None}]}
    yield "", {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    yield "", {**base, "choices": [], "usage": usage}


def _gemini(
    _body: dict[str, Any], turn: Turn, calls: list[tuple[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """Stream one answer of Gemini's generateContent."""
    number = next(_numbers)
    parts: list[dict[str, Any]] = [{"text": turn.text}] if turn.text else []
    for at, (name, given) in enumerate(calls):
        parts.append({"functionCall": {"id": f"call_{number}_{at}", "name": name, "args": given}})
    content = {"role": "model", "parts": parts}
    usage = {"promptTokenCount": turn.tokens, "candidatesTokenCount": 10}
    yield (
        "",
        {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {**usage, "totalTokenCount": turn.tokens + 10},
            "modelVersion": "scripted",
            "responseId": f"r{number}",
        },
    )
