"""Merge in memory with the git program: no index, no working tree.

libgit2's merge differs on renamed directories, ignores merge drivers and
is slower. Merge commits of bases are deterministic: the same inputs give
the same oid, so that one can be made again at any time.
"""

from __future__ import annotations

from typing import NamedTuple

from gitcoord.core.errors import NotFoundError
from gitcoord.git.program import DURABLE, Git, GitError

__all__ = [
    "Conflict", "Merged", "commit_merge", "fork_base", "is_ancestor", "merge_tree", "parents_of", "resolve",
    "rev_list", "tree_of",
]  # fmt: skip

_NOBODY = ("gitcoord", "gitcoord@localhost.invalid")


class Merged(NamedTuple):
    """The tree of a clean merge."""

    tree: str


class Conflict(NamedTuple):
    """The files in which a merge conflicts."""

    files: tuple[str, ...]


def merge_tree(git: Git, ours: str, theirs: str) -> Merged | Conflict:
    """Merge two commits, and write the tree if it is clean.

    Raises:
        GitError: One of them is no commit.

    """
    args = ("merge-tree", "--write-tree", "-z", "--name-only", "--allow-unrelated-histories", ours, theirs)
    done = git.run(*DURABLE, *args, check=False)
    fields = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    if done.status == 0:
        return Merged(fields[0])
    if done.status == 1:
        end = fields.index("", 1) if "" in fields[1:] else len(fields)
        return Conflict(tuple(dict.fromkeys(fields[1:end])))
    raise GitError(args, done.status, done.stderr)


def commit_merge(
    git: Git, tree: str, parents: list[str], message: str, time: int, author: tuple[str, str] = _NOBODY
) -> str:
    """Write a commit of ours, synced, dated by ``time`` alone."""
    when = f"@{time} +0000"
    env = {
        "GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1], "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_NAME": _NOBODY[0], "GIT_COMMITTER_EMAIL": _NOBODY[1], "GIT_COMMITTER_DATE": when,
    }  # fmt: skip
    flags = [flag for parent in parents for flag in ("-p", parent)]
    return git.run(*DURABLE, "commit-tree", tree, *flags, "-F", "-", stdin=message.encode(), env=env).text


def is_ancestor(git: Git, old: str, new: str) -> bool:
    """Say whether one commit is in the history of another (or is it)."""
    if old == new:
        return True
    done = git.run("merge-base", "--is-ancestor", old, new, check=False)
    if done.status not in {0, 1}:
        raise GitError(("merge-base",), done.status, done.stderr)
    return done.status == 0


def rev_list(git: Git, include: list[str], exclude: list[str]) -> list[str]:
    """List the commits that some reach and others do not, newest first."""
    lines = "".join(f"{oid}\n" for oid in include) + "".join(f"^{oid}\n" for oid in exclude)
    return git.run("rev-list", "--topo-order", "--stdin", stdin=lines.encode()).text.split()


def parents_of(git: Git, commits: list[str]) -> dict[str, list[str]]:
    """Give the parents of each commit."""
    if not commits:
        return {}
    lines = "".join(f"{oid}\n" for oid in commits)
    rows = git.run("rev-list", "--no-walk=unsorted", "--parents", "--stdin", stdin=lines.encode()).text.splitlines()
    return {row.split()[0]: row.split()[1:] for row in rows}


def tree_of(git: Git, commit: str) -> str:
    """Return the tree of a commit."""
    return git.run("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").text.split("\n")[-1]


def resolve(git: Git, revision: str) -> str:
    """Turn what a user typed into the oid of a commit.

    Raises:
        NotFoundError: It names no commit.

    """
    done = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False)
    oid = done.text.split("\n")[-1]
    if done.status != 0 or not oid:
        raise NotFoundError(f"{revision!r} names no commit here", hint="give a branch, a tag or an oid")
    return oid


def _time_of(git: Git, commit: str) -> int:
    return int(git.run("show", "-s", "--format=%ct", "--end-of-options", commit).text)


def fork_base(git: Git, tip: str, results: list[str]) -> str | Conflict:
    """Give a commit that contains the tip and every result, in this order.

    Where one contains another there is nothing to merge. The merge commits
    take their dates from their parents, so that the oid is always the same.
    """
    base = tip
    for result in results:
        if is_ancestor(git, result, base):
            continue
        if is_ancestor(git, base, result):
            base = result
            continue
        merged = merge_tree(git, base, result)
        if isinstance(merged, Conflict):
            return merged
        time = max(_time_of(git, base), _time_of(git, result))
        message = f"Base of a task: {base[:12]} with {result[:12]}\n"
        base = commit_merge(git, merged.tree, [base, result], message, time)
    return base
