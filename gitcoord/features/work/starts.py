"""Start a piece of work that no plan has: its task, its claim, and the agent if it is new.

All of it is one entry. The task goes into the stream ``adhoc``, which lands
what is done while the rest is at work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import ClaimLostError, GitcoordError, NotFoundError, RefusedError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import AgentId
from gitcoord.core.leases import Context
from gitcoord.core.machine import Step, as_one
from gitcoord.core.model import TaskRecord, TaskSpec
from gitcoord.core.operations.preconditions import require_plan
from gitcoord.core.refs import HEADS, branch_name
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import ADHOC
from gitcoord.features.prepared import refuse_failed
from gitcoord.features.setup import agents
from gitcoord.features.setup.planned_tasks import id_of_title, spec_of
from gitcoord.features.work import claims
from gitcoord.features.work.bases import base_of
from gitcoord.features.work.claims import Claimed
from gitcoord.features.work.locks import tidy
from gitcoord.features.work.tokens import keep_token
from gitcoord.features.workspace import Workspace, require_checkout
from gitcoord.git.program import GitError
from gitcoord.ledger.files import TokenFiles

__all__ = ["start"]


def start(
    work: Workspace,
    title: str,
    *,
    agent: AgentId | None = None,
    paths: Sequence[str] = (),
    name: str | None = None,
    here: bool = False,
    session: str | None = None,
) -> Claimed:
    """Add a task and claim it at once; the claim's branch is checked out in a worktree.

    Without ``agent`` there is a new one, called after the task. ``here``
    checks the branch out in the worktree that we stand in. What the agent has
    started by this id and title it goes on with, as after a start that was cut off.

    Raises:
        NotFoundError: The plan has no stream ``adhoc``.
        ConflictError: Another holds one of the paths.
        RefusedError: ``exists``, ``capacity``, ``uncommitted`` and the like: nothing changed.

    """
    snapshot = work.ledger.snapshot()
    _require_stream(snapshot)
    spec = _spec_of(work, snapshot, title, tidy(work, paths) if paths else [], name, agent)
    who = agent or ids.parse_agent(spec["id"])
    session = session or work.session()
    held = _started_before(snapshot, spec, who)
    if held is not None:
        return _gone_on(work, who, snapshot, held, session, here=here)
    known = snapshot.agent(who)
    place = None
    if here:
        place = _place_here(work, snapshot)
    elif known is None:
        place = agents.new_place(work, who, agents.Asked())
    else:
        refuse_failed(work, who)
        claims.refuse_changes(claims.recovered_place(work, who, checkout=True))
    adding: Command = {}
    if known is None:
        adding = agents.adding(work, snapshot, who, agents.Asked(no_worktree=here))
    done = work.ledger.execute(
        _batch(work, who, adding, spec, session),
        agent=who,
        before_swap=lambda event: _keep_tokens(work, who, event),
    )
    task = done.snapshot.require_task(spec["id"])
    if here and place is not None:
        return claims.begun(work, who, done, task["id"], place)
    try:
        if known is None and place is not None:
            agents.equip(work, who, place, done.entry)
            _move_token(work, who)
        claimed = claims.claim(work, who, task["id"], session=session)
    except ClaimLostError:
        raise
    except (GitcoordError, GitError, OSError) as error:
        # The entry stands: to say that nothing changed would be false.
        unmade = claims.begun(work, who, done, task["id"], None)
        meant = claims.shown(place or work.worktree_of(who))
        return unmade._replace(checkout="failed", worktree=meant, problem=str(error))
    return claimed._replace(already=False, entry=done.entry)


def _require_stream(snapshot: Snapshot) -> None:
    require_plan(snapshot)
    if snapshot.phase(ADHOC) is None:
        raise NotFoundError(
            f"the plan has no stream {ADHOC} for work in passing",
            hint=f'add [[phase]] name = "{ADHOC}", stream = true to the plan, and apply it',
        )


def _started_before(snapshot: Snapshot, spec: TaskSpec, agent: AgentId) -> TaskRecord | None:
    """Return the task if this agent has started it, and holds it.

    Raises:
        RefusedError: ``exists``: it holds a task of this id with another title.

    """
    there = snapshot.task(spec["id"])
    if there is None or there["claim"] is None or there["claim"]["agent"] != agent:
        return None
    if there["spec"]["title"] == spec["title"]:
        return there
    raise RefusedError(
        f"{agent} has started {spec['id']} already: {there['spec']['title']}",
        reason="exists",
        hint=f"`gitcoord claim {spec['id']}` goes on with it",
    )


def _gone_on(
    work: Workspace,
    agent: AgentId,
    snapshot: Snapshot,
    held: TaskRecord,
    session: str,
    *,
    here: bool,
) -> Claimed:
    """Return what was started, with what of its worktree is missing."""
    if here:
        place = require_checkout(work.place)
        return claims.go_on(work, snapshot, held, session, place)
    record = snapshot.agent(agent)
    if record is not None and record["worktree"] is not None and work.worktree_of(agent) is None:
        agents.add(work, agent)
    _move_token(work, agent)
    return claims.claim(work, agent, held["id"], session=session)


def _spec_of(
    work: Workspace,
    snapshot: Snapshot,
    title: str,
    paths: Sequence[str],
    name: str | None,
    agent: AgentId | None,
) -> TaskSpec:
    """Return what the plan would say of the task."""
    record = None
    if agent is not None:
        record = snapshot.agent(agent)
    pools = list(require_plan(snapshot)["pools"])
    if record is not None and record["pools"]:
        pools = record["pools"]
    pool = "default"
    if pool not in pools:
        pool = pools[0]
    wanted: dict[str, Any] = {"title": title, "phase": ADHOC, "pool": pool, "paths": list(paths)}
    wanted["id"] = name or id_of_title(work, title)
    return spec_of(snapshot, wanted)


def _place_here(work: Workspace, snapshot: Snapshot) -> Path:
    """Return the worktree that we stand in, if a work branch may be checked out there.

    Raises:
        RefusedError: ``branch``: another branch than the target's, or a work
            branch of this ledger, is checked out; ``uncommitted``.

    """
    place = require_checkout(work.place)
    head = work.git.ask("symbolic-ref", "-q", "HEAD").text
    target = work.target(snapshot)
    prefix = f"{HEADS}{snapshot.settings()['task_prefix']}/"
    if head != target and not head.startswith(prefix):
        raise RefusedError(
            f"{branch_name(head) or 'no branch'} is checked out here",
            reason="branch",
            hint=f"`git switch {branch_name(target)}` first; without --here there is a worktree",
        )
    claims.refuse_changes(place)
    return place


def _batch(
    work: Workspace, agent: AgentId, adding: Mapping[str, Any], spec: TaskSpec, session: str
) -> Any:
    """Return what makes the command: one entry, all or nothing."""

    def add_agent(_here: Snapshot, _context: Context) -> Command:
        return {**adding, "agent": agent}

    def add_task(_here: Snapshot, _context: Context) -> Command:
        return {"op": "task-add", "agent": agent, "spec": spec}

    def claim(here: Snapshot, _context: Context) -> Command:
        base = base_of(work, here, here.require_task(spec["id"]))
        own: Command = {"op": "claim", "agent": agent, "task": spec["id"], "session": session}
        return {**own, "base": base.oid, "built_on": base.built_on}

    steps: list[Step] = [add_task, claim]
    if adding:
        steps.insert(0, add_agent)

    def request(snapshot: Snapshot, context: Context) -> Command:
        work.index.update(work.store, snapshot.oid)
        return as_one(agent, steps)(snapshot, context)

    return request


def _keep_tokens(work: Workspace, agent: AgentId, event: Event) -> list[Path]:
    claim = event["events"][-1]
    return keep_token(work, agent, claim)


def _move_token(work: Workspace, agent: AgentId) -> None:
    """Keep the token where the agent works, now that it has a worktree.

    A crash before this leaves a claim that the agent's next ``start``, or
    ``claim``, takes up.
    """
    folder = work.agent_folder(agent)
    before = TokenFiles(folder, work.ledger.name, is_durable=work.is_durable)
    after = work.tokens(agent)
    if after.folder == before.folder:
        return
    for kept in before.all():
        after.write(kept["token"], {key: value for key, value in kept.items() if key != "token"})
        before.remove(kept["token"])
