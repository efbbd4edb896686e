"""Keep what a command left in a worktree, and make the worktree fit for the next.

What is kept must not be in anybody's way: not in the way of a signer that fails,
of a filter that is not installed, of an unfinished merge or of a nested
repository. So it is committed with git's plumbing, which runs no hook, signs
nothing and is given no filter, and what cannot be committed even so is moved aside.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from gitcoord.core.ids import Oid
from gitcoord.core.refs import branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.checkout import switching
from gitcoord.git.index_copies import index_copy
from gitcoord.git.local_changes import (
    LITERAL,
    changes_of,
    names_of,
    untracked_repositories,
    without_filters,
)
from gitcoord.git.program import LONG_S, Git
from gitcoord.git.unfinished import Unfinished, find_unfinished, quit_unfinished
from gitcoord.git.worktrees import branch_of_worktree

__all__ = ["Kept", "return_to_branch", "salvage"]

_ADD = ("add", "-A", "--sparse", "--ignore-errors")
_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")


class Kept(NamedTuple):
    """What was kept: a commit of it, and what had to be moved aside."""

    commit: Oid | None
    moved: list[Path]
    unfinished: Unfinished | None


def return_to_branch(worktree: Path, branch: str) -> bool:
    """Bring HEAD back to a branch that it has left, with its commits.

    A command may have detached HEAD or made a branch of its own. True if HEAD is at
    the branch afterwards; False if the branch has commits that HEAD has not, and
    then nothing changed. No file is touched, and no other branch.
    """
    ref = branch_ref(branch)
    if branch_of_worktree(worktree) == ref:
        return True
    git = Git(worktree)
    head, tip = map(Oid, git.run("rev-parse", "HEAD", ref).text.split())
    if git.run("merge-base", "--is-ancestor", tip, head, check=False).status != 0:
        return False
    git.run("update-ref", ref, head, tip)
    git.run("symbolic-ref", "HEAD", ref)
    return True


def salvage(
    worktree: Path, branch: str, message: str, author: tuple[str, str], aside: Path
) -> Kept:
    """Commit everything that differs onto a branch, and clean the worktree.

    The commit's parents are the branch's tip and, where that is elsewhere, HEAD. An
    unfinished rebase or merge is forgotten when its files are kept. If this fails
    what was left is still in the worktree, in the commit, or aside.

    Raises:
        GitError: git refused, with what it said.
        UnavailableError: Another git is at work there.

    """
    git, ref = Git(worktree), branch_ref(branch)
    unfinished = find_unfinished(worktree)
    head = Oid(git.run("rev-parse", "--verify", "HEAD").text)
    found = Oid(git.run("rev-parse", "--verify", "--quiet", ref, check=False).text)
    tip = found or head
    with index_copy(worktree) as index:
        env = {"GIT_INDEX_FILE": str(index), **LITERAL}
        config = _config(git)
        moved = _move_aside(worktree, untracked_repositories(worktree, config), aside)
        moved += _stage(git, worktree, env, aside)
        # Of a file that was written just now git looks at the content again.
        tree = Oid(git.run(*without_filters(git), "write-tree", env=env).text)
    is_elsewhere = git.run("merge-base", "--is-ancestor", head, tip, check=False).status != 0
    commit = None
    if is_elsewhere or tree != git.run("rev-parse", f"{tip}^{{tree}}").text:
        parents = [tip, head] if is_elsewhere else [tip]
        commit = _commit(git, tree, parents, message, author)
        git.run("update-ref", ref, commit, found or "0" * len(head))
    if commit is not None or unfinished is not None:
        quit_unfinished(worktree)
        _clean(git, worktree, commit or tip, tip)
    elif changes_of(worktree, untracked=False, submodules="all"):
        # Something was staged, and the file was put back.
        _clean(git, worktree, tip, tip)
    return Kept(commit, moved, unfinished)


def _commit(git: Git, tree: Oid, parents: list[Oid], message: str, author: tuple[str, str]) -> Oid:
    """Make a commit as plumbing does: without hooks, and unsigned."""
    who = {
        "GIT_AUTHOR_NAME": author[0],
        "GIT_AUTHOR_EMAIL": author[1],
        "GIT_COMMITTER_NAME": "gitcoord",
        "GIT_COMMITTER_EMAIL": "gitcoord@localhost.invalid",
    }
    flags = [word for parent in parents for word in ("-p", parent)]
    text = message.encode("utf-8", "replace")
    return Oid(git.run("commit-tree", tree, *flags, stdin=text, env=who).text)


def _config(git: Git) -> tuple[str, ...]:
    """Return the flags with which git can read the worktree: none, if it can."""
    asked = git.run("status", "--porcelain", check=False, timeout_s=LONG_S)
    if asked.status == 0:
        return ()
    return without_filters(git)


def _stage(git: Git, worktree: Path, env: dict[str, str], aside: Path) -> list[Path]:
    """Stage every change in a scratch index; what cannot be is moved aside."""
    if git.run(*_ADD, "--", ".", env=env, check=False, timeout_s=LONG_S).status == 0:
        return []
    plain = without_filters(git)
    git.run(*plain, *_ADD, "--", ".", env=env, check=False, timeout_s=LONG_S)
    left = _unstaged(git, env, plain)
    if not left:
        return []
    stuck = [path for path in left if not _is_staged(git, env, plain, path)]
    moved = _move_aside(worktree, stuck, aside)
    listing = "\0".join(stuck).encode("utf-8", "surrogateescape")
    # Of what was moved the last commit's content stays.
    git.run("reset", "-q", *_FROM_STDIN, stdin=listing, env=env, check=False, timeout_s=LONG_S)
    return moved


def _is_staged(git: Git, env: dict[str, str], plain: tuple[str, ...], path: str) -> bool:
    done = git.run(*plain, *_ADD, "--", path, env=env, check=False, timeout_s=LONG_S)
    return done.status == 0


def _unstaged(git: Git, env: dict[str, str], plain: tuple[str, ...]) -> list[str]:
    args = ("ls-files", "-z", "--modified", "--others", "--exclude-standard")
    asked = git.run(*plain, *args, env=env, check=False, timeout_s=LONG_S)
    return sorted(set(names_of(asked.stdout)))


def _move_aside(worktree: Path, paths: list[str], aside: Path) -> list[Path]:
    """Move files and folders out of a worktree, each below ``aside`` as it lay there."""
    moved = []
    for path in paths:
        origin, goal = worktree / path, aside / path
        if not os.path.lexists(origin):
            continue
        goal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(origin, goal)
        moved.append(goal)
    return moved


def _clean(git: Git, worktree: Path, kept: Oid, clean: Oid) -> None:
    """Check a commit out, detached, over files that another commit keeps.

    What differs is deleted first: git would run the filters on it to see whether it
    changed, and those may be what failed.
    """
    head = Oid(git.run("rev-parse", "--verify", "HEAD").text)
    args = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", kept, clean)
    for path in names_of(git.run(*args).stdout):
        with suppress(OSError):
            (worktree / path).unlink()
    with switching(worktree, head, clean) as switch:
        checkout = ("-c", "advice.detachedHead=false", "checkout", "-q", "-f", "--detach", clean)
        git.run(*checkout, timeout_s=LONG_S, env=switch.env, keep=switch.keep)
