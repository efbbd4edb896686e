"""Do what the holder of a claim does: complete it, or give it back.

``progress`` and ``release`` need nothing but the ledger; ``complete``
looks at the commit that is handed in before the ledger decides.
"""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.boundary import Boundary, boundary_of, paths_of, recorded
from gitcoord.core.errors import ClaimLostError, NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Command
from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.model import Claim, Resume, TaskRecord, Why
from gitcoord.core.operations.releases import LIMIT
from gitcoord.core.refs import branch_ref, result_ref
from gitcoord.core.sentences import given
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import log_tail, text_of
from gitcoord.features.work.sharing import shared_command
from gitcoord.features.work.tokens import begun_ns
from gitcoord.features.workspace import Workspace, keep_commits
from gitcoord.ledger.ledger import Done

__all__ = [
    "Completed",
    "Limit",
    "complete",
    "fail",
    "keep_result",
    "progress",
    "release",
    "result_facts",
]


class Completed(NamedTuple):
    """A result that was handed in, or had been already."""

    entry: Oid
    task: TaskRecord
    already: bool


def progress(
    work: Workspace,
    agent: AgentId,
    task: TaskId,
    token: Token,
    message: str,
    percent: int | None = None,
) -> Done:
    """Record progress, which renews the lease and keeps the token.

    A lease that ran out can still be renewed as long as nobody took the
    task: silence alone costs nothing, only a takeover does.

    Raises:
        ClaimLostError: The token is stale.

    """
    if percent is not None and not 0 <= percent <= 100:
        raise UsageError(f"{percent} is not a percentage", hint="give a number from 0 to 100")
    command = {
        "op": "progress",
        "agent": agent,
        "task": task,
        "token": token,
        "message": text_of(message, "message"),
        "percent": percent,
    }
    return work.ledger.execute(command, agent=agent, shared=shared_command(work, command))


class Limit(NamedTuple):
    """What a usage limit leaves: how long the task waits, and who may go on with it."""

    delay_ms: int
    resume: Resume | None


def release(
    work: Workspace,
    agent: AgentId,
    task: TaskId,
    token: Token,
    reason: Why = "",
    limit: Limit | None = None,
) -> Done:
    """Release a task; it does not count as a failure, nor does a usage limit.

    Raises:
        ClaimLostError: The token is stale.

    """
    if reason and isinstance(reason, str):
        reason = text_of(reason, "reason")
    command = {
        "op": "release",
        "agent": agent,
        "task": task,
        "token": token,
        **given(reason),
        "begun_ns": begun_ns(work, agent, token),
    }
    if limit is not None:
        command |= {"kind": LIMIT, **limit._asdict()}
    return _ending(work, agent, command, token)


def fail(
    work: Workspace,
    agent: AgentId,
    task: TaskId,
    token: Token,
    reason: Why,
    kind: str = "transient",
    log: bytes | None = None,
) -> Done:
    """Report a failure: the task comes back after a delay, or has failed.

    The tail of ``log`` is kept in the ledger, for the agent that tries next.

    Raises:
        ClaimLostError: The token is stale.

    """
    if kind not in {"transient", "permanent"}:
        raise UsageError(f"{kind!r} is not a kind of failure", hint="give transient or permanent")
    if isinstance(reason, str):
        reason = text_of(reason, "reason")
    tail = b""
    if log:
        from gitcoord.ledger.redaction import redactor

        tail = log_tail(redactor().redacted(log))
    command = {
        "op": "fail",
        "agent": agent,
        "task": task,
        "token": token,
        "kind": kind,
        **given(reason),
        "log": work.store.write_blob(tail) if tail else None,
        "begun_ns": begun_ns(work, agent, token),
    }
    if tail:
        return work.ledger.execute(command, agent=agent, inputs=[tail])
    return _ending(work, agent, command, token)


def complete(
    work: Workspace,
    agent: AgentId,
    task: TaskId,
    token: Token,
    *,
    result: str | None = None,
    no_result: bool = False,
) -> Completed:
    """Hand in a commit, after looking at what it changes.

    The result's ref is made before the entry that names it, so that no
    prune can take an accepted result.

    Raises:
        ClaimLostError: The token is stale.
        RefusedError: ``boundary``, ``uncommitted``, ``unfinished``, ``elsewhere``,
            ``empty-result``, ``base-moved``, ``check``, ``trust``: nothing changed, but
            for the entry that says how the check failed.

    """
    snapshot = work.ledger.snapshot()
    record = snapshot.require_task(task)
    held = record["claim"]
    if held is None or held["token"] != token:
        done = _completed_before(work, snapshot, record, token, result)
        if done is not None:
            return done
        holder = None
        if held:
            holder = held["agent"]
        raise ClaimLostError(
            f"this claim on task {task} is no longer current: "
            + (f"{holder} holds it now" if holder else f"the task is {record['state']} now"),
            hint="stop working on it; `gitcoord claim` gives the next task",
            task=task,
            holder=holder,
        )
    from gitcoord.features.work.beating import beating

    with beating(work, agent, token):
        try:
            facts = result_facts(work, snapshot, record, held, result, no_result=no_result)
        except RefusedError as error:
            if not _is_widened(work, record, held, error):
                raise
            snapshot = work.ledger.snapshot()
            record = snapshot.require_task(task)
            facts = result_facts(work, snapshot, record, held, result, no_result=no_result)
        keep_result(work, snapshot, task, facts)
    if record["spec"]["check"] is not None:
        from gitcoord.features.work.checks import check_result

        check_result(work, agent, record, token, facts)
    command = {
        "op": "complete",
        "agent": agent,
        "task": task,
        "token": token,
        "result": facts,
        "begun_ns": begun_ns(work, agent, token),
    }
    ended = _ending(work, agent, command, token)
    return Completed(ended.entry, ended.snapshot.require_task(task), already=False)


def _ending(work: Workspace, agent: AgentId, command: Command, token: Token) -> Done:
    """Publish what ends a claim, and remember that nothing is held by its token."""
    done = work.ledger.execute(command, agent=agent, shared=shared_command(work, command))
    work.ended_tokens.add(token)
    return done


def _is_widened(work: Workspace, task: TaskRecord, held: Claim, error: RefusedError) -> bool:
    """Return whether what the work wrote outside is the claim's now: no hook saw it."""
    paths = cast("list[str]", error.facts.get("unheld") or [])
    if not paths:
        return False
    from gitcoord.features.work.first_edits import widen_by

    return widen_by(work, held["agent"], task["id"], held["token"], paths)


def _completed_before(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, token: Token, result: str | None
) -> Completed | None:
    """Recognise a repeated complete with the same token and result."""
    before = task["result"]
    if before is None or before["token"] != token or task["state"] not in {"review", "done"}:
        return None
    if result is not None:
        from gitcoord.git.merges import resolve

        if resolve(work.git, result) != before["oid"]:
            return None
    return Completed(snapshot.oid, task, already=True)


def _no_commit(snapshot: Snapshot, task: TaskRecord, held: Claim) -> dict[str, Any]:
    boundary = recorded(_boundary(snapshot, task, held))
    return {
        "oid": None,
        "tree": None,
        "base": held["base"],
        "built_on": dict(held["built_on"]),
        "boundary": boundary,
        "commits": 0,
        "files": 0,
    }


def _boundary(snapshot: Snapshot, task: TaskRecord, held: Claim) -> Boundary:
    return boundary_of(snapshot, task, snapshot.agent(held["agent"]))


def keep_result(work: Workspace, snapshot: Snapshot, task: TaskId, facts: dict[str, Any]) -> None:
    """Make the ref of what is handed in, and read back that all of it is there.

    Raises:
        NotFoundError: A prune took some of it meanwhile; no ref is left.

    """
    if facts["oid"] is not None:
        known = [work.target_tip(snapshot), *facts["built_on"].values()]
        keep_commits(work, {result_ref(work.ledger.name, task, facts["oid"]): facts["oid"]}, known)


def result_facts(
    work: Workspace,
    snapshot: Snapshot,
    task: TaskRecord,
    held: Claim,
    result: str | None,
    *,
    no_result: bool,
    is_clean: bool = False,
) -> dict[str, Any]:
    """Inspect what a claim hands in, and give the facts that its entry keeps.

    ``is_clean`` says that what is not committed is part of the result.

    Raises:
        RefusedError: ``boundary``, ``uncommitted``, ``unfinished``, ``elsewhere``,
            ``empty-result``, ``base-moved``.

    """
    if no_result:
        return _no_commit(snapshot, task, held)
    if not is_clean:
        from gitcoord.features.work.left_out import refuse_to_leave_out

        boundary = _boundary(snapshot, task, held)
        refuse_to_leave_out(work, snapshot, task, held, boundary, result)
    return _inspected(work, snapshot, task, held, result)


def _inspected(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, held: Claim, result: str | None
) -> dict[str, Any]:
    from gitcoord.features.work.bases import built_on_of
    from gitcoord.git.merges import resolve
    from gitcoord.git.program import GitError
    from gitcoord.git.results import inspect
    from gitcoord.git.soundness import require_sound

    boundary = _boundary(snapshot, task, held)
    is_empty = paths_of(task) == []
    if is_empty and result is None and work.store.read_ref(branch_ref(held["branch"])) is None:
        return _no_commit(snapshot, task, held)
    if result is None:
        oid = _result_oid(work, task, held)
    else:
        oid = resolve(work.git, result)
    tip = work.target_tip(snapshot)
    known = [tip]
    try:
        built_on = built_on_of(work, snapshot, task, oid)
        known += built_on.values()
        seen = inspect(work.git, oid, tip, built_on, boundary)
    except RefusedError as error:
        if error.reason == "empty-result" and (is_empty or task["spec"]["result"] == "optional"):
            return _no_commit(snapshot, task, held)
        raise
    except GitError:
        # Git does not get by what is missing or broken.
        require_sound(work.git, oid, known)
        raise
    require_sound(work.git, oid, known)
    return {
        "oid": oid,
        "tree": seen.tree,
        "base": held["base"],
        "built_on": built_on,
        "boundary": recorded(boundary),
        "commits": seen.commits,
        "files": seen.files,
    }


def _result_oid(work: Workspace, task: TaskRecord, held: Claim) -> Oid:
    tip = work.store.read_ref(branch_ref(held["branch"]))
    if tip is None:
        raise NotFoundError(
            f"the branch {held['branch']} of task {task['id']} does not exist",
            hint="commit the work and name it: `gitcoord complete --result REV`",
            task=task["id"],
        )
    return tip
