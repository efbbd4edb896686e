"""Make a repository with a ledger, and do an agent's work in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from gitcoord.features.setup import agents, ledger, plans
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import Workspace, open_workspace

ENV_PATH = str(Path(__file__).parents[2])
SHORT = '[plan]\nlease = "1s"\nheartbeat = "300ms"\n'
LONGER = '[plan]\nlease = "5s"\nheartbeat = "1s"\n'


def git(*args: str, cwd: Path) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, check=False, capture_output=True, text=True)
    try:
        done.check_returncode()
    except subprocess.CalledProcessError as error:
        error.add_note(f"git said: {done.stderr.strip()}")
        raise
    return done.stdout.strip()


def found(repo: Path, plan: str, *names: str, worktrees: bool = True) -> Workspace:
    """Make a ledger with a plan and agents."""
    work = open_workspace(repo)
    ledger.init(work)
    plans.apply_plan(work, plan, "plan.toml")
    for name in names:
        agents.add(work, name, no_worktree=not worktrees)
    return work


def write(worktree: Path, name: str, text: str = "x\n", message: str = "work") -> str:
    """Commit one file in a worktree."""
    path = worktree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git("add", "-A", cwd=worktree)
    git("commit", "-q", "-m", message, cwd=worktree)
    return git("rev-parse", "HEAD", cwd=worktree)


def do(
    work: Workspace, agent: str, task: str | None = None, text: str = "x\n", name: str = ""
) -> claims.Claimed:
    """Claim a task, write one file of it, and complete it."""
    claimed = claims.claim(work, agent, task)
    folder = Path(claimed.worktree or "")
    write(folder, name or f"{claimed.task['id']}/file.txt", text)
    results.complete(work, agent, claimed.task["id"], claimed.claim["token"])
    return claimed


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ENV_PATH, **more}


def record(work: Workspace, task: str) -> Any:
    return work.ledger.snapshot().require_task(task)
