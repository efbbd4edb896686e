"""Look at a commit that was handed in: what is its own, and what it touches.

The own commits of a task are those of its result that neither the target
nor a result that it was built on reaches. Each may change only paths
inside the boundary. Renames are never detected: both names count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from gitcoord.core import paths
from gitcoord.core.errors import RefusedError
from gitcoord.git.merges import Conflict, commit_merge, is_ancestor, merge_tree, parents_of, rev_list, tree_of
from gitcoord.git.program import Git

__all__ = ["Inspection", "changed_files", "inspect", "lift"]

_LINK, _SUBMODULE = "120000", "160000"


class Inspection(NamedTuple):
    """What a result came to."""

    tree: str
    commits: int
    files: int


class _Change(NamedTuple):
    path: str
    old_mode: str
    new_mode: str
    oid: str


def _changes(git: Git, old: str, new: str) -> list[_Change]:
    """Compare two trees or commits, both sides of everything."""
    raw = git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "--no-textconv",
                  old, new).stdout  # fmt: skip
    fields = raw.decode("utf-8", "surrogateescape").split("\0")
    found = []
    for meta, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, new_mode, _, oid, _ = meta.lstrip(":").split(" ")
        found.append(_Change(path, old_mode, new_mode, oid))
    return found


def changed_files(git: Git, old: str, new: str) -> set[str]:
    """Name the files in which two commits differ."""
    return {change.path for change in _changes(git, old, new)}


def inspect(
    git: Git,
    result: str,
    target_tip: str,
    built_on: Mapping[str, str],
    patterns: list[str] | None,
) -> Inspection:
    """Refuse a result that writes outside its boundary, or nothing at all.

    ``patterns`` is the boundary; None: it may write anywhere safe.

    Raises:
        RefusedError: ``boundary`` with the commits and paths, or
            ``empty-result``.

    """

    def is_inside(path: str) -> bool:
        return paths.is_safe(path) if patterns is None else paths.inside(patterns, path)

    allowed = [target_tip, *built_on.values()]
    own = rev_list(git, [result], allowed)
    if not own:
        raise RefusedError(f"{result[:12]} holds no commit of its own", reason="empty-result",
                           hint="commit the work on the claim's branch, and complete again")  # fmt: skip
    parents = parents_of(git, own)
    own_set = set(own)
    files: set[str] = set()
    outside: list[str] = []
    for commit in own:
        for change in _own_changes(git, commit, parents[commit], own_set, allowed):
            files.add(change.path)
            reason = _problem(git, change, is_inside)
            if reason:
                outside.append(f"{change.path} ({reason}, commit {commit[:12]})")
    _refuse_outside(outside, patterns)
    landed = _landing_changes(git, result, target_tip, built_on)
    left = [f"{change.path} ({reason})" for change in landed if (reason := _problem(git, change, is_inside))]
    _refuse_outside(left, patterns)
    if not landed:
        raise RefusedError(f"{result[:12]} changes nothing", reason="empty-result",
                           hint="commit the work on the claim's branch, and complete again")  # fmt: skip
    return Inspection(tree_of(git, result), len(own), len(files))


def _refuse_outside(outside: list[str], patterns: list[str] | None) -> None:
    if outside:
        unique = list(dict.fromkeys(outside))
        raise RefusedError(
            f"{len(unique)} change(s) outside the boundary: {', '.join(unique[:10])}", reason="boundary",
            hint=f"take them out of the commits; the task may write {', '.join(patterns or []) or 'nothing'}",
            outside=cast("Any", unique[:50]),
        )  # fmt: skip


def _own_changes(
    git: Git, commit: str, parents: list[str], own: set[str], allowed: list[str]
) -> list[_Change]:
    """List what one commit changes; a merge: what git would not have done."""
    if not parents:
        raise RefusedError(f"commit {commit[:12]} has no parent: it is another history", reason="boundary",
                           hint="build on the claim's base")  # fmt: skip
    if len(parents) == 1:
        return _changes(git, parents[0], commit)
    foreign = [parent for parent in parents if parent not in own]
    others = [parent for parent in foreign if not any(is_ancestor(git, parent, tip) for tip in allowed)]
    if len(parents) > 2 or others:
        raise RefusedError(f"commit {commit[:12]} merges something that is neither the target nor a result it builds on",
                           reason="boundary", hint="merge only the target or results of needed tasks")  # fmt: skip
    merged = merge_tree(git, parents[0], parents[1])
    if isinstance(merged, Conflict):
        # git could not merge these files itself, so the commit's author did:
        # what differs from either side counts as written here.
        both = {change.path: change for change in _changes(git, parents[0], commit)}
        other = changed_files(git, parents[1], commit)
        conflicted = set(merged.files)
        return [change for path, change in both.items() if path in other or path in conflicted]
    return _changes(git, merged.tree, tree_of(git, commit))


def _landing_changes(git: Git, result: str, target_tip: str, built_on: Mapping[str, str]) -> list[_Change]:
    """List what landing would change beyond the results it is built on."""
    from gitcoord.git.merges import fork_base

    base = fork_base(git, target_tip, list(built_on.values()))
    if isinstance(base, Conflict):
        return []
    merged = merge_tree(git, base, result)
    if isinstance(merged, Conflict):
        # Landing will name this conflict; own commits were checked already.
        fork = git.run("merge-base", base, result, check=False).text
        return _changes(git, fork, result) if fork else []
    return _changes(git, tree_of(git, base), merged.tree)


def _problem(git: Git, change: _Change, is_inside: Callable[[str], bool]) -> str | None:
    if not is_inside(change.path):
        return "outside"
    if _SUBMODULE in {change.new_mode, change.old_mode}:
        return "a submodule"
    if change.new_mode == _LINK:
        target = git.run("cat-file", "blob", change.oid).stdout.decode("utf-8", "surrogateescape")
        parts = [part for part in (change.path.rpartition("/")[0] + "/" + target).split("/") if part not in {"", "."}]
        depth = 0
        for part in parts:
            depth += -1 if part == ".." else 1
            if depth < 0:
                return "a link out of the repository"
        if target.startswith("/") or any(part.casefold().startswith(".git") for part in target.split("/")):
            return "a link out of the repository"
    return None


def lift(git: Git, result: str, base: str) -> str:
    """Make a result that is in the target's history already anew.

    After a revert git would call the old commit merged and land nothing:
    a new commit with its tree, and its recorded base as only parent.
    """
    time = int(git.run("show", "-s", "--format=%ct", "--end-of-options", result).text)
    return commit_merge(git, tree_of(git, result), [base], f"Land {result[:12]} again\n", time)
