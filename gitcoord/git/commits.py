"""Commit what was left in a worktree, as its user would: with hooks, and signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gitcoord.core.ids import Oid
from gitcoord.git.local_changes import LITERAL, changed_paths, names_of
from gitcoord.git.merges import NOBODY
from gitcoord.git.program import LONG_S, Completed, Git, GitError

__all__ = ["commit_paths"]

TRIES = 2
_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")
_STAGED = ("diff", "--cached", "--name-only", "-z", "--no-renames", "--no-ext-diff")


def commit_paths(
    worktree: Path,
    changed: list[str],
    message: str,
    author: tuple[str, str],
    is_over: Callable[[], bool] | None = None,
) -> Oid | None:
    """Commit exactly these paths, with the user's hooks.

    A hook that rewrites files, as formatters do, gets a second commit. None where
    nothing differs. Other paths that are staged stay staged. ``is_over`` is asked
    now and then: true ends git, and whatever hook or signer it waits for.

    Raises:
        GitError: git or a hook refused, with what it said. The paths are staged,
            and what a first commit took stays committed.
        UnavailableError: ``is_over`` said so.

    """
    git = Git(worktree)
    text = message.encode("utf-8", "replace").decode()
    env = {"GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1]}
    env |= _fallback_identity(git) | LITERAL
    commit = None
    tree = _stage(git, changed)
    for attempt in range(1, TRIES + 1):
        if tree is None:
            break
        done = _commit(git, text, changed, env, is_over)
        left = set(changed_paths(worktree))
        before, tree = tree, _stage(git, [path for path in changed if path in left])
        if done.status == 0:
            commit = Oid(git.run("rev-parse", "--verify", "HEAD").text)
        elif attempt == TRIES or tree in {before, None}:
            raise GitError(("commit",), done.status, done.stderr)
    return commit


def _listing(paths: list[str]) -> bytes:
    return "\0".join(paths).encode("utf-8", "surrogateescape")


def _stage(git: Git, paths: list[str]) -> Oid | None:
    """Stage paths; return the index's tree, or None where none of them differs."""
    if not paths:
        return None
    args = ("add", "-A", "--sparse", *_FROM_STDIN)
    git.run(*args, stdin=_listing(paths), env=LITERAL, timeout_s=LONG_S)
    if _staged(git).isdisjoint(paths):
        return None
    return Oid(git.run("write-tree").text)


def _staged(git: Git) -> set[str]:
    return set(names_of(git.run(*_STAGED).stdout))


def _commit(
    git: Git,
    text: str,
    changed: list[str],
    env: dict[str, str],
    is_over: Callable[[], bool] | None,
) -> Completed:
    args: tuple[str, ...] = ("commit", "-q", "-m", text)
    given = None
    # During a merge git commits all of the index or nothing.
    if not _staged(git).issubset(changed):
        args += ("--only", *_FROM_STDIN)
        given = _listing(changed)
    return git.run(
        *args, stdin=given, env=env, hooks=True, check=False, timeout_s=LONG_S, is_over=is_over
    )


def _fallback_identity(git: Git) -> dict[str, str]:
    if git.run("var", "GIT_COMMITTER_IDENT", check=False).status == 0:
        return {}
    name, email = NOBODY.committer
    return {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email}
