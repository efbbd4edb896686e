"""Claim through gitcoord: its Python interface, or one process a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.contestants.programs import repository
from gitcoord.core.errors import GitcoordError
from gitcoord.features.inspect import facts
from gitcoord.features.setup import agents, ledger, plans
from gitcoord.features.work import claims, results
from gitcoord.features.workspace import open_workspace

CHOOSES = True
IS_FINAL = True
IS_COMMAND = os.environ.get("CONTEST_MODE") == "cli"


def prepare(top: Path, tasks: int, names: list[str]) -> None:
    work = open_workspace(repository(top / "repo"))
    ledger.init(work)
    plans.apply_plan(
        work, f'[[tasks]]\nids = "1-{tasks}"\ntitle = "Task {{id}}"\npaths = []\n', "plan.toml"
    )
    for name in names:
        agents.add(work, name, no_worktree=True)


class Library:
    """A long-lived caller."""

    def __init__(self, top: Path, agent: str) -> None:
        self.agent = agent
        self.work = open_workspace(top / "repo")
        self.token = ""

    def claim(self, _: str) -> str | None:
        try:
            held = claims.claim(self.work, self.agent, checkout=False)
        except GitcoordError as error:
            if error.code in {"nothing-ready", "conflict"}:
                return None
            raise
        self.token = held.claim["token"]
        return held.task["id"]

    def finish(self, task: str) -> None:
        results.complete(self.work, self.agent, task, self.token, no_result=True)


class Command:
    """A process for each command."""

    def __init__(self, top: Path, agent: str) -> None:
        self.argv = [
            sys.executable,
            "-m",
            "gitcoord",
            "-C",
            str(top / "repo"),
            "--agent",
            agent,
            "--json",
        ]

    def claim(self, _: str) -> str | None:
        answer = self._call("claim", "--no-checkout")
        if not answer["ok"] and answer["error"]["code"] in {"nothing-ready", "conflict"}:
            return None
        return str(answer["task"]["id"])

    def finish(self, _: str) -> None:
        answer = self._call("complete", "--no-result")
        if not answer["ok"]:
            raise RuntimeError(answer["error"]["message"])

    def _call(self, *args: str) -> Any:
        return json.loads(
            subprocess.run([*self.argv, *args], capture_output=True, text=True, check=False).stdout
        )


Driver = Command if IS_COMMAND else Library


def held(top: Path) -> list[tuple[str, str]]:
    work = open_workspace(top / "repo")
    entries = facts.history(work, work.ledger.tip(), limit=1_000_000)
    return [(entry["tasks"][0], entry["agent"]) for entry in entries if entry["op"] == "claim"]
