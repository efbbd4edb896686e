"""Claim files through agentsync: a JSON file on a branch of a shared origin."""

from __future__ import annotations

import importlib
import json
import os
import re
from pathlib import Path

from benchmarks.contestants.programs import git, repository

CHOOSES = False
# The next claim of an agent takes the place of its last one.
IS_FINAL = False
agentsync = importlib.import_module("agentsync_server")


def prepare(top: Path, _tasks: int, _names: list[str]) -> None:
    git("clone", "-q", "--bare", str(repository(top / "seed")), str(top / "origin.git"), cwd=top)
    Driver(top, "founder").claim("nothing")


class Driver:
    """One agent, in a clone of its own."""

    def __init__(self, top: Path, agent: str) -> None:
        git("clone", "-q", str(top / "origin.git"), agent, cwd=top)
        os.environ |= {"AGENTSYNC_BOARD_REPO": str(top / agent), "AGENTSYNC_AGENT_ID": agent}

    def claim(self, task: str) -> str | None:
        said = json.loads(agentsync.claim(task=task, touches=[f"src/{task}.py"]))
        if said["status"] not in {"claimed", "blocked"}:
            raise RuntimeError(f"{said['status']}: {said.get('message', '')}")
        return task if said["status"] == "claimed" else None

    def finish(self, task: str) -> None:
        """Hold it until the next claim."""


def held(top: Path) -> list[tuple[str, str]]:
    log = git("log", "--format=%s", "refs/heads/agentsync", cwd=top / "origin.git")
    return [
        (task, agent)
        for agent, task in re.findall(r"^agentsync: (\S+) claims '(.*)'$", log, re.MULTILINE)
    ]
