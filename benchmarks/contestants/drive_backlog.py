"""Claim through Backlog.md: look whether it has an assignee, then be it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from benchmarks.contestants.programs import repository, run

CHOOSES = False
IS_FINAL = True
BACKLOG = os.environ.get("CONTEST_MODE", "backlog")


def prepare(top: Path, tasks: int, _: list[str]) -> None:
    repo = repository(top / "repo")
    run(
        BACKLOG,
        "init",
        "race",
        "--defaults",
        "--check-branches",
        "false",
        "--include-remote",
        "false",
        cwd=repo,
    )
    for number in range(tasks):
        run(BACKLOG, "task", "create", f"t{number}", "--plain", cwd=repo)


class Driver:
    """One agent in the repository."""

    def __init__(self, top: Path, agent: str) -> None:
        self.repo, self.agent = top / "repo", agent

    def claim(self, task: str) -> str | None:
        number = str(int(task[1:]) + 1)
        if "\nAssignee: @" in run(BACKLOG, "task", "view", number, "--plain", cwd=self.repo):
            return None
        said = run(
            BACKLOG,
            "task",
            "edit",
            number,
            "-a",
            f"@{self.agent}",
            "-s",
            "In Progress",
            "--plain",
            cwd=self.repo,
        )
        return task if f"Assignee: @{self.agent}\n" in said else None

    def finish(self, task: str) -> None:
        """Leave it in progress."""


def held(top: Path) -> list[tuple[str, str]]:
    pairs = []
    for path in (top / "repo" / "backlog" / "tasks").glob("*.md"):
        text = path.read_text()
        title, agent = (
            re.search(r"^title: '?(\w+)", text, re.MULTILINE),
            re.search(r"^assignee:\s+- '?@(\w+)", text, re.MULTILINE),
        )
        if title and agent:
            pairs.append((title[1], agent[1]))
    return pairs
