"""The loop that every assistant goes through: brief, boundary, end of a turn, done."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gitcoord.features.workspace import Workspace
from tests.assistants.conftest import gitcoord
from tests.assistants.programs import GITCOORD, Answer, all_of_them
from tests.assistants.scripted_model import ScriptedModel, limited, say, shell, tool, write

__all__ = ["run_over_a_limit", "tools_over_mcp", "usages", "whole_task"]

PLAN_WITH_A_LIMIT = """
[plan]
limit_wait = "1s"
[[task]]
id = "alpha"
title = "Write alpha"
paths = ["alpha/"]
[[task]]
id = "beta"
title = "Write beta"
paths = ["beta/"]
needs = ["alpha"]
"""


def whole_task(
    ask: Callable[[ScriptedModel, Path, Path, str], Answer],
    site: Path,
    work: Workspace,
    home: Path,
) -> None:
    """Let an assistant write outside, then inside, then stop too early, then hand in."""
    if work.worktree_of("one") is None:
        gitcoord(site, "agent", "add", "one")
    place = site.parent / f"{site.name}.worktrees" / "one"
    gitcoord(place, "claim", "alpha")
    (place / "alpha").mkdir()
    script = [
        write(str(place / "beta.txt"), "x\n"),
        write(str(place / "alpha" / "yes.txt"), "x\n"),
        say("I am done."),
        shell('gitcoord complete --commit "Write alpha"'),
        say("Now it is done."),
    ]
    with ScriptedModel(script) as model:
        answer = ask(model, home, place, "Work on your gitcoord task")
    assert answer.status == 0, answer.stderr
    assert "agent one holds task alpha" in model.bodies[0], "session start shows the brief"
    assert "is not part of task alpha" in model.sent, "the model is told of the refused edit"
    assert not (place / "beta.txt").exists()
    assert "task alpha is still claimed by one" in model.sent, "the end of the turn is held"
    assert work.ledger.snapshot().require_task("alpha")["state"] == "done"


def tools_over_mcp(
    ask: Callable[[ScriptedModel, Path, Path, str], Answer],
    assistant: str,
    site: Path,
    work: Workspace,
    home: Path,
) -> None:
    """Let an assistant find the server that `setup --mcp` entered, and work by its tools alone."""
    gitcoord(site, "setup", assistant, "--mcp")
    gitcoord(site, "agent", "add", "one", "--assistant", assistant)
    place = site.parent / f"{site.name}.worktrees" / "one"
    (place / "alpha").mkdir()
    script = [
        tool("claim", task="alpha"),
        write(str(place / "alpha" / "yes.txt"), "x\n"),
        tool("progress", message="half", percent=50),
        tool("complete", message="Write alpha"),
        say("over"),
    ]
    with ScriptedModel(script) as model:
        answer = ask(model, home, place, "Work on your gitcoord task")
    assert answer.status == 0, answer.stderr
    done = work.ledger.snapshot().require_task("alpha")
    assert (done["state"], done["result"] and done["result"]["agent"]) == ("done", "one"), (
        model.sent[-3000:]
    )


def run_over_a_limit(repo: Path, home: Path, *words: str) -> tuple[str, ScriptedModel]:
    """Let a run of one assistant reach its usage limit in the middle, and land all the same.

    Returns what the run told, and the model with what it was sent.
    """
    (repo / "plan.toml").write_text(PLAN_WITH_A_LIMIT)
    for key, value in (("user.name", "Tester"), ("user.email", "tester@example.invalid")):
        subprocess.run(["git", "config", key, value], cwd=repo, check=True)
    subprocess.run(["git", "add", "."], cwd=repo, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "plan"], cwd=repo, check=True)
    gitcoord(repo, "init", "plan.toml")
    gitcoord(repo, "agent", "add", "run-1")
    if "gemini" in words:
        gitcoord(repo, "setup", "gemini")
    half = shell("mkdir -p alpha && echo half > alpha/half")
    hands_in = [
        shell("t=$GITCOORD_TASK; mkdir -p $t && echo by $0 > $t/file"),
        shell('gitcoord complete --commit "Write $GITCOORD_TASK"'),
        say("over"),
    ]
    script = [half, limited(int(time.time()) + 5), *hands_in, *hands_in]
    with ScriptedModel(script) as model:
        done = subprocess.run(
            [str(GITCOORD), "run", "-j", "1", *words],
            cwd=repo,
            env=all_of_them(model, home),
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "everything landed" in done.stdout
    return told, model


def usages(repo: Path) -> list[dict[str, Any]]:
    """Return what each session used, as the ledger has it."""
    command = ["git", "log", "--format=%B", "gitcoord/ledger"]
    log = subprocess.run(command, cwd=repo, check=True, capture_output=True, text=True).stdout
    mark = "Gitcoord-Event: "
    events = [json.loads(line.removeprefix(mark)) for line in log.splitlines() if mark in line]
    return [event["usage"] for event in events if event["op"] == "usage"]
