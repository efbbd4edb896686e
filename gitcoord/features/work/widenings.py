"""Widen a claim: let it write paths beside those of its task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from gitcoord.core.errors import RefusedError
from gitcoord.core.events import Command
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.core.leases import Context
from gitcoord.core.model import Said, TaskRecord
from gitcoord.core.operations.widenings import KIND, is_asked, refuse_reviewed, refuse_unmerged
from gitcoord.core.refs import branch_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.work.bases import built_on_of
from gitcoord.features.work.escalations import escalate
from gitcoord.features.work.locks import tidy
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["widen"]


def widen(
    work: Workspace, agent: AgentId, task: TaskId, token: Token, patterns: Iterable[str]
) -> Done:
    """Let a claim write more paths, in one entry; it never waits.

    Where the plan wants the orchestrator to be asked, it is, once for the
    same paths: the same command widens when it was granted.

    Raises:
        ConflictError: Another's claim, lock or review is on one of the paths.
        ClaimLostError: The token is stale.
        RefusedError: ``boundary``: a layer does not allow them; ``base-moved``: the work
            lacks a result that may touch them; ``widening``: the plan forbids it, or
            the orchestrator has been asked; ``nothing-to-do``.
        UsageError: No such path can be written.

    """
    wanted = tidy(work, patterns)

    def ask(snapshot: Snapshot, _context: Context) -> Command:
        # On the very state that the entry is made on: whoever hands in or widens
        # meanwhile moves the tip, and then this is asked again.
        work.index.update(work.store, snapshot.oid)
        record = snapshot.require_task(task)
        if record["claim"] is not None and record["claim"]["token"] == token:
            _refuse_results(work, snapshot, record, wanted)
        return {"op": "widen", "agent": agent, "task": task, "token": token, "paths": wanted}

    try:
        return work.ledger.execute(ask, agent=agent)
    except RefusedError as error:
        question = error.facts.get("question")
        if error.reason != "widening" or question is None:
            raise
        asked = _escalated(work, agent, task, cast("Said", question))
    raise RefusedError(
        f"the orchestrator is asked whether task {task} may be widened: escalation {asked}",
        reason="widening",
        hint=f"go on with the rest, and widen again once it is granted: "
        f"`gitcoord resolve {asked} yes --grant`",
        task=task,
        escalation=asked,
    )


def _refuse_results(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, wanted: list[str]
) -> None:
    """Refuse paths of results that are under review, or not in what the claim builds on."""
    claim = task["claim"]
    if claim is None:
        return
    reviewed = filter(None, map(snapshot.task, work.index.in_review_near(wanted)))
    refuse_reviewed(reviewed, wanted, claim["agent"])
    names = work.index.overlapping(task["spec"]["phase"], wanted)
    others = [other for other in map(snapshot.task, names) if other is not None]
    built_on = dict(claim["built_on"])
    tip = work.store.read_ref(branch_ref(claim["branch"]))
    if others and tip is not None:
        # What was merged since the claim counts, too.
        built_on |= built_on_of(work, snapshot, task, tip)
    refuse_unmerged(task, others, wanted, built_on)


def _escalated(work: Workspace, agent: AgentId, task: TaskId, question: Said) -> str:
    """Return the open escalation that asks a question; make it where there is none."""
    for one in work.ledger.snapshot().escalations():
        if one["state"] == "open" and is_asked(one, task, question):
            return one["id"]
    done = escalate(work, agent, question, task, KIND)
    return done.event["id"][:8]
