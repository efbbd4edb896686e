"""Refuse to leave out of a result what the agent's worktree has.

A result is the tip of the claim's branch unless the agent names another. So what is
not on that branch is looked for: changes that are not committed, commits on a detached
HEAD or on another branch, and an operation of git's that is not finished.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.boundary import Boundary
from gitcoord.core.errors import RefusedError
from gitcoord.core.model import Claim, TaskRecord
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace

__all__ = ["refuse_to_leave_out"]


def refuse_to_leave_out(
    work: Workspace,
    snapshot: Snapshot,
    task: TaskRecord,
    held: Claim,
    boundary: Boundary,
    result: str | None,
) -> None:
    """Refuse a result that is not all of the agent's work.

    Where the agent names the result, only changes on the claim's own branch count.
    What stands on the branch of another task is that task's.

    Raises:
        RefusedError: ``uncommitted``, ``unfinished`` or ``elsewhere``.

    """
    from gitcoord.git.unfinished import find_unfinished
    from gitcoord.git.worktrees import branch_of_worktree

    worktree = work.worktree_of(held["agent"]) or _here_on(work, held["branch"])
    if worktree is None:
        return
    own = branch_ref(held["branch"])
    here = branch_of_worktree(worktree)
    unfinished = find_unfinished(worktree)
    about = (unfinished.branch if unfinished else None) or here
    if about != own and _is_of_a_task(snapshot, about):
        return
    if here != own and result is not None:
        return
    if unfinished is not None and result is None:
        raise RefusedError(
            f"{worktree} is in the middle of something: {unfinished}",
            reason="unfinished",
            hint=f"{unfinished.way_out}; then complete again",
            task=task["id"],
            operation=unfinished.operation,
        )
    _refuse_uncommitted(worktree, task, boundary)
    if here != own:
        _refuse_elsewhere(work, snapshot, task, held, worktree, here)


def _is_of_a_task(snapshot: Snapshot, ref: str | None) -> bool:
    return ref is not None and ref.startswith(branch_ref(f"{snapshot.settings()['task_prefix']}/"))


def _refuse_uncommitted(worktree: Path, task: TaskRecord, boundary: Boundary) -> None:
    from gitcoord.git.local_changes import changes_of

    left = [
        codec.printable(change.path)
        for change in changes_of(worktree)
        if boundary.allows(change.path, is_gone=change.is_gone)
    ]
    if left:
        raise RefusedError(
            f"{len(left)} path(s) of task {task['id']} are not committed: {', '.join(left[:10])}",
            reason="uncommitted",
            task=task["id"],
            paths=cast("Any", left[:50]),
            hint="commit them on the claim's branch, or remove what is not part of the work",
        )


def _refuse_elsewhere(
    work: Workspace,
    snapshot: Snapshot,
    task: TaskRecord,
    held: Claim,
    worktree: Path,
    here: str | None,
) -> None:
    from gitcoord.git.worktrees import commits_left_out

    tips = [work.store.read_ref(branch_ref(held["branch"])), work.target_tip(snapshot)]
    results = f"refs/gitcoord/{work.ledger.name}/results/*"
    kept = [tip for tip in tips if tip is not None]
    left = commits_left_out(worktree, here, kept, results)
    if left:
        place = "a detached HEAD"
        if here:
            place = branch_name(here)
        raise RefusedError(
            f"{worktree} is on {place}, with commits that {held['branch']} has not: "
            f"{', '.join(oid[:12] for oid in left[:5])}",
            reason="elsewhere",
            hint="merge them into the claim's branch, or say what to hand in: "
            f"`gitcoord complete --result HEAD`, or `--result {held['branch']}` without them",
            task=task["id"],
        )


def _here_on(work: Workspace, branch: str) -> Path | None:
    """Return the worktree that we stand in, where a claim's branch is checked out in it."""
    from gitcoord.git.worktrees import branch_of_worktree

    here = work.place.worktree
    if here is None or branch_of_worktree(here) != branch_ref(branch):
        return None
    return here
