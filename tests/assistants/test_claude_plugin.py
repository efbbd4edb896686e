"""The plugin is what Claude itself takes for valid, and does what the set-up does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gitcoord.features.workspace import Workspace
from gitcoord.host.shipped import shipped
from tests.assistants.conftest import gitcoord
from tests.assistants.install import program
from tests.assistants.programs import claude
from tests.assistants.scripted_model import ScriptedModel, call, say, shell


def plugin() -> Path:
    return shipped("templates") / "claude-plugin"


def test_claude_takes_it_for_valid() -> None:
    done = subprocess.run(
        [str(program("claude")), "plugin", "validate", str(plugin())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_task_with_the_plugin_alone(site: Path, work: Workspace, home: Path) -> None:
    gitcoord(site, "agent", "add", "one")
    place = site.parent / f"{site.name}.worktrees" / "one"
    gitcoord(place, "claim", "alpha")
    script = [
        call("Write", file_path=str(place / "no.txt"), content="x\n"),
        call("Write", file_path=str(place / "alpha" / "yes.txt"), content="x\n"),
        say("I am done."),
        shell('gitcoord complete --commit "Write alpha"'),
        say("Now it is done."),
    ]
    with ScriptedModel(script) as model:
        more = ("--plugin-dir", str(plugin()), "--allowedTools", "Bash")
        answer = claude(model, home, place, "Work on your gitcoord task", *more)
    assert answer.status == 0, answer.stderr
    assert "agent one holds task alpha" in model.bodies[0]
    assert "gitcoord:work" in model.bodies[0], "the skill is offered"
    assert "is not part of task alpha" in model.sent
    assert "task alpha is still claimed by one" in model.sent
    assert work.ledger.snapshot().require_task("alpha")["state"] == "done"
