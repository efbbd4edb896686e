"""Claim through microbeads: look whether it is open, then say in progress."""

from __future__ import annotations

import fcntl
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.contestants.programs import git, repository, run

CHOOSES = False
IS_FINAL = True
MB = str(Path(sys.executable).with_name("mb"))


def call(*args: str, cwd: Path) -> Any:
    return json.loads(run(MB, "--json", *args, cwd=cwd))


def prepare(top: Path, tasks: int, _: list[str]) -> None:
    repo = repository(top / "repo")
    run(MB, "init", cwd=repo)
    ids = {f"t{number}": call("create", f"t{number}", cwd=repo)["id"] for number in range(tasks)}
    (top / "ids.json").write_text(json.dumps(ids))


class Driver:
    """One agent, known by the branch of its worktree."""

    def __init__(self, top: Path, agent: str) -> None:
        self.place, self.agent = top / agent, agent
        self.ids: dict[str, str] = json.loads((top / "ids.json").read_text())
        with (top / "worktrees").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            git("worktree", "add", "-q", "-b", agent, str(self.place), cwd=top / "repo")

    def claim(self, task: str) -> str | None:
        if call("show", self.ids[task], cwd=self.place)["status"] != "open":
            return None
        said = call("update", self.ids[task], "--status", "in_progress", cwd=self.place)
        return task if said["claimed_by"] == self.agent else None

    def finish(self, task: str) -> None:
        """Leave it in progress."""


def held(top: Path) -> list[tuple[str, str]]:
    return [
        (issue["title"], issue["claimed_by"])
        for issue in call("list", cwd=top / "repo")
        if issue.get("claimed_by")
    ]
