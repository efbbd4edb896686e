"""Take away what finished runs and landed work leave behind, and nothing that is unmerged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import AgentId
from gitcoord.core.refs import branch_name
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.land.branches import left_branches, reclaim_branches
from gitcoord.features.run.begun import PREFIX, is_of_run, runs_folder
from gitcoord.features.setup import agents
from gitcoord.features.workspace import Workspace
from gitcoord.git.program import GitError
from gitcoord.host.seats import take_seat

__all__ = ["Kept", "Tidied", "held_seat", "tidy"]


class Kept(NamedTuple):
    """An agent of a run that stays, and why."""

    agent: AgentId
    why: str


class Tidied(NamedTuple):
    """What went, and what stayed."""

    agents: list[AgentId]
    branches: list[str]
    kept: list[Kept]
    left: dict[str, str]
    """The branches of landed tasks that stay, each with why."""


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
        if not agent.removeprefix(PREFIX).isdecimal() or not is_of_run(agent):
            continue
        with held_seat(work, agent) as is_free:
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
    staying = left_branches(work, work.ledger.snapshot())
    named = {branch_name(ref): why for ref, why in staying.items()}
    return Tidied(gone, [branch_name(ref) for ref in refs], kept, named)


@contextmanager
def held_seat(work: Workspace, agent: AgentId) -> Iterator[bool]:
    """Hold the seat of a run's agent, so that no run begins with it; False where one has it."""
    number = int(agent.removeprefix(PREFIX))
    seat = take_seat(runs_folder(work), PREFIX, number)
    try:
        yield seat.number == number
    finally:
        seat.leave()
