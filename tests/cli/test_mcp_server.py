"""A real MCP client works on a task through the server, as another process."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import tasks
from tests.support.world import environment, found

pytestmark = pytest.mark.skipif(
    find_spec("mcp") is None, reason="the extra is not installed: pip install 'gitcoord[mcp]'"
)

CLIENT = """
import json, os, sys
import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

async def main():
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gitcoord", "mcp"], env=json.loads(sys.argv[1])
    )
    async with Client(stdio_client(server), mode=sys.argv[2]) as client:
        listed = await client.list_tools()
        said = {"tools": [tool.model_dump() for tool in listed.tools]}
        said["instructions"] = client.instructions
        said["resources"] = [str(one.uri) for one in (await client.list_resources()).resources]
        calls = []
        for name, given in json.loads(sys.argv[3]):
            if name == "write":
                os.makedirs(os.path.dirname(given["path"]), exist_ok=True)
                open(given["path"], "w").write("x\\n")
                continue
            got = await client.call_tool(name, given)
            calls.append([got.is_error, got.content[0].text, got.structured_content])
        said["calls"] = calls
        read = await client.read_resource("gitcoord://task/a")
        said["read"] = read.contents[0].text
        print(json.dumps(said))

anyio.run(main)
"""


def talk(worktree: Path, mode: str, *calls: tuple[str, dict[str, Any]]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, json.dumps(environment()), mode, json.dumps(calls)],
        cwd=worktree,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_claims_and_completes(repo: Path, mode: str) -> None:
    work = found(repo, tasks("a", "b"), "one")
    worktree = work.worktree_of("one") or repo
    said = talk(
        worktree,
        mode,
        ("claim", {"task": "a"}),
        ("write", {"path": "a/new.txt"}),
        ("progress", {"message": "half", "percent": 50}),
        ("complete", {"message": "Write a", "percent": 3}),
        ("complete", {"message": "Write a"}),
        ("status", {}),
    )
    assert work.ledger.snapshot().require_task("a")["state"] == "done"
    assert [is_error for is_error, _, _ in said["calls"]] == [False, False, True, False, False]
    for _, text, facts in said["calls"]:
        assert len(json.dumps(facts).encode()) < 10_000
        assert len(text.encode()) < 10_000
    assert "claimed a" in said["calls"][0][1]
    assert said["calls"][0][2]["task"]["id"] == "a"
    assert "a: " in said["read"]
    assert said["resources"] == ["gitcoord://plan", "gitcoord://brief"]
    assert "Loop: claim a task" in said["instructions"]
    work.close()
    assert len(said["tools"]) == 8
    for tool in said["tools"]:
        hints = tool["annotations"]
        assert hints["read_only_hint"] is (tool["name"] in {"status", "brief"})
        # Without a person Codex calls no tool that may destroy, or reaches outside.
        assert (hints["destructive_hint"], hints["open_world_hint"]) == (False, False)
