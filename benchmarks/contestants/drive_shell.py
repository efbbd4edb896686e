"""Claim by a hand-written shell script of git plumbing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.contestants.programs import git, repository

CHOOSES = True
IS_FINAL = True
SCRIPT = str(Path(__file__).parents[1] / "claim.sh")
SYNCED = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsync", "GIT_CONFIG_VALUE_0": "all"}
ENV = {**os.environ, **(SYNCED if os.environ.get("CONTEST_MODE") == "synced" else {})}


def prepare(top: Path, tasks: int, _: list[str]) -> None:
    repo = repository(top / "repo")
    blob = git("hash-object", "-w", "--stdin", cwd=repo, stdin="open\n").strip()
    opened = git(
        "mktree",
        cwd=repo,
        stdin="".join(f"100644 blob {blob}\tt{number}\n" for number in range(tasks)),
    ).strip()
    claimed = git("mktree", cwd=repo, stdin="").strip()
    tree = git(
        "mktree", cwd=repo, stdin=f"040000 tree {claimed}\tclaimed\n040000 tree {opened}\topen\n"
    ).strip()
    git(
        "update-ref",
        "refs/heads/claims",
        git("commit-tree", "-m", "tasks", tree, cwd=repo).strip(),
        cwd=repo,
    )


class Driver:
    """One agent's calls of the script."""

    def __init__(self, top: Path, agent: str) -> None:
        self.repo, self.agent = top / "repo", agent

    def claim(self, _: str) -> str | None:
        done = subprocess.run(
            [SCRIPT, self.agent],
            cwd=self.repo,
            env=ENV,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode > 1:
            raise RuntimeError(done.stderr.strip()[-250:])
        return done.stdout.strip() or None

    def finish(self, task: str) -> None:
        """Leave it claimed: an agent may hold as many as it likes."""


def held(top: Path) -> list[tuple[str, str]]:
    repo = top / "repo"
    pairs = []
    for line in git("log", "--format=%s", "refs/heads/claims", cwd=repo).splitlines():
        agent, _, task = line.partition(" claims ")
        if task and git("show", f"refs/heads/claims:claimed/{task}", cwd=repo).strip() == agent:
            pairs.append((task, agent))
    return pairs
