"""Look into a task while it is worked on: its log, and what changed so far."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.errors import NotFoundError
from gitcoord.core.ids import TaskId
from gitcoord.core.refs import branch_ref
from gitcoord.features.inspect.facts import log_of
from gitcoord.features.names import named_task
from gitcoord.features.workspace import Workspace
from gitcoord.git.program import Git

__all__ = ["diff_of", "log_text"]

MAX_CHARS = 1_000_000


def log_text(work: Workspace, task: TaskId) -> str:
    """Return the end of the newest log of a task, as it is written; or why there is none."""
    try:
        return log_of(work, task)[1][-MAX_CHARS:]
    except NotFoundError as error:
        return error.message


def diff_of(work: Workspace, task: TaskId) -> str:
    """Return what an attempt changed so far, or what a result changes; or why that is nothing.

    What its holder has not committed yet counts, where its worktree is here.
    """
    record = named_task(work, work.ledger.snapshot(), task)
    claim, result = record["claim"], record["result"]
    git, words = work.git, list[str]()
    if claim is not None:
        words = [claim["base"]]
        worktree = work.worktree_of(claim["agent"])
        if worktree is not None and Path(worktree).is_dir():
            git = Git(Path(worktree))
        else:
            words.append(work.store.read_ref(branch_ref(claim["branch"])) or claim["base"])
    elif result is not None and result["oid"] is not None:
        words = [result["base"], result["oid"]]
    if not words:
        return f"task {record['id']} has no commit"
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--end-of-options")
    return git.run("diff", *options, *words).text[:MAX_CHARS] or "nothing changed yet"
