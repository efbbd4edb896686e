"""Work that is not committed yet: commit what a task may write, or only try.

A coding assistant's ``git add -A`` takes in what its sandbox planted, and
fails on it. So a claim's holder can let the boundary choose what is added.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from gitcoord.core.boundary import Boundary, boundary_of
from gitcoord.core.errors import ClaimLostError, GitcoordError, RefusedError
from gitcoord.core.ids import Oid, TaskId, Token
from gitcoord.core.model import Claim, TaskRecord
from gitcoord.core.operations.gates import check_of
from gitcoord.core.refs import branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.work.results import result_facts
from gitcoord.features.workspace import Workspace
from gitcoord.git import worktrees
from gitcoord.git.commits import commit_paths
from gitcoord.git.local_changes import changed_paths
from gitcoord.git.places import discover
from gitcoord.git.program import Git, GitError
from gitcoord.git.unfinished import find_unfinished

__all__ = ["Draft", "Preview", "commit_draft", "draft_of", "preview", "top_paths"]

_LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}
_NOBODY = {
    "GIT_AUTHOR_NAME": "gitcoord",
    "GIT_AUTHOR_EMAIL": "draft@gitcoord.invalid",
    "GIT_COMMITTER_NAME": "gitcoord",
    "GIT_COMMITTER_EMAIL": "draft@gitcoord.invalid",
}


class Draft(NamedTuple):
    """What differs from the last commit in a claim's worktree, by the boundary."""

    worktree: Path
    inside: list[str]
    outside: list[str]


class Preview(NamedTuple):
    """What ``complete`` would say; ``problems`` is empty where it would be done."""

    facts: dict[str, Any]
    problems: list[GitcoordError]


def draft_of(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, named: Sequence[str] = ()
) -> Draft:
    """Look at what is not committed in the worktree of a task's holder.

    ``named`` are paths from the worktree's top; none means all. One that is
    named and outside the boundary is refused.

    Raises:
        RefusedError: ``worktree``: the claim's branch is not checked out in
            the agent's worktree; ``unfinished``: a merge or the like is not done
            there; ``boundary``.

    """
    held = cast("Claim", task["claim"])
    place = work.worktree_of(held["agent"])
    if place is None or worktrees.branch_of_worktree(place) != branch_ref(held["branch"]):
        raise RefusedError(
            f"the claim's branch {held['branch']} is not checked out in {held['agent']}'s worktree",
            reason="worktree",
            hint="`gitcoord claim` checks it out; or commit yourself, and `gitcoord complete`",
            task=task["id"],
        )
    unfinished = find_unfinished(place)
    if unfinished is not None:
        raise RefusedError(
            f"{place} is in the middle of something: {unfinished}",
            reason="unfinished",
            hint=f"{unfinished.way_out}; then complete again",
            task=task["id"],
            operation=unfinished.operation,
        )
    boundary = boundary_of(snapshot, task, snapshot.agent(held["agent"]))
    changed = changed_paths(place)
    chosen = changed
    if named:
        chosen = [path for path in changed if any(_is_at(path, one) for one in named)]
    inside = [path for path in chosen if boundary.allows(path)]
    outside = [path for path in chosen if path not in set(inside)]
    if named and outside:
        raise _outside(outside, boundary, task["id"])
    return Draft(place, inside, outside)


def _is_at(path: str, named: str) -> bool:
    return named in {".", "", path} or path.startswith(named.rstrip("/") + "/")


def _outside(outside: list[str], boundary: Boundary, task: TaskId) -> RefusedError:
    return RefusedError(
        f"{len(outside)} named path(s) are outside task {task}: {', '.join(outside[:10])}",
        reason="boundary",
        outside=cast("Any", outside[:50]),
        hint=f"name others; the task may write {boundary.describe()}",
    )


def commit_draft(work: Workspace, task: TaskRecord, draft: Draft, message: str) -> Oid | None:
    """Commit what lies inside, with the user's hooks; None where nothing differs.

    What is staged beside it stays staged.

    Raises:
        RefusedError: ``commit``: git or one of its hooks refused; nothing
            was committed, and the paths are staged.

    """
    held = cast("Claim", task["claim"])
    text = (
        f"{message.strip()}\n\nGitcoord-Task: {task['id']}\nGitcoord-Attempt: {held['attempt']}\n"
    )
    author = (held["agent"], f"{held['agent']}@{work.ledger.name}.gitcoord.invalid")
    try:
        return commit_paths(draft.worktree, draft.inside, text, author)
    except GitError as error:
        raise RefusedError(
            f"git did not commit: {error.stderr.strip()[-1000:]}",
            reason="commit",
            hint="correct what it names, and complete again; the paths are staged",
            task=task["id"],
        ) from None


def preview(
    work: Workspace,
    task: TaskId,
    token: Token,
    *,
    result: str | None = None,
    is_committing: bool = False,
    named: Sequence[str] = (),
) -> Preview:
    """Return what ``complete`` would say, and change nothing.

    No ref moves, no file and no index changes, and nothing is recorded; the
    would-be commit is an object that nothing names. The task's check runs on
    it, if it is trusted and all else fits.

    Raises:
        ClaimLostError: The token is stale.

    """
    snapshot = work.ledger.snapshot()
    record, held = _require_current(snapshot, task, token)
    facts: dict[str, Any] = {"task": task, "inside": [], "outside": [], "check": None}
    problems: list[GitcoordError] = []
    try:
        if is_committing and result is None:
            draft = draft_of(work, snapshot, record, named)
            facts |= {"inside": draft.inside, "outside": draft.outside}
            result = _would_be(draft)
        handed = result_facts(
            work, snapshot, record, held, result, no_result=False, is_clean=is_committing
        )
        facts["result"] = handed
        facts["check"] = _tried(work, record, handed)
    except RefusedError as error:
        problems.append(error)
    return Preview(facts, problems)


def _require_current(snapshot: Snapshot, task: TaskId, token: Token) -> tuple[TaskRecord, Claim]:
    record = snapshot.require_task(task)
    held = record["claim"]
    if held is None or held["token"] != token:
        raise ClaimLostError(
            f"this claim on task {task} is no longer current",
            hint="stop working on it; `gitcoord claim` gives the next task",
            task=task,
        )
    return record, held


def _would_be(draft: Draft) -> Oid:
    """Return the commit that committing the draft would make, made beside everything."""
    git = Git(draft.worktree)
    if not draft.inside:
        return Oid(git.run("rev-parse", "--verify", "HEAD").text)
    with _other_index() as env:
        git.run("read-tree", "HEAD", env=env)
        listing = "\0".join(draft.inside).encode("utf-8", "surrogateescape")
        flags = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git.run("add", "-A", *flags, stdin=listing, env={**env, **_LITERAL})
        tree = git.run("write-tree", env=env).text
    args = ("commit-tree", tree, "-p", "HEAD", "-m", "draft")
    return Oid(git.run(*args, env=_NOBODY).text)


@contextmanager
def _other_index() -> Iterator[dict[str, str]]:
    """Give git an index of its own for a moment."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gitcoord-draft-") as folder:
        yield {"GIT_INDEX_FILE": str(Path(folder) / "index")}


def _tried(work: Workspace, task: TaskRecord, handed: dict[str, Any]) -> dict[str, Any] | None:
    """Run the task's check on what would be handed in, and record nothing.

    Raises:
        RefusedError: ``trust``: nothing was run; ``check``: it failed.

    """
    spec = check_of(task["spec"])
    if spec is None:
        return None
    from gitcoord.features.setup.trust import require_trust
    from gitcoord.features.work.checks import run_command, tail_of

    require_trust(work, [f"check: {spec['run']}"])
    held = cast("Claim", task["claim"])
    commit = handed["oid"] or held["base"]
    about = {
        "GITCOORD_TASK": task["id"],
        "GITCOORD_PHASE": task["spec"]["phase"],
        "GITCOORD_GATE": spec["name"],
    }
    path = work.logs.of_attempt(task["id"], held["attempt"], held["token"], "check")
    verdict = run_command(work, spec, commit, path, about, lambda: False)
    if verdict.is_passed:
        return {"verdict": "passed"}
    raise RefusedError(
        f"the check of task {task['id']} would fail: {verdict.reason}\n{tail_of(verdict.output)}",
        reason="check",
        task=task["id"],
        hint="fix it, and try again",
    )


def top_paths(start: Path, names: Sequence[str]) -> list[str]:
    """Return paths as they are from the worktree's top, given from a folder in it.

    Raises:
        RefusedError: One lies outside of the worktree (``boundary``).

    """
    place = discover(start).worktree or start
    top = os.path.realpath(place)
    found = []
    for name in names:
        path = os.path.normpath(os.path.join(os.path.realpath(start), name))  # noqa: PTH118
        if path != top and not path.startswith(top + "/"):
            raise RefusedError(
                f"{name} lies outside of {top}",
                reason="boundary",
                hint="name paths of this worktree",
            )
        found.append(path[len(top) + 1 :])
    return found
