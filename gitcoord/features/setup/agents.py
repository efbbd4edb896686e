"""Add agents with their worktrees, and take them away without losing work."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from gitcoord.core import codec, ids
from gitcoord.core.errors import GitcoordError, RefusedError, UnknownError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import NO_OID, ORCHESTRATOR, AgentId, Oid
from gitcoord.core.model import AgentRecord
from gitcoord.core.operations.agents import check_agent_add
from gitcoord.core.refs import HEADS, result_refs
from gitcoord.core.sentences import said
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.names import named_agent, named_pool
from gitcoord.features.prepared import is_set_up
from gitcoord.features.setup.preparing import prepare
from gitcoord.features.workspace import Workspace, agent_at
from gitcoord.git.places import discover
from gitcoord.git.program import GitError
from gitcoord.host.live_files import LiveFile, is_at_work
from gitcoord.host.processes import identity
from gitcoord.ledger.files import read_json, unwritten
from gitcoord.ledger.ledger import Done
from gitcoord.store.stale_locks import record_files

__all__ = [
    "Added",
    "Asked",
    "add",
    "add_each",
    "adding",
    "default_worktree",
    "equip",
    "finish_removals",
    "new_place",
    "remove",
    "require_removable",
]

_REMOVING = "removing.json"


class Added(NamedTuple):
    """An agent that was added, and what its worktree came to."""

    entry: Oid
    agent: AgentRecord
    worktree: str | None
    setup: str
    notice: str = ""


IGNORE_HINT = "add it to .gitignore, or to .git/info/exclude"


def exposed(agent: AgentId, place: Path, around: Path) -> str:
    """Return the sentence that a worktree is in the way of a user's ``git add``."""
    return f"the worktree of {agent} at {place} lies inside {around}, where nothing ignores it"


def _notice(agent: AgentId, place: Path) -> str:
    from gitcoord.git.local_changes import exposed_in

    around = exposed_in(place)
    if around is None:
        return ""
    return f"{exposed(agent, place, around)}: {IGNORE_HINT}"


def default_worktree(work: Workspace, agent: AgentId) -> Path:
    """Return the place of a new worktree: beside the repository."""
    main = work.place.main_worktree
    if main is None:
        return work.place.common_dir / "gitcoord" / "worktrees" / agent
    beside = main.parent / f"{main.name}.worktrees"
    if os.access(main.parent, os.W_OK):
        return beside / agent
    return work.place.common_dir / "gitcoord" / "worktrees" / agent


class Asked(NamedTuple):
    """What is asked of an agent that is added."""

    pools: Sequence[str] = ()
    capacity: int = 1
    paths: Sequence[str] = ()
    worktree: Path | None = None
    no_worktree: bool = False


def add(
    work: Workspace,
    agent: AgentId,
    *,
    pools: Sequence[str] = (),
    capacity: int = 1,
    paths: Sequence[str] = (),
    worktree: Path | None = None,
    no_worktree: bool = False,
) -> Added:
    """Add an agent, with a worktree at the target's tip unless told otherwise.

    The entry comes first: a worktree without an agent would be an orphan,
    an agent without a worktree is whole and can be given one.

    Raises:
        RefusedError: ``exists``; or a worktree's place is taken.
        NotFoundError: The plan has no such pool.

    """
    asked = Asked(pools, capacity, paths, worktree, no_worktree=no_worktree)
    return _added(work, agent, asked)


def add_each(work: Workspace, agents: Sequence[AgentId], asked: Asked) -> Iterator[Added]:
    """Add agents one after another, or none where one of them would be refused.

    What fails later than that leaves the agents before it, whole.

    Raises:
        UsageError: One is named twice.
        RefusedError: ``exists``; or a worktree's place is taken.
        NotFoundError: The plan has no such pool.

    """
    if len(agents) > 1:
        _refuse_any(work, agents, asked)
    for agent in agents:
        yield _added(work, agent, asked)


def _added(work: Workspace, agent: AgentId, asked: Asked) -> Added:
    snapshot = work.ledger.snapshot()
    ids.parse_id(agent, "agent id")
    known = snapshot.agent(agent)
    if known is not None:
        return equip(work, agent, _place_to_equip(work, known, asked), snapshot.oid)
    place = new_place(work, agent, asked)
    tip = NO_OID
    if place is not None:
        tip = work.target_tip(snapshot)
    done = work.ledger.execute(adding(work, snapshot, agent, asked), agent=ORCHESTRATOR)
    if place is None:
        return Added(done.entry, cast("AgentRecord", done.snapshot.agent(agent)), None, "none")
    try:
        return equip(work, agent, place, done.entry, tip)
    except (GitcoordError, GitError, OSError):
        _unmake(work, agent, place)
        raise


def _refuse_any(work: Workspace, agents: Sequence[AgentId], asked: Asked) -> None:
    """Refuse several agents where one of them cannot be added."""
    snapshot = work.ledger.snapshot()
    seen: set[str] = set()
    for agent in agents:
        if agent.casefold() in seen:
            raise UsageError(f"agent {agent} is named twice", hint="name each agent once")
        seen.add(agent.casefold())
        ids.parse_id(agent, "agent id")
        known = snapshot.agent(agent)
        if known is not None:
            _place_to_equip(work, known, asked)
            continue
        check_agent_add(snapshot, cast("Event", adding(work, snapshot, agent, asked)))
        new_place(work, agent, asked)


def adding(work: Workspace, snapshot: Snapshot, agent: AgentId, asked: Asked) -> Command:
    """Return the command that adds an agent."""
    pools = set(asked.pools)
    if snapshot.plan() is not None:
        pools = {named_pool(snapshot, pool) for pool in pools}
    shown = None
    if not asked.no_worktree:
        shown = _shown(work, _place_of(work, agent, asked))
    return {
        "op": "agent-add",
        "agent": ORCHESTRATOR,
        "name": agent,
        "pools": sorted(pools),
        "capacity": asked.capacity,
        "paths": list(asked.paths) or None,
        "worktree": shown,
    }


def _place_of(work: Workspace, agent: AgentId, asked: Asked) -> Path:
    return (asked.worktree or default_worktree(work, agent)).absolute()


def new_place(work: Workspace, agent: AgentId, asked: Asked) -> Path | None:
    """Return where a new agent's worktree goes, or None where it gets none.

    Raises:
        RefusedError: ``exists``: something is there.

    """
    if asked.no_worktree:
        return None
    place = _place_of(work, agent, asked)
    if not _is_free(work, place):
        raise RefusedError(
            f"{place} exists and is not empty",
            reason="exists",
            hint="name another place with --worktree, or none with --no-worktree",
        )
    return place


def _place_to_equip(work: Workspace, known: AgentRecord, asked: Asked) -> Path:
    """Return where an agent that was added before lacks its worktree, or its setup.

    Whoever added it was cut off, its worktree was deleted, or the plan's
    setup failed there.

    Raises:
        RefusedError: ``exists``: it lacks nothing, or is asked for otherwise.

    """
    agent = known["id"]
    place = _recorded_place(work, known)
    other = []
    if asked.pools and sorted(set(asked.pools)) != known["pools"]:
        other.append("pools")
    if asked.capacity not in {1, known["capacity"]}:
        other.append("capacity")
    if asked.paths and list(asked.paths) != known["paths"]:
        other.append("paths")
    if asked.worktree is not None and asked.worktree.absolute() != place:
        other.append("worktree")
    if other:
        raise RefusedError(
            f"agent {agent} is there already, with other {', '.join(other)}",
            reason="exists",
            hint=f"`gitcoord agent show {agent}` shows them; another agent needs another id",
        )
    if place is not None and (work.worktree_of(agent) is None or not is_set_up(work, agent)):
        return place
    text = f"agent {agent} is there already"
    if place:
        text += f", with worktree {place}"
    raise RefusedError(
        text,
        reason="exists",
        hint=f"`gitcoord agent show {agent}` shows it; another agent needs another id",
    )


def _recorded_place(work: Workspace, known: AgentRecord) -> Path | None:
    """Return where an agent's worktree is, was, or can be made on this machine.

    In a copy of the repository the recorded place may be the original's.
    """
    if known["worktree"] is None:
        return None
    main = work.place.main_worktree or work.place.common_dir
    recorded = Path(os.path.normpath(main / known["worktree"]))
    found = work.worktree_of(known["id"])
    if found is not None:
        return found
    if _is_free(work, recorded) or _is_nobodys_yet(work, recorded):
        return recorded
    return default_worktree(work, known["id"])


def _is_nobodys_yet(work: Workspace, place: Path) -> bool:
    """Return whether it is a worktree of ours whose maker died before its agent was noted."""
    from gitcoord.git.worktrees import is_worktree

    return is_worktree(work.git, place) and agent_at(place) is None


def _unmake(work: Workspace, agent: AgentId, place: Path) -> None:
    """Take back an agent whose worktree could not be made."""
    from gitcoord.git import worktrees

    command = {
        "op": "agent-remove",
        "agent": ORCHESTRATOR,
        "name": agent,
        "said": said("no-worktree"),
    }
    work.ledger.execute(command, agent=ORCHESTRATOR)
    if worktrees.is_worktree(work.git, place):
        worktrees.remove(work.git, place)
    shutil.rmtree(work.agent_folder(agent), ignore_errors=True)


def _is_free(work: Workspace, place: Path) -> bool:
    """Return whether a worktree can be made here; an incomplete one is completed."""
    from gitcoord.git.worktrees import is_half_made

    return (
        not place.exists()
        or (place.is_dir() and not any(place.iterdir()))
        or is_half_made(work.git, place)
    )


def _shown(work: Workspace, place: Path) -> str:
    """Return a worktree's place without telling this machine's folders to others."""
    main = work.place.main_worktree or work.place.common_dir
    return codec.printable(os.path.relpath(place, main))


def equip(work: Workspace, agent: AgentId, place: Path, entry: Oid, tip: Oid = NO_OID) -> Added:
    """Give an agent its worktree, or what of it is missing."""
    from gitcoord.git import worktrees

    snapshot = work.ledger.snapshot(entry)
    if not worktrees.is_worktree(work.git, place):
        worktrees.add(work.git, place, commit=tip or work.target_tip(snapshot))
    work.record_worktree(agent, place)
    record = cast("AgentRecord", snapshot.agent(agent))
    state = prepare(work, snapshot, agent, place)
    return Added(entry, record, str(place), state, _notice(agent, place))


def remove(work: Workspace, agent: AgentId, reason: str = "") -> tuple[Done, list[str]]:
    """Take an agent away, and its worktree if nothing in it would be lost.

    Returns the entry, and what of the worktree could not be removed yet:
    the next orchestrator's command tries again.

    Raises:
        NotFoundError: There is no such agent.
        RefusedError: ``holds-claims``, ``uncommitted`` or ``unmerged``:
            nothing changed.

    """
    snapshot = work.ledger.snapshot()
    agent = named_agent(snapshot, agent)["id"]
    place = work.worktree_of(agent)
    marker = LiveFile(work.agent_folder(agent) / _REMOVING)
    if place is not None:
        _refuse_to_lose(work, snapshot, agent, place)
        private = discover(place).git_dir
        _note_removal(work, marker, {"path": str(place), "private": str(private)})
    command = {"op": "agent-remove", "agent": ORCHESTRATOR, "name": agent, "reason": reason}
    try:
        done = work.ledger.execute(command, agent=ORCHESTRATOR)
    except UnknownError:
        marker.leave()
        raise
    except GitcoordError:
        marker.remove()
        raise
    marker.leave()
    if place is None:
        shutil.rmtree(work.agent_folder(agent), ignore_errors=True)
    return done, finish_removals(work)


def require_removable(work: Workspace, snapshot: Snapshot, agent: AgentId) -> None:
    """Refuse where something would be lost with an agent's worktree.

    Raises:
        RefusedError: ``standing-here``, ``uncommitted`` or ``unmerged``.

    """
    place = work.worktree_of(agent)
    if place is not None:
        _refuse_to_lose(work, snapshot, agent, place)


def _note_removal(work: Workspace, marker: LiveFile, facts: dict[str, str]) -> None:
    """Note which worktree goes, before the entry that says so.

    Raises:
        UnavailableError: It cannot be written; nothing changed.

    """
    content = json.dumps({"process": identity(), **facts}, sort_keys=True).encode()
    try:
        marker.write(content, is_durable=work.is_durable)
    except OSError as error:
        raise unwritten(marker.path, error) from None


def _refuse_to_lose(work: Workspace, snapshot: Snapshot, agent: AgentId, place: Path) -> None:
    from gitcoord.git.checkout import undo
    from gitcoord.git.local_changes import changed_paths

    if work.place.worktree == place:
        raise RefusedError(
            f"this is the worktree of {agent}",
            reason="standing-here",
            hint="run it from the main worktree",
        )
    undo(place)
    left = changed_paths(place, submodules="none")
    if left:
        raise RefusedError(
            f"the worktree of {agent} has uncommitted work: {', '.join(left[:10])}",
            reason="uncommitted",
            hint=f"look at it in {place}, commit or move it, and try again",
            paths=cast("Any", left[:50]),
        )
    _refuse_unmerged(work, snapshot, agent, place)


def _refuse_unmerged(work: Workspace, snapshot: Snapshot, agent: AgentId, place: Path) -> None:
    from gitcoord.git import worktrees

    kept = [
        work.target_tip(snapshot),
        *work.store.list_refs(HEADS).values(),
        *work.store.list_refs(result_refs(work.ledger.name)).values(),
    ]
    unmerged = worktrees.has_unmerged(place, sorted(set(kept)))
    if unmerged:
        raise RefusedError(
            f"the worktree of {agent} has commits that no branch holds: {unmerged[0][:12]}",
            reason="unmerged",
            hint="make a branch of them, and try again",
        )


def finish_removals(work: Workspace) -> list[str]:
    """Remove the worktrees of agents that were removed; say what stays, and why.

    The entry comes first, so that whoever is killed after it leaves a
    worktree without an agent, and a note of it that is found here.
    """
    left = []
    for marker in record_files(work.agent_folder(AgentId("any")).parent, depth=1):
        if marker.name != _REMOVING:
            continue
        agent, facts = AgentId(marker.parent.name), read_json(marker) or {}
        if is_at_work(marker, facts):
            continue
        snapshot = work.ledger.snapshot()
        place, private = (Path(str(facts.get(key, ""))) for key in ("path", "private"))
        # The file may name anything: only a linked worktree of this repository counts.
        is_ours = private.parent == work.place.common_dir / "worktrees" and place.is_absolute()
        try:
            if snapshot.agent(agent) is None and is_ours and not private.is_symlink():
                _take_away(work, snapshot, agent, place, private)
            else:
                marker.unlink(missing_ok=True)
        except (GitcoordError, GitError, OSError) as error:
            left.append(f"the worktree of {agent}, which was removed, is still there: {error}")
    return left


def _take_away(
    work: Workspace, snapshot: Snapshot, agent: AgentId, place: Path, private: Path
) -> None:
    from gitcoord.git import worktrees

    if (place / ".git").exists():
        _refuse_unmerged(work, snapshot, agent, place)
    worktrees.remove(work.git, place, private)
    shutil.rmtree(work.agent_folder(agent), ignore_errors=True)
