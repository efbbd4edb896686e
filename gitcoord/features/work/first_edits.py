"""Widen a claim by what it writes first, where the plan lets claims be widened freely.

Whoever is about to write asks here: an assistant's hook before an edit,
git's hook before a commit, and ``complete`` where neither ran. So two
agents see each other without anybody writing paths down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from gitcoord.core import paths as patterns
from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import RefusedError
from gitcoord.core.ids import AgentId, TaskId, Token
from gitcoord.core.operations.preconditions import MAX_PATHS
from gitcoord.features.work.widenings import widen
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.places import Place

__all__ = ["widen_by", "widen_for_commit"]

_WILD = frozenset("*?")


def widen_by(
    work: Workspace, agent: AgentId, task: TaskId, token: Token, paths: Sequence[str]
) -> bool:
    """Let a claim write paths that nobody holds; return whether it may write them now.

    A claim of many paths is widened by their folders.

    Raises:
        ConflictError: Another holds one of them.
        RefusedError: ``base-moved``, or a layer beside the task's does not allow it.
        ClaimLostError: The token is stale.

    """
    snapshot = work.ledger.snapshot()
    plan, record = snapshot.plan(), snapshot.require_task(task)
    if plan is None or plan.get("widening") != "free" or not paths:
        return False
    if any(_WILD.intersection(path) or patterns.problem_of(path) for path in paths):
        return False
    own = record.get("widened", [])
    wanted = list(dict.fromkeys(paths))
    if len(own) + len(wanted) > MAX_PATHS // 2:
        wanted = list(dict.fromkeys(map(_folder_of, wanted)))
    wanted = [path for path in wanted if not patterns.covers(paths_of(record) or [], [path])]
    if not wanted:
        return True
    try:
        widen(work, agent, task, token, wanted)
    except RefusedError as error:
        if error.reason != "nothing-to-do":
            raise
    return True


def widen_for_commit(place: Place, error: RefusedError) -> bool:
    """Widen the claim whose commit was refused; return whether it is to be judged again.

    Raises:
        ConflictError: Another holds one of the paths.

    """
    paths = cast("list[str]", error.facts.get("unheld") or [])
    if not paths or "token" not in error.facts or place.worktree is None:
        return False
    work = open_workspace(place.worktree, str(error.facts["ledger"]), is_one_shot=True)
    try:
        agent, token = AgentId(str(error.facts["agent"])), Token(str(error.facts["token"]))
        return widen_by(work, agent, TaskId(str(error.facts["task"])), token, paths)
    finally:
        work.close()


def _folder_of(path: str) -> str:
    """Return the pattern of a path's folder; of one at the top, the path."""
    folder, slash, _name = path.rpartition("/")
    if not slash:
        return path
    return folder + "/"
