"""OpenCode's plugin, called as OpenCode calls it, asks gitcoord and does what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitcoord.features.assist.setups import own_program
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from gitcoord.host.shipped import shipped
from tests.support.builders import tasks
from tests.support.world import found

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

PLUGIN = shipped("templates") / "opencode" / "gitcoord.js"
DRIVER = """
const { Gitcoord } = await import(process.argv[1])
const { directory, program, calls, parents } = JSON.parse(process.argv[2])
const prompted = []
const client = { session: {
  get: async ({ path }) => ({ data: { parentID: parents[path.id] } }),
  promptAsync: async (given) => { prompted.push(given); return {} },
} }
const hooks = await Gitcoord({ client, directory, worktree: directory }, { program })
const told = []
for (const [name, input, output] of calls) {
  try {
    await hooks[name](input, output)
    told.push(output ?? {})
  } catch (error) {
    told.push({ thrown: error.message })
  }
}
console.log(JSON.stringify({ told, prompted }))
"""
"""Plays OpenCode: it calls each hook with what the real one was seen to give."""


@pytest.fixture
def work(repo: Path) -> Iterator[Workspace]:
    work = found(repo, tasks("a"), "one")
    yield work
    work.close()


def worktree(work: Workspace) -> Path:
    place = work.worktree_of("one")
    assert place is not None
    return place


def play(place: Path, *calls: list[Any], program: str = "", **parents: str) -> dict[str, Any]:
    given = {
        "directory": str(place),
        "program": program or own_program("local"),
        "calls": calls,
        "parents": parents,
    }
    done = subprocess.run(
        ["node", "--input-type=module", "-e", DRIVER, PLUGIN.as_uri(), json.dumps(given)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def before(tool: str, session: str = "ses_1", **args: str) -> list[Any]:
    call = {"tool": tool, "sessionID": session, "callID": "call_1"}
    return ["tool.execute.before", call, {"args": args}]


def ends(finish: str = "stop", **more: Any) -> list[Any]:
    info = {"id": "msg_1", "role": "assistant", "sessionID": "ses_1", "finish": finish}
    info |= {"agent": "build", "modelID": "m", "providerID": "p", **more}
    return ["event", {"event": {"type": "message.updated", "properties": {"info": info}}}]


def test_an_edit_outside_is_thrown_back_and_one_inside_is_not(work: Workspace) -> None:
    claims.claim(work, "one", "a")
    place = worktree(work)
    outside = before("write", filePath=str(place / "elsewhere.txt"), content="x")
    inside = before("write", filePath=str(place / "a" / "x.txt"), content="x")
    reads = before("read", filePath=str(place / "elsewhere.txt"))
    of_server = before("other_server_look", path=str(place / "elsewhere.txt"))
    told = play(place, outside, inside, reads, of_server)["told"]
    assert "is not part of task a" in told[0]["thrown"]
    assert not any("thrown" in one for one in told[1:])


def test_the_brief_is_in_the_system_prompt_and_stays_the_same(work: Workspace) -> None:
    claims.claim(work, "one", "a")
    asked = ["experimental.chat.system.transform", {"sessionID": "ses_1"}, {"system": ["yours"]}]
    told = play(worktree(work), asked, asked)["told"]
    assert told[0]["system"][0] == "yours"
    assert "agent one holds task a" in told[0]["system"][1]
    assert told[0] == told[1]


def test_a_turn_that_would_end_with_a_claim_goes_on_as_it_was(work: Workspace) -> None:
    claims.claim(work, "one", "a")
    (asked,) = play(worktree(work), ends("tool-calls"), ends(), ends())["prompted"]
    assert asked["path"] == {"id": "ses_1"}
    assert asked["body"]["agent"] == "build"
    assert asked["body"]["model"] == {"modelID": "m", "providerID": "p"}
    assert "task a is still claimed by one" in asked["body"]["parts"][0]["text"]


def test_a_summary_and_a_subagent_end_no_turn(work: Workspace) -> None:
    claims.claim(work, "one", "a")
    knows = before("read", session="ses_2", filePath="a")
    child = ends(sessionID="ses_2", id="msg_2")
    said = play(worktree(work), ends(summary=True), knows, child, ses_2="ses_1")
    assert said["prompted"] == []


def test_a_subagent_may_not_claim_in_its_leads_place(work: Workspace) -> None:
    claims.claim(work, "one", "a")
    claiming = before("bash", session="ses_2", command="gitcoord claim")
    lead = before("bash", command="gitcoord claim")
    told = play(worktree(work), claiming, lead, ses_2="ses_1")["told"]
    assert "shares its lead's worktree" in told[0]["thrown"]
    assert "thrown" not in told[1]


def test_a_shell_command_is_of_the_leads_session(work: Workspace) -> None:
    given = ["shell.env", {"cwd": "/", "sessionID": "ses_2"}, {"env": {"PATH": "/bin"}}]
    (told,) = play(worktree(work), given, ses_2="ses_1")["told"]
    assert told["env"]["OPENCODE_SESSION_ID"] == "ses_1"
    assert told["env"]["PATH"].startswith("/bin:")


def test_a_program_that_is_missing_refuses_an_edit_and_nothing_else(work: Workspace) -> None:
    claims.claim(work, "one", "a")
    edit = before("write", filePath="a/x", content="x")
    asked = ["experimental.chat.system.transform", {"sessionID": "ses_1"}, {"system": []}]
    told = play(worktree(work), edit, asked, ends(), program="/nowhere/gitcoord")["told"]
    assert "nowhere" in told[0]["thrown"]
    assert told[1:] == [{"system": []}, {}]


def test_outside_of_a_claim_and_of_an_agents_worktree_nothing_is_asked(
    work: Workspace, repo: Path, tmp_path: Path
) -> None:
    edit = before("write", filePath="elsewhere.txt", content="x")
    for place in (worktree(work), repo, tmp_path):
        said = play(place, edit, ends(), program="/nowhere/gitcoord")
        assert said["told"][0] == {"args": edit[2]["args"]}
        assert said["prompted"] == []
