"""Claim through flockwork: a ref made once on a shared origin."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.contestants.programs import git, repository

CHOOSES = False
IS_FINAL = True
l2: Any = importlib.import_module("l2.inrepo")


def prepare(top: Path, tasks: int, _: list[str]) -> None:
    seed = repository(top / "seed")
    git("clone", "-q", "--bare", str(seed), str(top / "origin.git"), cwd=top)
    (top / "spec.json").write_text(json.dumps({f"t{number}": "do it" for number in range(tasks)}))
    os.chdir(seed)
    l2.seed(str(top / "spec.json"), str(top / "origin.git"))


class Driver:
    """One worker, in a clone of its own."""

    def __init__(self, top: Path, agent: str) -> None:
        self.agent, self.origin = agent, str(top / "origin.git")
        git("clone", "-q", self.origin, agent, cwd=top)
        os.chdir(top / agent)

    def claim(self, task: str) -> str | None:
        said = l2.claim_detail(self.agent, task, self.origin)
        if (
            said["att"] is None
            and l2.classify_claim_failure(said["rc"], said["stderr"]) == "structural"
        ):
            raise RuntimeError(said["stderr"].strip()[-250:])
        return task if said["att"] else None

    def finish(self, task: str) -> None:
        """Leave it claimed: its verdict comes with a model's work."""


def held(top: Path) -> list[tuple[str, str]]:
    refs = git(
        "for-each-ref",
        "--format=%(refname:lstrip=3) %(contents:lines=9)",
        "refs/swarm/claims",
        cwd=top / "origin.git",
    )
    pairs, task = [], ""
    for line in refs.splitlines():
        if " claim " in line:
            task = line.split()[0]
        elif line.strip().startswith("att-"):
            pairs.append((task, line.split("-")[1]))
    return pairs
