"""What an assistant's hook costs at a tool call, against ``import click``."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gitcoord.features.setup import agents, ledger, plans
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace

PLAN = """
[[task]]
id = "a"
title = "A"
paths = ["a/"]
[[task]]
id = "b"
title = "B"
paths = ["b/"]
"""


def hook_ratios(
    repo: Path, env: dict[str, str], cpu: Callable[..., float], rounds: int = 25
) -> tuple[float, float, float]:
    """Return the cost of ``import click``, and the ratios of two kinds of tool call.

    At the first kind the ledger stands where it stood; at the second another
    agent has written an entry since.
    """
    work = open_workspace(repo)
    ledger.init(work)
    plans.apply_plan(work, PLAN, "plan.toml")
    for name in ("one", "two"):
        agents.add(work, name)
    place = claims.claim(work, "one", "a").worktree or ""
    other = claims.claim(work, "two", "b", checkout=False)
    shape = {
        "hook_event_name": "PreToolUse",
        "session_id": "s",
        "cwd": place,
        "tool_name": "Write",
        "tool_use_id": "t",
        "tool_input": {"file_path": f"{place}/a/x", "content": "x" * 2000},
    }
    event = repo.parent / "event.json"
    event.write_text(json.dumps(shape))
    command = [sys.executable, "-P", "-m", "gitcoord", "hook", "claude", place]

    def call() -> float:
        with event.open() as stdin:
            return cpu(command, env=env, cwd=Path(place), stdin=stdin)

    call()
    click, still, moved = [], [], []
    for number in range(rounds):
        click.append(cpu([sys.executable, "-c", "import click"], env=env))
        still.append(call() / click[-1])
        results.progress(work, "two", "b", other.claim["token"], f"{number}")
        moved.append(call() / click[-1])
    work.close()
    subprocess.run(["git", "worktree", "prune"], cwd=repo, check=True)
    return statistics.median(click), statistics.median(still), statistics.median(moved)
