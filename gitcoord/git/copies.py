"""Copy untracked files from one worktree to another, never over anything."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gitcoord.core import paths as boundaries
from gitcoord.git.local_changes import LITERAL, names_of
from gitcoord.git.program import LONG_S, Git
from gitcoord.host.files import copy_content

__all__ = ["MAX_COPIED_BYTES", "copy_files", "copy_listed"]

MAX_COPIED_BYTES = 64 * 1024 * 1024


def copy_files(source: Path, place: Path, patterns: list[str]) -> list[str]:
    """Copy untracked files that a new worktree needs; list them.

    Nothing is overwritten, no symbolic link is followed on either side,
    and files of more than ``MAX_COPIED_BYTES`` stay behind.
    """
    prefixes = sorted({boundaries.literal_prefix(pattern) for pattern in patterns})
    if not prefixes:
        return []
    where = () if "" in prefixes else tuple(prefixes)
    asked = Git(source).run(
        "ls-files", "-z", "--others", "--", *where, env=LITERAL, timeout_s=LONG_S
    )
    inside = [path for path in names_of(asked.stdout) if boundaries.inside(patterns, path)]
    return copy_listed(source, place, inside)


def copy_listed(source: Path, place: Path, names: list[str]) -> list[str]:
    """Copy files by name from one working tree to another; list those copied.

    What ``copy_files`` leaves behind stays behind here, too.
    """
    top = Path(os.path.realpath(place))
    return [path for path in names if _copy(source / path, place / path, top)]


def _copy(origin: Path, goal: Path, top: Path) -> bool:
    """Copy one file with its mode; False if that is not safe, or needless."""
    kind = origin.lstat()
    if not stat.S_ISREG(kind.st_mode) or kind.st_size > MAX_COPIED_BYTES:
        return False
    # A link that the commit holds could lead the copy out of the worktree.
    present = next(parent for parent in goal.parents if os.path.lexists(parent))
    if not Path(os.path.realpath(present)).is_relative_to(top):
        return False
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        source = os.open(origin, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    with open(source, "rb") as reading:  # noqa: PTH123 - a handle, not a path
        try:
            target = os.open(goal, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except OSError:
            return False
        with open(target, "wb") as writing:  # noqa: PTH123 - a handle, not a path
            copy_content(reading.fileno(), writing.fileno())
            os.fchmod(target, kind.st_mode & 0o777)
    return True
