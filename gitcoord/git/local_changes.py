"""List what differs in a worktree from its last commit, as far as it is somebody's.

What only looks modified does not count: git normalises line ends and runs filters, so
that a file which nobody touched since its checkout can differ from its own blob for
good. Nor does what lies inside a submodule: its repository keeps that, and git
switches branches over it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from gitcoord.core.shapes import NamedTuple
from gitcoord.git.places import discover
from gitcoord.git.program import LONG_S, Git

__all__ = [
    "LITERAL",
    "Change",
    "changed_paths",
    "changes_of",
    "exposed_in",
    "hidden_among",
    "names_of",
    "untracked_repositories",
    "without_filters",
]

LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}
_STATUS = ("status", "--porcelain", "-z", "--no-renames")
_MODIFIED = " M"
_UNTRACKED = "??"


class Change(NamedTuple):
    """A line of git's status: what happened in the index and the files, and where."""

    code: str
    path: str

    @property
    def is_gone(self) -> bool:
        """Whether the file is not there any more."""
        return "D" in self.code

    @property
    def is_unmerged(self) -> bool:
        """Whether the index has both sides of a conflict; git-status(1) lists these codes."""
        return "U" in self.code or self.code in {"AA", "DD"}


def names_of(raw: bytes) -> list[str]:
    """Return the names in a list that git ended with zero bytes."""
    return [name for name in raw.decode("utf-8", "surrogateescape").split("\0") if name]


def changes_of(
    worktree: Path,
    *,
    untracked: bool = True,
    submodules: str = "dirty",
    config: tuple[str, ...] = (),
    git: Git | None = None,
) -> list[Change]:
    """Return every change in a worktree.

    ``submodules`` says what is ignored in those, ``config`` are flags for git.
    """
    git = git or Git(worktree)
    kinds = f"--untracked-files={'all' if untracked else 'no'}"
    flags = (kinds, f"--ignore-submodules={submodules}")
    place = {} if git.git_dir is None else {"GIT_WORK_TREE": str(worktree)}
    asked = git.run(*config, *_STATUS, *flags, timeout_s=LONG_S, env=place)
    rows = [Change(row[:2], row[3:]) for row in names_of(asked.stdout) if len(row) > 3]
    changes = [change for change in rows if not _is_stub(worktree, change)]
    suspects = [change.path for change in changes if change.code == _MODIFIED]
    if not suspects:
        return changes
    phantoms = _phantoms(git, worktree, suspects, place)
    return [change for change in changes if change.path not in phantoms]


def _is_stub(worktree: Path, change: Change) -> bool:
    """Return whether a change is not a file at all: git lists it, and could not add it.

    Sandboxes hide files behind devices, which git takes for untracked files.
    """
    if change.code != _UNTRACKED:
        return False
    try:
        mode = (worktree / change.path).lstat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode))


def changed_paths(
    worktree: Path, *, untracked: bool = True, submodules: str = "dirty"
) -> list[str]:
    """Return the path of every change in a worktree."""
    changes = changes_of(worktree, untracked=untracked, submodules=submodules)
    return [change.path for change in changes]


def without_filters(git: Git) -> tuple[str, ...]:
    """Return the flags with which git runs no filter of the user's."""
    asked = git.run("config", "--name-only", "-z", "--get-regexp", r"^filter\.", check=False)
    drivers = {name.rpartition(".")[0] for name in names_of(asked.stdout)}
    flags = ["-c", "core.safecrlf=false"]
    for driver in sorted(drivers):
        for setting in ("clean=", "smudge=", "process=", "required=false"):
            flags += ["-c", f"{driver}.{setting}"]
    return tuple(flags)


def untracked_repositories(worktree: Path, config: tuple[str, ...] = ()) -> list[str]:
    """Return the folders in which another repository lies that nothing records."""
    # git lists every file but those of a repository: that is one line, as a folder.
    return [
        change.path.rstrip("/")
        for change in changes_of(worktree, config=config)
        if change.code == _UNTRACKED and change.path.endswith("/")
    ]


def _phantoms(git: Git, worktree: Path, paths: Iterable[str], place: Mapping[str, str]) -> set[str]:
    """Return the files that are just what a checkout of the index would make of them."""
    private = (git.git_dir or discover(worktree).git_dir) / "gitcoord"
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    import tempfile

    trial = Path(tempfile.mkdtemp(prefix="checkout-", dir=private))
    listing = "\0".join(paths).encode("utf-8", "surrogateescape")
    args = ("checkout-index", "-q", "-z", "--stdin", f"--prefix={trial}/")
    try:
        # A filter that fails leaves its file out: then the change counts.
        git.run(*args, stdin=listing, check=False, timeout_s=LONG_S, env={**LITERAL, **place})
        return {path for path in paths if _is_same(worktree / path, trial / path)}
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two files have the same kind, content and permission to run."""
    try:
        here, there = one.lstat(), other.lstat()
        if stat.S_IFMT(here.st_mode) != stat.S_IFMT(there.st_mode):
            return False
        if stat.S_ISLNK(here.st_mode):
            return one.readlink() == other.readlink()
        is_alike = here.st_size == there.st_size and not (here.st_mode ^ there.st_mode) & 0o100
        return is_alike and one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def exposed_in(place: Path) -> Path | None:
    """Return the checkout in which a folder lies that nothing ignores there, if any.

    A worktree there is taken for a nested repository by ``git add``.
    """
    for folder in place.parents:
        if os.path.lexists(folder / ".git"):
            asked = Git(folder).run("check-ignore", "-q", "--", f"{place}/", check=False)
            return folder if asked.status == 1 else None
    return None


def hidden_among(worktree: Path, paths: list[str]) -> list[str]:
    """Return the paths whose changes git was told not to see.

    That is the skip-worktree or the assume-unchanged bit of the index.
    """
    asked = Git(worktree).run("ls-files", "-v", "-z", "--", *paths, env=LITERAL, check=False)
    return [row[2:] for row in names_of(asked.stdout) if row[:1] in {"S", "s"} or row[:1].islower()]
