"""Take work branches away whose work the target holds.

Only after a landing was verified, and only what loses nothing: a branch
with a commit that the target lacks stays, and so does one that somebody
has checked out or works on.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from gitcoord.core.errors import GitcoordError
from gitcoord.core.ids import Oid, TaskId
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import has_landed
from gitcoord.features.workspace import Workspace
from gitcoord.git.program import GitError
from gitcoord.store.protocol import ContendedError, FailedError, LockedError, MissingObjectError

__all__ = ["landed_branches", "left_branches", "reclaim_branches"]


def reclaim_branches(work: Workspace, snapshot: Snapshot) -> list[str]:
    """Remove the landed work branches; list them. Never fails a landing.

    Each is removed only as it was looked at: a commit made meanwhile keeps
    its branch.
    """
    try:
        return _reclaim(work, snapshot)
    except (GitcoordError, GitError, MissingObjectError, OSError, FailedError):
        return []


def landed_branches(
    work: Workspace, snapshot: Snapshot, leaving: Collection[Path] = ()
) -> dict[str, Oid]:
    """Return the work branches that hold nothing which the target lacks.

    One that is checked out is not among them, but in a worktree that is ``leaving``.
    """
    from gitcoord.git.merges import contains
    from gitcoord.git.worktrees import list_all

    checked_out = {one.branch for one in list_all(work.git) if one.path not in leaving}
    found = _of_landed(work, snapshot)
    held = contains(work.git, work.target_tip(snapshot), found.values())
    return {ref: oid for ref, oid in found.items() if oid in held and ref not in checked_out}


def left_branches(work: Workspace, snapshot: Snapshot) -> dict[str, str]:
    """Return the branches of landed tasks that are there, each with why it stays."""
    from gitcoord.git.merges import contains
    from gitcoord.git.worktrees import list_all

    found = _of_landed(work, snapshot)
    held = contains(work.git, work.target_tip(snapshot), found.values())
    places = {one.branch: one.path for one in list_all(work.git)}
    left = {}
    for ref, oid in found.items():
        if oid not in held:
            target = branch_name(work.target(snapshot))
            left[ref] = f"it has commits that {target} lacks, of an attempt that was not handed in"
        elif ref in places:
            left[ref] = f"it is checked out in {places[ref]}"
    return left


def _of_landed(work: Workspace, snapshot: Snapshot) -> dict[str, Oid]:
    """Return the work branches of tasks that have landed and that nobody has."""
    prefix = branch_ref(f"{snapshot.settings()['task_prefix']}/")
    landed = {phase["id"] for phase in snapshot.phases() if phase["state"] == "landed"}
    found: dict[str, Oid] = {}
    for ref, oid in work.store.list_refs(prefix).items():
        task = snapshot.task(TaskId(ref.removeprefix(prefix).partition("/")[0]))
        if task is not None and has_landed(task, landed) and not task["claim"]:
            found[ref] = oid
    return found


def _reclaim(work: Workspace, snapshot: Snapshot) -> list[str]:
    gone = []
    for ref, oid in landed_branches(work, snapshot).items():
        try:
            work.store.delete_ref(ref, oid)
            gone.append(ref)
        except (ContendedError, FailedError, LockedError):
            continue
    return gone
