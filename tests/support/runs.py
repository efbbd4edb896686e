"""Runs of a plan in this process, and what they told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gitcoord.features.run import runner
from gitcoord.features.run.order import Order
from gitcoord.features.run.reviews import Note
from gitcoord.features.workspace import Workspace
from tests.support.world import environment

WRITE = 'mkdir -p "$GITCOORD_TASK" && echo work > "$GITCOORD_TASK/file.txt"'
ONCE = "[plan]\nmax_attempts = 1\n"
TWO_PHASES = """
[[phase]]
name = "one"
[[phase]]
name = "two"
[[pool]]
name = "red"
[[pool]]
name = "blue"
"""


def spread(*rows: str) -> str:
    """Return tasks, each given as its id, phase and pool."""
    found = []
    for row in rows:
        task, phase, pool = row.split()
        keys = f'id = "{task}"\ntitle = "Do {task}"\npaths = ["{task}/"]'
        found.append(f'[[task]]\n{keys}\nphase = "{phase}"\npool = "{pool}"\n')
    return "".join(found)


def run(
    work: Workspace, repo: Path, script: str, jobs: int, order: Order
) -> tuple[runner.Run, list[Note]]:
    """Run a shell script for each task."""
    notes: list[Note] = []
    command = ["sh", "-c", script] if script else []
    done = runner.run(work, repo, command, jobs, notes.append, order=order)
    return done, notes


def told(notes: list[Note], what: str) -> list[str]:
    """Return what was told of one kind."""
    return [note.text for note in notes if note.what == what]


def started(repo: Path, script: str) -> subprocess.Popen[str]:
    """Start a run of its own with one agent."""
    words = [sys.executable, "-m", "gitcoord", "-C", str(repo), "run", "-j", "1", "--"]
    return subprocess.Popen(
        [*words, "sh", "-c", script], env=environment(), stderr=subprocess.PIPE, text=True
    )
