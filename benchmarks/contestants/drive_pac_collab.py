"""Claim through pac-collab: a row of SQLite, and a worktree with it."""

from __future__ import annotations

import importlib
from pathlib import Path

from benchmarks.contestants.programs import git, repository

CHOOSES = False
IS_FINAL = True
pac_collab = importlib.import_module("pac_collab.coordinator")


def prepare(top: Path, _tasks: int, _names: list[str]) -> None:
    git("clone", "-q", "--bare", str(repository(top / "seed")), str(top / "origin.git"), cwd=top)
    git("clone", "-q", str(top / "origin.git"), "repo", cwd=top)


class Driver:
    """One agent's coordinator."""

    def __init__(self, top: Path, agent: str) -> None:
        self.top, self.agent = top, agent
        self.coordinator = pac_collab.SandboxCoordinator(top / "registry.db", top / "sandboxes")

    def claim(self, task: str) -> str | None:
        said = self.coordinator.acquire_sandbox(
            str(self.top / "repo"), "race", task, "race", agent_label=self.agent
        )
        if said["status"] == "ALLOCATED":
            return task
        if "already active" in said["reason"]:
            return None
        raise RuntimeError(said["reason"])

    def finish(self, task: str) -> None:
        """Keep the sandbox: giving it back lets others have the task."""


def held(top: Path) -> list[tuple[str, str]]:
    rows = pac_collab.SandboxCoordinator(top / "registry.db", top / "sandboxes").list_sandboxes(
        "race"
    )
    return [(row["task_id"], row["agent_label"]) for row in rows if row["status"] == "ACTIVE"]
