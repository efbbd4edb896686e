"""Make, move and remove worktrees, never at the cost of anyone's work.

Whatever changes the list of worktrees runs under a lock of its own:
parallel ``git worktree add`` calls race on ``.git/config.lock`` and on
half-made worktrees (13 of 96 failed without it).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from gitcoord.core import paths as boundaries
from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.git.program import Git, GitError, discover
from gitcoord.store.queue import QueueLock

__all__ = [
    "add", "branch_of_worktree", "checkout_branch", "checkouts_of", "commit_paths", "copy_files", "follow",
    "has_unmerged", "in_the_way", "refuse_local_changes", "remove", "status_of",
]  # fmt: skip

LOCK_WAIT_S = 60.0
MAX_COPIED_BYTES = 64 * 1024 * 1024


@contextmanager
def _exclusive(git: Git) -> Iterator[None]:
    lock = QueueLock(discover(git.cwd).common_dir / "gitcoord" / "locks" / "worktrees")
    if not lock.acquire(LOCK_WAIT_S):
        raise UnavailableError("another process is busy with the worktrees", hint="try again")
    try:
        yield
    finally:
        lock.release()


def add(git: Git, place: Path, *, commit: str) -> None:
    """Make a worktree, detached at a commit.

    If it fails nothing is left of it that a later call would trip over.

    Raises:
        UnavailableError: git refused, with what it said.

    """
    with _exclusive(git):
        place.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(3):
            try:
                git.run("worktree", "add", "--detach", "--end-of-options", str(place), commit)
            except GitError as error:
                git.run("worktree", "prune", check=False)
                if attempt == 2:
                    raise UnavailableError(f"the worktree {place} could not be made: {error.stderr.strip()[-300:]}",
                                           hint="look at `git worktree list`") from None  # fmt: skip
            else:
                return


def remove(git: Git, place: Path) -> None:
    """Remove a clean worktree; git refuses one with changes.

    Raises:
        RefusedError: git refused, with what it said.

    """
    with _exclusive(git):
        try:
            git.run("worktree", "remove", "--end-of-options", str(place))
        except GitError as error:
            raise RefusedError(f"git keeps the worktree {place}: {error.stderr.strip()[-300:]}", reason="worktree",
                               hint="look at it by hand") from None  # fmt: skip


def status_of(worktree: Path) -> list[str]:
    """List every path that differs from the last commit, untracked ones too."""
    asked = Git(worktree).run("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    rows = asked.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [row[3:] for row in rows if len(row) > 3]


def _tracked_changes(worktree: Path) -> list[str]:
    asked = Git(worktree).run("status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    rows = asked.stdout.decode("utf-8", "surrogateescape").split("\0")
    return [row[3:] for row in rows if len(row) > 3]


def refuse_local_changes(worktree: Path) -> None:
    """Refuse to switch branches under somebody's uncommitted work.

    Raises:
        RefusedError: Reason ``uncommitted``, with the paths.

    """
    left = _tracked_changes(worktree)
    if left:
        raise RefusedError(
            f"{worktree} has uncommitted changes: {', '.join(left[:10])}", reason="uncommitted",
            hint="commit them on a branch first, or claim with --no-checkout", paths=cast("Any", left[:50]),
        )  # fmt: skip


def branch_of_worktree(worktree: Path) -> str | None:
    """Return the full name of the branch that is checked out, if any."""
    head = (discover(worktree).git_dir / "HEAD").read_text("utf-8", "surrogateescape").strip()
    return head.removeprefix("ref: ") if head.startswith("ref: ") else None


def checkout_branch(worktree: Path, branch: str, start: str) -> None:
    """Check a work branch out, made at ``start`` if it does not exist yet.

    Raises:
        GitError: git refused; the worktree is as it was.

    """
    if branch_of_worktree(worktree) == f"refs/heads/{branch}":
        return
    git = Git(worktree)
    git.run("update-ref", "--stdin", stdin=f"create refs/heads/{branch} {start}\n".encode(), check=False)
    git.run("-c", "advice.detachedHead=false", "checkout", "-q", "--no-guess", "--no-recurse-submodules", branch, "--")


def has_unmerged(worktree: Path, kept: list[str]) -> list[str]:
    """List commits of a worktree's HEAD that no kept commit reaches."""
    lines = "HEAD\n" + "".join(f"^{oid}\n" for oid in kept)
    asked = Git(worktree).run("rev-list", "--max-count=10", "--stdin", stdin=lines.encode())
    return asked.text.split()


def commit_paths(
    worktree: Path, changed: list[str], message: str, author: tuple[str, str], *, hooks: bool = True
) -> str | None:
    """Commit exactly these paths, by default with the user's hooks.

    None where nothing differs.

    Raises:
        GitError: git or a hook refused; nothing was committed.

    """
    if not changed:
        return None
    git = Git(worktree)
    listing = "\0".join(changed).encode("utf-8", "surrogateescape")
    literal = {"GIT_LITERAL_PATHSPECS": "1"}
    git.run("add", "-A", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=listing, env=literal)
    staged = git.run("diff", "--cached", "--quiet", "--no-ext-diff", check=False)
    if staged.status == 0:
        return None
    identity = {"GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1]} | _fallback_identity(git)
    git.run("commit", "-q", "-F", "-", stdin=message.encode(), env=identity, hooks=hooks, timeout_s=600)
    return git.run("rev-parse", "--verify", "HEAD").text


def _fallback_identity(git: Git) -> dict[str, str]:
    if git.run("var", "GIT_COMMITTER_IDENT", check=False).status == 0:
        return {}
    return {"GIT_COMMITTER_NAME": "gitcoord", "GIT_COMMITTER_EMAIL": "gitcoord@localhost.invalid"}


def copy_files(source: Path, place: Path, patterns: list[str]) -> list[str]:
    """Copy untracked files that a new worktree needs; overwrite nothing.

    Symbolic links are not followed, and nothing outside is read.
    """
    asked = Git(source).run("ls-files", "-z", "--others")
    copied = []
    for path in asked.stdout.decode("utf-8", "surrogateescape").split("\0"):
        wanted = path and boundaries.inside(patterns, path)
        origin, goal = source / path, place / path
        if not wanted or origin.is_symlink() or not origin.is_file() or goal.exists():
            continue
        if origin.stat().st_size > MAX_COPIED_BYTES:
            continue
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(origin, goal, follow_symlinks=False)
        copied.append(path)
    return copied


def checkouts_of(git: Git, ref: str) -> list[Path]:
    """List the worktrees that have a branch checked out."""
    asked = git.run("worktree", "list", "--porcelain", "-z")
    found, here = [], None
    for field in asked.stdout.decode("utf-8", "surrogateescape").split("\0"):
        if field.startswith("worktree "):
            here = Path(field.removeprefix("worktree "))
        elif field == f"branch {ref}" and here is not None and here.is_dir():
            found.append(here)
    return found


def in_the_way(worktree: Path, old: str, new: str) -> list[str]:
    """List the local changes that keep a worktree from following its branch."""
    git = Git(worktree)
    # A copy of the index: a dry run may refresh it, and it is the user's.
    index = discover(worktree).git_dir / "index"
    trial = index.with_name(f"gitcoord-trial-{os.getpid()}")
    try:
        if index.exists():
            shutil.copyfile(index, trial)
        env = {"GIT_INDEX_FILE": str(trial)}
        asked = git.run("read-tree", "-m", "-u", "-n", old, new, check=False, env=env)
        if asked.status == 0:
            return []
        changed = git.run("diff", "--name-only", "-z", "--no-renames", old, new).stdout
        names = set(changed.decode("utf-8", "surrogateescape").split("\0"))
        left = [path for path in status_of(worktree) if path in names]
        return left or [line.strip() for line in asked.stderr.strip().splitlines()[:5]]
    finally:
        trial.unlink(missing_ok=True)


def follow(worktree: Path, old: str, new: str) -> None:
    """Bring a worktree's files along after its branch moved.

    Raises:
        GitError: Local changes are in the way; the files are as they were.

    """
    Git(worktree).run("read-tree", "-m", "-u", old, new)
