"""Take away what finished runs and landed work leave behind, and nothing that is unmerged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import AgentId
from gitcoord.core.refs import branch_name
from gitcoord.features.land.branches import reclaim_branches
from gitcoord.features.run.begun import PREFIX, runs_folder
from gitcoord.features.setup import agents
from gitcoord.features.workspace import Workspace
from gitcoord.git.program import GitError
from gitcoord.host.seats import take_seat

__all__ = ["Kept", "Tidied", "tidy"]


class Kept(NamedTuple):
    """An agent of a run that stays, and why."""

    agent: AgentId
    why: str


class Tidied(NamedTuple):
    """What went, and what stayed."""

    agents: list[AgentId]
    branches: list[str]
    kept: list[Kept]


def tidy(work: Workspace) -> Tidied:
    """Remove the agents of finished runs with their worktrees, and the branches of landed work.

    An agent stays while a run has it, while it holds a claim, and while its
    worktree has changes or commits that nothing else holds. If this is cut
    off the rest is still there, for the next one.
    """
    gone: list[AgentId] = []
    kept: list[Kept] = []
    for record in work.ledger.snapshot().agents():
        agent = record["id"]
        number = agent.removeprefix(PREFIX)
        if not agent.startswith(PREFIX) or not number.isdecimal():
            continue
        with _seat(work, int(number)) as is_free:
            if not is_free:
                kept.append(Kept(agent, "a run that goes on has it"))
                continue
            try:
                _, left = agents.remove(work, agent, "its run is over")
            except (RefusedError, GitError) as error:
                kept.append(Kept(agent, str(error)))
                continue
        gone.append(agent)
        kept += [Kept(agent, text) for text in left]
    refs = reclaim_branches(work, work.ledger.snapshot())
    return Tidied(gone, [branch_name(ref) for ref in refs], kept)


@contextmanager
def _seat(work: Workspace, number: int) -> Iterator[bool]:
    """Hold an agent's seat, so that no run begins with it; False where a run has it."""
    seat = take_seat(runs_folder(work), PREFIX, number)
    try:
        yield seat.number == number
    finally:
        seat.leave()
