"""The real Claude Code works under gitcoord; only its model is scripted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gitcoord.features.workspace import Workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.programs import claude, start_claude
from tests.assistants.scripted_model import ScriptedModel, Turn, call, say, shell, tool
from tests.support.world import git


def agent(site: Path, name: str) -> Path:
    gitcoord(site, "agent", "add", name, "--assistant", "claude")
    return site.parent / f"{site.name}.worktrees" / name


def state(work: Workspace, task: str) -> str:
    return work.ledger.snapshot().require_task(task)["state"]


def write(path: Path, text: str = "x\n") -> Turn:
    return call("Write", file_path=str(path), content=text)


def test_a_whole_task_from_brief_to_done(site: Path, work: Workspace, home: Path) -> None:
    place = agent(site, "one")
    gitcoord(place, "claim", "alpha")
    script = [
        write(place / "beta" / "no.txt"),
        write(place / "alpha" / "yes.txt"),
        say("I am done."),
        shell('gitcoord complete --commit "Write alpha"'),
        say("Now it is done."),
    ]
    with ScriptedModel(script) as model:
        answer = claude(model, home, place, "Work on your gitcoord task")
    assert answer.status == 0, answer.stderr
    first = model.bodies[0]
    assert "# gitcoord: agent one holds task alpha" in first, "session start shows the brief"
    assert "is not part of task alpha" in model.sent, "the model is told of the refused edit"
    assert not (place / "beta").exists()
    assert "task alpha is still claimed by one" in model.sent, "the end of the turn is held"
    assert state(work, "alpha") == "done"
    denied = [one["tool_input"].get("file_path") for one in answer.result["permission_denials"]]
    assert denied == [str(place / "beta" / "no.txt")], "nothing else needed a permission"


def test_tools_over_mcp_do_what_the_commands_do(site: Path, work: Workspace, home: Path) -> None:
    gitcoord(site, "setup", "claude", "--mcp")
    place = agent(site, "one")
    script = [
        tool("claim", task="alpha"),
        write(place / "alpha" / "yes.txt"),
        tool("progress", message="half", percent=50),
        tool("complete", message="Write alpha"),
        tool("status"),
        say("over"),
    ]
    with ScriptedModel(script) as model:
        answer = claude(model, home, place, "Work on your gitcoord task")
    assert answer.result["permission_denials"] == [], "setup allows the tools by name"
    assert "claimed alpha" in model.sent or '"id":"alpha"' in model.sent.replace("\\", "")
    done = work.ledger.snapshot().require_task("alpha")
    assert (done["state"], done["result"] and done["result"]["agent"]) == ("done", "one")
    log = git("log", "--format=%B", "gitcoord/ledger", cwd=site)
    session = answer.result["session_id"]
    assert re.findall(r'"session":"([^"]*)"', log) == [f"assistant:claude={session}"]


def test_permissions_hold_by_name_and_nothing_else(site: Path, home: Path) -> None:
    place = agent(site, "one")
    refused = [
        "gitcoord run -- true",
        "gitcoord trust --yes",
        "gitcoord -C . status",
        "gitcoord --as-orchestrator cancel alpha",
        "gitcoord keepalive -- true",
        "gitcoord status -C /",
        "gitcoord show alpha --as-orchestrator",
        "gitcoord status; sh -c 'touch made-it'",
    ]
    script = [
        shell("gitcoord status"),
        shell("gitcoord tasks --json"),
        *map(shell, refused),
        say("over"),
    ]
    with ScriptedModel(script) as model:
        answer = claude(model, home, place, "Look around")
    assert "ledger ledger" in model.sent
    denied = [one["tool_input"]["command"] for one in answer.result["permission_denials"]]
    assert denied == refused
    assert not (place / "made-it").exists()


def test_five_subagents_at_once_never_cross_tasks(site: Path, work: Workspace, home: Path) -> None:
    gitcoord(site, "setup", "claude")
    names = ["alpha", "beta", "gamma", "delta", "epsilon"]
    calls = tuple(
        (
            "Agent",
            {
                "description": name,
                "prompt": f"Sub {name}: do gitcoord:{name}",
                "subagent_type": "general-purpose",
                "isolation": "worktree",
            },
        )
        for name in names
    )
    lanes = {
        f'"text": "Sub {name}: do': [
            shell(
                f"mkdir -p {name} && echo x > {name}/file && "
                f"git branch --show-current > {name}/branch"
            ),
            # Claude refuses the word complete to an isolated subagent.
            shell(f'gitcoord hand-in --commit "Write {name}"'),
            say(f"{name} is done"),
        ]
        for name in names
    }
    with ScriptedModel([Turn("go", calls), say("waiting"), *[say("noted")] * 6], lanes) as model:
        answer = claude(
            model, home, site, "Let subagents do all", "--allowedTools", "Bash", "Agent"
        )
    assert answer.status == 0, answer.stderr
    snapshot = work.ledger.snapshot()
    agents = set()
    for name in names:
        task = snapshot.require_task(name)
        assert task["state"] == "done", name
        result = task["result"]
        assert result is not None
        agents.add(result["agent"])
        shown = subprocess.run(
            ["git", "show", f"{result['oid']}:{name}/branch"],
            cwd=site,
            check=True,
            capture_output=True,
            text=True,
        )
        assert shown.stdout.startswith(f"task/{name}/1-")
        assert f"holds task {name}" in model.sent
    assert len(agents) == 5


def test_a_subagent_without_a_task_has_a_plain_worktree(
    site: Path, work: Workspace, home: Path
) -> None:
    gitcoord(site, "setup", "claude")
    given = {
        "description": "d",
        "prompt": "Sub plain: look",
        "subagent_type": "general-purpose",
        "isolation": "worktree",
    }
    lanes = {'"text": "Sub plain: look': [shell("git branch --show-current"), say("seen")]}
    with ScriptedModel(
        [Turn("go", (("Agent", given),)), say("waiting"), say("noted")], lanes
    ) as model:
        claude(model, home, site, "Start one", "--allowedTools", "Bash", "Agent")
    assert "worktree-agent-" in model.sent
    assert work.ledger.snapshot().agents() == []


def test_a_worktree_named_after_a_task_starts_with_its_claim(
    site: Path, work: Workspace, home: Path
) -> None:
    gitcoord(site, "setup", "claude")
    with ScriptedModel([say("seen"), say("seen"), say("seen"), say("seen")]) as model:
        answer = claude(model, home, site, "Work", "-w", "beta")
    assert answer.status == 0, answer.stderr
    assert "# gitcoord: agent w-beta holds task beta" in model.bodies[0]
    assert state(work, "beta") == "claimed"


def test_after_compaction_the_brief_is_there_again(site: Path, home: Path) -> None:
    place = agent(site, "one")
    gitcoord(place, "claim", "alpha")
    full = Turn("much", (("$shell", "gitcoord status"),), tokens=995_000)
    script = [full, say("after"), say("after"), say("after"), say("after")]
    with ScriptedModel(script) as model:
        claude(model, home, place, "Work")
    after = [body for body in model.bodies if "a summary" in body]
    assert after, "the conversation was compacted"
    assert "# gitcoord: agent one holds task alpha" in after[0]


def test_a_killed_assistant_that_is_started_again_goes_on(
    site: Path, work: Workspace, home: Path
) -> None:
    place = agent(site, "one")
    with ScriptedModel([shell("gitcoord claim alpha"), Turn("thinking", sleep_s=60)]) as model:
        child = start_claude(model, home, place, "Work")
        for _ in range(600):
            if state(work, "alpha") == "claimed" and len(model.bodies) > 1:
                break
            time.sleep(0.1)
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    held = work.ledger.snapshot().require_task("alpha")["claim"]
    assert held is not None
    script = [
        shell("gitcoord claim --json"),
        write(place / "alpha" / "yes.txt"),
        shell('gitcoord complete --commit "Write alpha"'),
        say("done"),
    ]
    with ScriptedModel(script) as model:
        answer = claude(model, home, place, "Go on")
    assert answer.status == 0, answer.stderr
    assert '\\\\\\"reissued\\\\\\": true' in model.sent or '\\"reissued\\": true' in model.sent
    assert state(work, "alpha") == "done"


def test_a_commit_from_a_linked_worktree_inside_claudes_sandbox(
    site: Path, work: Workspace, home: Path
) -> None:
    if shutil.which("bwrap") is None or shutil.which("socat") is None:
        pytest.skip("Claude's sandbox needs bwrap and socat")
    place = agent(site, "one")
    gitcoord(place, "claim", "alpha")
    file = home / ".claude" / "settings.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"sandbox": {"enabled": True, "failIfUnavailable": True}}))
    script = [
        shell("git status --porcelain -uall | head -3; touch ../escaped"),
        write(place / "alpha" / "yes.txt"),
        shell("gitcoord complete --dry-run --commit x"),
        shell('gitcoord complete --commit "Write alpha"'),
        say("done"),
    ]
    with ScriptedModel(script) as model:
        answer = claude(model, home, place, "Work", "--allowedTools", "Bash")
    assert answer.status == 0, answer.stderr
    assert "?? .bash" in model.sent, "the sandbox's stubs are there"
    assert not (place.parent / "escaped").exists()
    assert "would be handed in: 1 commit(s), 1 file(s)" in model.sent
    assert state(work, "alpha") == "done"
