"""A host's first question is answered before the SDK is loaded, and as the SDK does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gitcoord.cli.mcp_greeting import MEETINGS, TODAY, greet, greeting_for
from tests.support.world import environment

KEY = "io.modelcontextprotocol"
ABOUT = {
    f"{KEY}/protocolVersion": TODAY,
    f"{KEY}/clientInfo": {"name": "host", "version": "1"},
    f"{KEY}/clientCapabilities": {},
}


def meeting(version: str, number: int | str = 0) -> dict[str, Any]:
    client = {"name": "host", "version": "1"}
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
    return {"jsonrpc": "2.0", "id": number, "method": "initialize", "params": params}


DISCOVERY = {"jsonrpc": "2.0", "id": "a", "method": "server/discover", "params": {"_meta": ABOUT}}
# Both greet, then ask for the tools: that answer is the SDK's in any case.
ASKED = """
import json, sys
from gitcoord.cli.mcp_greeting import Greeting
from gitcoord.cli.mcp_server import serve
serve(Greeting(sys.stdin.buffer.raw.readline(), None))
"""
needs_sdk = pytest.mark.skipif(find_spec("mcp") is None, reason="the extra is not installed")


def line(asked: object) -> bytes:
    return json.dumps(asked).encode() + b"\n"


def answers(program: list[str], cwd: Path, *asked: dict[str, Any]) -> list[Any]:
    """Ask all at once, and wait for the last answer: a host that leaves is told no more."""
    with subprocess.Popen(
        [sys.executable, *program],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"".join(map(line, asked)))
        server.stdin.flush()
        told: list[Any] = []
        while not told or told[-1]["id"] != asked[-1]["id"]:
            told.append(json.loads(server.stdout.readline()))
        server.stdin.close()
        told += map(json.loads, server.stdout)
    assert server.returncode == 0
    return told


@needs_sdk
@pytest.mark.parametrize("asked", [meeting("2025-06-18", "x"), DISCOVERY], ids=["met", "found"])
def test_the_answer_is_the_sdks_own_and_comes_once(tmp_path: Path, asked: dict[str, Any]) -> None:
    tools: dict[str, Any] = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
    told = [asked, {**tools, "params": {"_meta": ABOUT}}]
    if asked is not DISCOVERY:
        told = [asked, {"jsonrpc": "2.0", "method": "notifications/initialized"}, tools]
    by_sdk = answers(["-c", ASKED], tmp_path, *told)
    ours = answers(["-m", "gitcoord", "mcp"], tmp_path, *told)
    assert [one["id"] for one in by_sdk] == [asked["id"], 7]
    assert ours == by_sdk
    assert len(ours[1]["result"]["tools"]) == 8


def test_it_is_given_while_nothing_of_the_sdk_is_loaded() -> None:
    program = (
        "import sys; from gitcoord.cli.mcp_greeting import greet; greet(0, 1);"
        "sys.exit(any(name in sys.modules for name in ('mcp', 'mcp_types', 'anyio', 'pydantic')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=line(DISCOVERY), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["supportedVersions"] == [TODAY]


def test_nothing_after_the_first_line_is_read() -> None:
    read, host = os.pipe()
    told, write = os.pipe()
    os.write(host, line(meeting(MEETINGS[0])) + b"second\n")
    assert greet(read, write).answered == 0
    assert os.read(read, 100) == b"second\n"
    assert json.loads(os.read(told, 4096))["result"]["protocolVersion"] == MEETINGS[0]
    for descriptor in (read, host, told, write):
        os.close(descriptor)


def test_each_protocol_that_begins_so_is_answered_in_its_own_version() -> None:
    for version in MEETINGS:
        answer = greeting_for(line(meeting(version)))
        assert answer is not None
        assert answer["result"]["protocolVersion"] == version


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"{\n",
        b"[" * 100_000,
        b"[]\n",
        line({**meeting(MEETINGS[0]), "id": None}),
        line({**meeting(MEETINGS[0]), "id": True}),
        line({**meeting(MEETINGS[0]), "params": 3}),
        line({**meeting(MEETINGS[0]), "jsonrpc": "1.0"}),
        line({**meeting(MEETINGS[0]), "params": {"protocolVersion": MEETINGS[0]}}),
        line({**meeting(MEETINGS[0]), "method": "tools/list"}),
        line(meeting("1999-01-01")),
        line({**DISCOVERY, "params": {"_meta": {**ABOUT, f"{KEY}/protocolVersion": "2099-01-01"}}}),
        line({**DISCOVERY, "params": {"_meta": {}}}),
        line({**DISCOVERY, "params": {}}),
    ],
)
def test_whatever_else_is_asked_is_left_to_the_sdk(asked: bytes) -> None:
    assert greeting_for(asked) is None
