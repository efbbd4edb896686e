"""Several machines, each with a clone of its own, and the server that they share."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gitcoord.features.setup import agents, machines, plans
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.host.clock import Clock
from tests.support.world import git

__all__ = ["OtherMachine", "clone", "joined", "made", "server"]


class OtherMachine(Clock):
    """The clock of another machine: another boot, and a time of its own."""

    def __init__(self, name: str, ahead_s: float = 0.0, years: int = 0) -> None:
        super().__init__()
        self.name = name
        self.ahead_s = ahead_s
        self.years = years

    def boot_id(self) -> str:
        return f"boot-of-{self.name}"

    def machine_id(self) -> str:
        return self.boot_id()

    def monotonic_ns(self) -> int:
        return super().monotonic_ns() + int(self.ahead_s * 1e9)

    def seconds(self) -> int:
        return super().seconds() + self.years * 31_557_600


def server(folder: Path) -> Path:
    """Make a bare repository that everybody pushes to."""
    place = folder / "server.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(place)], check=True)
    return place


def made(repo: Path, url: str, plan: str, *names: str, worktrees: bool = True) -> Workspace:
    """Make a ledger on a server, with a plan and agents."""
    git("remote", "add", "origin", url, cwd=repo)
    work = open_workspace(repo)
    machines.make(work, machines.home_for(work, "origin"))
    plans.apply_plan(work, plan, "plan.toml")
    for name in names:
        agents.add(work, name, no_worktree=not worktrees)
    return work


def clone(url: str, place: Path, *options: str) -> Path:
    """Clone what is on a server, as a user would."""
    subprocess.run(["git", "clone", "-q", *options, url, str(place)], check=True)
    return place


def joined(url: str, place: Path, *names: str, clock: Clock | None = None) -> Workspace:
    """Clone, and work on the ledger that is there."""
    work = open_workspace(clone(url, place), clock=clock)
    machines.join(work)
    for name in names:
        agents.add(work, name)
    return work


def ask_anew(work: Workspace) -> None:
    """Take nothing for granted that was fetched before, as each command does at its start."""
    assert work.remote is not None
    work.remote.ask_anew()
