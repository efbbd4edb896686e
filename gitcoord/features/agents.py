"""Add agents with their worktrees, and take them away without losing work."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, cast

from gitcoord.core import ids
from gitcoord.core.errors import GitcoordError, RefusedError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.machine.check_claims import require_agent
from gitcoord.core.model import AgentRecord
from gitcoord.features.trust import is_trusted_setup, run_setup
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["Added", "add", "default_worktree", "remove"]


class Added(NamedTuple):
    """An agent that was added, and what its worktree came to."""

    entry: str
    agent: AgentRecord
    worktree: str | None
    setup: str


def default_worktree(work: Workspace, agent: str) -> Path:
    """Give the place of a new worktree: beside the repository."""
    main = work.place.main_worktree
    if main is None:
        return work.place.common_dir / "gitcoord" / "worktrees" / agent
    beside = main.parent / f"{main.name}.worktrees"
    import os

    if os.access(main.parent, os.W_OK):
        return beside / agent
    return work.place.common_dir / "gitcoord" / "worktrees" / agent


def add(
    work: Workspace,
    agent: str,
    *,
    pools: list[str] | None = None,
    capacity: int = 1,
    paths: list[str] | None = None,
    worktree: Path | None = None,
    no_worktree: bool = False,
) -> Added:
    """Add an agent, with a worktree at the target's tip unless told otherwise.

    The entry comes first: a worktree without an agent would be an orphan,
    an agent without a worktree is whole and can be given one.

    Raises:
        RefusedError: ``exists``; or a worktree's place is taken.

    """
    ids.parse_id(agent, "agent id")
    snapshot = work.ledger.snapshot()
    place = None if no_worktree else (worktree or default_worktree(work, agent)).absolute()
    if place is not None and not _is_free(work, place):
        raise RefusedError(f"{place} exists and is not empty", reason="exists",
                           hint="name another place with --worktree, or none with --no-worktree")  # fmt: skip
    tip = work.target_tip(snapshot) if place is not None else ""
    shown = None if place is None else _shown(work, place)
    command = {"op": "agent-add", "agent": ORCHESTRATOR, "name": agent, "pools": sorted(set(pools or [])),
               "capacity": capacity, "paths": paths, "worktree": shown}  # fmt: skip
    done = work.ledger.execute(command, agent=ORCHESTRATOR)
    setup = "none"
    if place is not None:
        try:
            setup = _make_worktree(work, agent, place, tip, done)
        except GitcoordError:
            remove_command = {"op": "agent-remove", "agent": ORCHESTRATOR, "name": agent,
                              "reason": "its worktree could not be made"}  # fmt: skip
            work.ledger.execute(remove_command, agent=ORCHESTRATOR)
            raise
    record = cast("AgentRecord", done.snapshot.agent(agent))
    return Added(done.entry, record, str(place) if place else None, setup)


def _is_free(work: Workspace, place: Path) -> bool:
    """Say whether a worktree can be made here; a half-made one is mended."""
    from gitcoord.git.worktrees import is_half_made

    return not place.exists() or (place.is_dir() and not any(place.iterdir())) or is_half_made(work.git, place)


def _shown(work: Workspace, place: Path) -> str:
    """Name a worktree without telling this machine's folders to others."""
    import os

    main = work.place.main_worktree or work.place.common_dir
    return os.path.relpath(place, main)


def _make_worktree(work: Workspace, agent: str, place: Path, tip: str, done: Done) -> str:
    from gitcoord.git import worktrees

    worktrees.add(work.git, place, commit=tip)
    work.record_worktree(agent, place)
    plan = done.snapshot.plan()
    if plan is None:
        return "none"
    wanted = plan["worktree"]
    if wanted["copy"] and work.place.main_worktree is not None:
        worktrees.copy_files(work.place.main_worktree, place, wanted["copy"])
    if wanted["setup"] is None:
        return "none"
    if not is_trusted_setup(work, done.snapshot):
        return "untrusted"
    return "done" if run_setup(work, done.snapshot, place) else "failed"


def remove(work: Workspace, agent: str, reason: str = "") -> Done:
    """Take an agent away, and its worktree if nothing in it would be lost.

    Raises:
        NotFoundError: There is no such agent.
        RefusedError: ``holds-claims``, ``uncommitted`` or ``unmerged``:
            nothing changed.

    """
    from gitcoord.git import worktrees

    snapshot = work.ledger.snapshot()
    require_agent(snapshot, agent)
    place = work.worktree_of(agent)
    if place is not None:
        if work.place.worktree == place:
            raise RefusedError(f"this is the worktree of {agent}", reason="standing-here",
                               hint="run it from the main worktree")  # fmt: skip
        left = worktrees.status_of(place)
        if left:
            raise RefusedError(f"the worktree of {agent} has uncommitted work: {', '.join(left[:10])}",
                               reason="uncommitted", hint=f"look at it in {place}, commit or move it, and try again",
                               paths=cast("Any", left[:50]))  # fmt: skip
        kept = [work.target_tip(snapshot), *work.store.list_refs("refs/heads/").values(),
                *work.store.list_refs(f"refs/gitcoord/{work.ledger.name}/results/").values()]  # fmt: skip
        unmerged = worktrees.has_unmerged(place, sorted(set(kept)))
        if unmerged:
            raise RefusedError(f"the worktree of {agent} has commits that no branch holds: {unmerged[0][:12]}",
                               reason="unmerged", hint="make a branch of them, and try again")  # fmt: skip
    command = {"op": "agent-remove", "agent": ORCHESTRATOR, "name": agent, "reason": reason}
    done = work.ledger.execute(command, agent=ORCHESTRATOR)
    if place is not None:
        worktrees.remove(work.git, place)
    import shutil

    shutil.rmtree(work.agent_folder(agent), ignore_errors=True)
    return done
