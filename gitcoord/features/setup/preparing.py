"""Prepare an agent's worktree: copy what it needs, and run the plan's setup."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import AgentId
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.names import named_agent
from gitcoord.features.prepared import is_set_up, setup_file
from gitcoord.features.setup.trust import (
    is_trusted_setup,
    require_trusted_setup,
    run_setup,
    setup_log,
)
from gitcoord.features.workspace import Workspace
from gitcoord.host.processes import identity
from gitcoord.ledger.files import write_json

__all__ = ["Prepared", "prepare", "prepare_again"]


class Prepared(NamedTuple):
    """What the setup of an agent's worktree came to: none, done, untrusted or failed."""

    agent: AgentId
    worktree: str
    setup: str
    log: str


def prepare(work: Workspace, snapshot: Snapshot, agent: AgentId, place: Path) -> str:
    """Copy what a worktree needs, and run the plan's setup if trusted; return what came of it.

    While it runs the agent is offered nothing; if this is cut off, nothing
    until it was run again.
    """
    log = str(setup_log(work, place))
    begun = {"state": "begun", "log": log, "process": identity()}
    write_json(setup_file(work, agent), begun, is_durable=work.is_durable)
    state = "failed"
    try:
        state = _prepared(work, snapshot, place)
    finally:
        write_json(
            setup_file(work, agent), {"state": state, "log": log}, is_durable=work.is_durable
        )
    return state


def _prepared(work: Workspace, snapshot: Snapshot, place: Path) -> str:
    from gitcoord.git.copies import copy_files

    plan = snapshot.plan()
    if plan is None:
        return "none"
    wanted = plan["worktree"]
    if wanted["copy"] and work.place.main_worktree is not None:
        copy_files(work.place.main_worktree, place, wanted["copy"])
    if wanted["setup"] is None:
        return "none"
    if not is_trusted_setup(work, snapshot):
        return "untrusted"
    if run_setup(work, snapshot, place):
        return "done"
    return "failed"


def prepare_again(work: Workspace, agents: Sequence[AgentId]) -> list[Prepared]:
    """Prepare worktrees again: of these agents, or of each whose setup has not succeeded.

    Raises:
        NotFoundError: There is no such agent.
        RefusedError: ``worktree``: an agent has none here; ``trust``: the
            setup is not trusted. Nothing was run.

    """
    snapshot = work.ledger.snapshot()
    require_trusted_setup(work, snapshot)
    names = [named_agent(snapshot, name)["id"] for name in agents]
    if not agents:
        everyone = [agent["id"] for agent in snapshot.agents()]
        names = [name for name in everyone if work.worktree_of(name) and not is_set_up(work, name)]
    places = [(name, _place_of(work, name)) for name in names]
    done = []
    for name, place in places:
        state = prepare(work, snapshot, name, place)
        done.append(Prepared(name, str(place), state, str(setup_log(work, place))))
    return done


def _place_of(work: Workspace, agent: AgentId) -> Path:
    place = work.worktree_of(agent)
    if place is None:
        raise RefusedError(
            f"{agent} has no worktree on this machine",
            reason="worktree",
            hint=f"`gitcoord agent show {agent}` shows where it should be",
        )
    return place
