"""Make and end worktrees that a kill left by halves.

Everything here is called under the worktrees' lock, or only looks.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from gitcoord.core import codec
from gitcoord.core.errors import RefusedError
from gitcoord.git.local_changes import changes_of
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.git.refs import head_lock
from gitcoord.git.submodules import unkept_in_submodules
from gitcoord.git.worktree_lock import exclusive
from gitcoord.host.clock import Clock

__all__ = [
    "LOCK_WAIT_S",
    "UNREADABLE",
    "clear_half_made",
    "clear_locks",
    "clear_unreadable",
    "half_made",
    "is_half_made",
    "is_worktree",
    "remove",
]

LOCK_WAIT_S = 60.0
PATIENCE_S = 0.5
UNREADABLE = "commondir"
"""What git names where an incomplete worktree keeps it from listing any."""


def half_made(git: Git, place: Path) -> Path | None:
    """Return the private git directory of a worktree that git never finished."""
    wanted = os.path.realpath(place / ".git")
    for folder in (discover(git.cwd).common_dir / "worktrees").glob("*"):
        try:
            link = (folder / "gitdir").read_text("utf-8", "surrogateescape").strip()
            reason = (folder / "locked").read_text("utf-8", "replace").strip()
        except OSError:
            continue
        if reason == "initializing" and os.path.realpath(folder / link) == wanted:
            return folder
    return None


def is_half_made(git: Git, place: Path) -> bool:
    """Return whether a place holds a worktree that was never finished."""
    return half_made(git, place) is not None


def clear_half_made(git: Git, place: Path) -> None:
    """Take a worktree away whose making was cut off by a kill.

    Under the lock: what still makes one inherited it. A file that git did
    not put there keeps everything as it is.
    """
    private = half_made(git, place)
    if private is None:
        return
    files = [path for path in place.rglob("*") if path.is_symlink() or not path.is_dir()]
    present = {str(path.relative_to(place)) for path in files} - {".git"}
    if present:
        args = ("ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD")
        listing = Git(git.cwd, private).run(*args, check=False).stdout
        foreign = present - set(listing.decode("utf-8", "surrogateescape").split("\0"))
        if foreign:
            raise RefusedError(
                f"{place} is an incomplete worktree with files of others: "
                f"{', '.join(sorted(foreign)[:10])}",
                reason="exists",
                hint="move them away, and try again",
            )
    shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(private)


def clear_unreadable(git: Git) -> bool:
    """Take away what a killed git left of worktrees that it had just begun.

    Its file ``commondir`` is empty, and with that no git lists worktrees
    or checks anything out. A living git fills it at once, so that what
    stands still is nobody's; nothing was checked out there yet. False
    where there is none.
    """
    seen = {
        folder: found
        for folder in (discover(git.cwd).common_dir / "worktrees").glob("*")
        if (found := _unfinished(folder))
    }
    if seen:
        Clock().sleep(PATIENCE_S)
    for folder, found in seen.items():
        if _unfinished(folder) == found:
            # Before what names the place: if this is cut off it is found again.
            with suppress(OSError):
                dot_git = folder / (folder / "gitdir").read_text("utf-8", "surrogateescape").strip()
                if not dot_git.exists() or str(folder) in dot_git.read_text(
                    "utf-8", "surrogateescape"
                ):
                    dot_git.unlink(missing_ok=True)
                    dot_git.parent.rmdir()
            shutil.rmtree(folder)
    return bool(seen)


def _unfinished(folder: Path) -> tuple[int, int] | None:
    """Return when a worktree was begun whose ``commondir`` has nothing in it."""
    try:
        reason, known = (
            (folder / "locked").read_text("utf-8", "replace").strip(),
            (folder / "commondir").stat(),
        )
    except OSError:
        return None
    if reason != "initializing" or known.st_size:
        return None
    return known.st_ino, known.st_mtime_ns


def is_worktree(git: Git, place: Path) -> bool:
    """Return whether a place is a whole worktree of this repository."""
    if not (place / ".git").is_file() or is_half_made(git, place):
        return False
    return discover(place).common_dir == discover(git.cwd).common_dir


def clear_locks(place: Path) -> None:
    """Remove lock files from a worktree that was just made.

    Nobody else knows it yet: what its making left there is in the way of
    the first checkout.
    """
    private = discover(place).git_dir
    for lock in (head_lock(place), private / "index.lock"):
        with suppress(OSError):
            lock.unlink()


def remove(
    git: Git, place: Path, private: Path | None = None, *, timeout_s: float = LOCK_WAIT_S
) -> None:
    """Remove a clean worktree, with its private git directory.

    Given that directory, a removal that was cut off is carried on: files
    that are gone count as no change. ``git worktree remove`` could not be
    carried on: where a file stays it drops the private directory all the
    same, and with it what tells whose the file is.

    Raises:
        RefusedError: It has changes, a lock or commits in a submodule, or is none of
            ours; nothing was removed.

    """
    with exclusive(git, timeout_s):
        own = private or discover(place).git_dir
        try:
            link = (own / "gitdir").read_text("utf-8", "surrogateescape").strip()
            is_ours = os.path.realpath(own / link) == os.path.realpath(place / ".git")
        except FileNotFoundError:
            is_ours = not place.exists()
        if place.exists():
            if not is_ours:
                raise _kept(place, "it is not a worktree of this repository")
            _refuse_removal(place, own, is_begun=private is not None)
            shutil.rmtree(place)
        if is_ours and own.is_dir():
            shutil.rmtree(own)
        with suppress(OSError):
            own.parent.rmdir()


def _refuse_removal(place: Path, own: Path, *, is_begun: bool) -> None:
    if (own / "locked").exists():
        raise _kept(place, "it is locked")
    unkept = unkept_in_submodules(own, own.parent.parent)
    if unkept:
        raise _kept(place, f"its submodule {unkept} has commits that the main repository's lacks")
    changes = changes_of(place, submodules="none", git=Git(place, own))
    left = [
        codec.printable(change.path) for change in changes if not (is_begun and change.code == " D")
    ]
    if left:
        raise _kept(place, f"it has changes: {', '.join(left[:10])}")


def _kept(place: Path, why: str) -> RefusedError:
    return RefusedError(
        f"the worktree {place} stays: {why}", reason="worktree", hint="look at it by hand"
    )
