"""Merge in memory with the git program: no index, no working tree.

libgit2's merge differs on renamed directories, ignores merge drivers and
is slower. Merge commits of bases are deterministic: the same inputs give
the same oid, so that one can be made again at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from gitcoord.core.errors import NotFoundError, RefusedError
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.isolated import isolated
from gitcoord.git.program import DURABLE, LONG_S, Git, GitError

__all__ = [
    "NOBODY",
    "Conflict",
    "Identity",
    "Merged",
    "commit_merge",
    "contains",
    "fork_base",
    "holds_move",
    "is_ancestor",
    "merge_base",
    "merge_tree",
    "objects_beginning",
    "parents_of",
    "resolve",
    "rev_list",
    "time_of",
    "tree_of",
]

MAX_REVISION_CHARS = 1024
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# A user's settings would give another tree here than on the next machine.
_PINNED = (
    "-c",
    "merge.renames=true",
    "-c",
    "merge.directoryRenames=conflict",
    "-c",
    "merge.renameLimit=7000",
    "-c",
    "merge.renormalize=false",
    "-c",
    "merge.default=text",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "i18n.commitEncoding=UTF-8",
)


class Identity(NamedTuple):
    """Whose names and addresses a commit gets, and whether its user signs it."""

    author: tuple[str, str]
    committer: tuple[str, str]
    is_signing: bool = False


_NAME_OF_NOBODY = ("gitcoord", "gitcoord@localhost.invalid")
NOBODY = Identity(_NAME_OF_NOBODY, _NAME_OF_NOBODY)
"""Who makes a commit that has to be the same on every machine."""


class Merged(NamedTuple):
    """The tree of a clean merge."""

    tree: Oid


class Conflict(NamedTuple):
    """The files in which a merge conflicts.

    ``tree`` is what git could merge, with markers in those files.
    """

    files: tuple[str, ...]
    tree: Oid


def merge_tree(git: Git, ours: Oid, theirs: Oid, base: Oid | None = None) -> Merged | Conflict:
    """Merge two commits, and write the tree, synced.

    With ``base`` their histories do not count: what lies between it and
    ``theirs`` is applied to ``ours``, as in a cherry-pick or a revert.

    Raises:
        GitError: One of them is not a commit.

    """
    if base is not None:
        # Git before 2.40 cannot be told the base: make it the only ancestor.
        root = commit_merge(git, tree_of(git, base), [], "base\n", 0)
        ours, theirs = (
            commit_merge(git, tree_of(git, side), [root], "side\n", 0) for side in (ours, theirs)
        )
    args = (
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--allow-unrelated-histories",
        "--end-of-options",
        ours,
        theirs,
    )
    with isolated(git, ours) as alone:
        done = alone.run(*DURABLE, *_PINNED, *args, check=False, timeout_s=LONG_S)
    merged = _parse_merge(done.stdout) if done.status in {0, 1} else None
    # Git 2.39 ends with 1 for an unknown commit too, but then names no tree.
    if merged is None:
        raise GitError(args, done.status, done.stderr)
    if done.status == 0:
        return Merged(merged.tree)
    return merged


def _parse_merge(raw: bytes) -> Conflict | None:
    """Read ``merge-tree -z``: the tree, then names up to an empty one."""
    fields = raw.decode("utf-8", "surrogateescape").split("\0")
    if not _OID.fullmatch(fields[0]):
        return None
    end = fields.index("", 1) if "" in fields[1:] else len(fields)
    return Conflict(tuple(dict.fromkeys(fields[1:end])), Oid(fields[0]))


def commit_merge(
    git: Git,
    tree: Oid,
    parents: list[Oid],
    message: str,
    time: int,
    identity: Identity = NOBODY,
) -> Oid:
    """Write a commit, synced: a pure function of the arguments, but for a signature.

    Raises:
        RefusedError: Reason ``commit``: it could not be signed; nothing was written.

    """
    author, committer = identity.author, identity.committer
    when = f"@{time} +0000"
    env = {
        "GIT_AUTHOR_NAME": author[0],
        "GIT_AUTHOR_EMAIL": author[1],
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_NAME": committer[0],
        "GIT_COMMITTER_EMAIL": committer[1],
        "GIT_COMMITTER_DATE": when,
    }
    flags = [flag for parent in parents for flag in ("-p", parent)]
    text = message.encode("utf-8", "replace")
    args = (*DURABLE, *_PINNED, "commit-tree", tree, *flags, "-F", "-")
    if not identity.is_signing:
        return Oid(git.run(*args, stdin=text, env=env).text)
    done = git.run(*args, "-S", stdin=text, env=env, check=False)
    if done.status != 0:
        # A tree or a parent may be what is missing: then this raises.
        git.run(*args, stdin=text, env=env)
        raise RefusedError(
            f"git did not sign the commit: {done.stderr.strip()[-500:]}",
            reason="commit",
            hint="`commit.gpgSign` asks for it: look at `user.signingKey` and `gpg.format`, and "
            "whether the program that holds the key answers without a question",
        )
    return Oid(done.text)


def merge_base(git: Git, one: Oid, other: Oid) -> Oid | None:
    """Return the best common ancestor of two commits, if they have one."""
    done = git.run("merge-base", "--end-of-options", one, other, check=False)
    if done.status not in {0, 1}:
        raise GitError(("merge-base",), done.status, done.stderr)
    if not done.text:
        return None
    return Oid(done.text)


def is_ancestor(git: Git, old: Oid, new: Oid) -> bool:
    """Return whether one commit is in the history of another (or is it)."""
    if old == new:
        return True
    done = git.run("merge-base", "--is-ancestor", "--end-of-options", old, new, check=False)
    if done.status not in {0, 1}:
        raise GitError(("merge-base",), done.status, done.stderr)
    return done.status == 0


def holds_move(git: Git, now: Oid, old: Oid, new: Oid) -> bool:
    """Return whether a branch that moved from one commit to another still holds that move.

    The move may have been a reset: then its old tip contains the new one, and
    only a branch without the old one was reset.
    """
    is_reset = is_ancestor(git, new, old)
    return is_ancestor(git, new, now) and not (is_reset and is_ancestor(git, old, now))


def contains(git: Git, tip: Oid, commits: Iterable[Oid]) -> set[Oid]:
    """Return which of some commits are in the history of a tip, in one go."""
    asked = set(commits)
    if not asked:
        return set()
    return asked - set(rev_list(git, sorted(asked), [tip]))


def rev_list(git: Git, include: Iterable[Oid], exclude: Iterable[Oid]) -> list[Oid]:
    """List the commits that some reach and others do not, newest first."""
    lines = "".join(f"{oid}\n" for oid in include) + "".join(f"^{oid}\n" for oid in exclude)
    listed = git.run("rev-list", "--topo-order", "--stdin", stdin=lines.encode()).text.split()
    return cast("list[Oid]", listed)


def parents_of(git: Git, commits: list[Oid]) -> dict[Oid, list[Oid]]:
    """Return the parents of each commit."""
    if not commits:
        return {}
    lines = "".join(f"{oid}\n" for oid in commits)
    rows = git.run(
        "rev-list", "--no-walk=unsorted", "--parents", "--stdin", stdin=lines.encode()
    ).text.splitlines()
    found = {row.split()[0]: row.split()[1:] for row in rows}
    return cast("dict[Oid, list[Oid]]", found)


def tree_of(git: Git, commit: Oid) -> Oid:
    """Return the tree of a commit."""
    named = f"{commit}^{{tree}}"
    told = git.run("rev-parse", "--verify", "--end-of-options", named).text
    return Oid(told.split("\n")[-1])


def resolve(git: Git, revision: str) -> Oid:
    """Turn what a user typed into the oid of a commit.

    Raises:
        NotFoundError: It names no commit.

    """
    is_plain = (
        0 < len(revision) <= MAX_REVISION_CHARS
        and revision.isprintable()
        and not revision.startswith("-")
    )
    if is_plain:
        named = f"{revision}^{{commit}}"
        done = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", named, check=False)
        oid = done.text.split("\n")[-1]
        # ^main is a revision to git, and gives ^OID.
        if done.status == 0 and _OID.fullmatch(oid):
            return Oid(oid)
    raise NotFoundError(
        f"{revision[:100]!r} names no commit here", hint="give a branch, a tag or an oid"
    )


def objects_beginning(git: Git, prefix: str) -> list[Oid]:
    """List the oids, of objects of any kind, that begin with at least four hex digits."""
    told = git.run("rev-parse", f"--disambiguate={prefix}").text.split()
    return cast("list[Oid]", told)


def time_of(git: Git, commits: list[Oid]) -> int:
    """Return the time of the newest of some commits."""
    lines = "".join(f"{oid}\n" for oid in commits).encode()
    asked = git.run(
        "rev-list", "--no-walk", "--no-commit-header", "--format=%ct", "--stdin", stdin=lines
    )
    return max(int(line) for line in asked.text.split())


def fork_base(git: Git, tip: Oid, results: list[Oid]) -> Oid | Conflict:
    """Return a commit that contains the tip and every result, in this order.

    Where one contains another there is nothing to merge. The merge commits
    take their dates from their parents, so that the oid is always the same.
    """
    base = tip
    for result in results:
        common = merge_base(git, base, result)
        if common == result:
            continue
        if common == base:
            base = result
            continue
        merged = merge_tree(git, base, result)
        if isinstance(merged, Conflict):
            return merged
        message = f"Base of a task: {base[:12]} with {result[:12]}\n"
        base = commit_merge(git, merged.tree, [base, result], message, time_of(git, [base, result]))
    return base
