"""Find the repository that a directory belongs to, without running git."""

from __future__ import annotations

import os
from pathlib import Path

from gitcoord.core.errors import UsageError
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.config import TRUE, Stamps, last_value, read_config, stamps_of
from gitcoord.host.files import read_file

__all__ = ["TABLES", "Place", "discover", "discover_hooked", "keeps_tables", "may_be_checked_out"]

TABLES = "reftable"
"""The folder of a repository, and of a worktree, that keeps its refs in tables."""
MAX_HEAD_BYTES = 4096
MAX_KNOWN = 256
_known: dict[Path, tuple[Stamps, Place]] = {}


class Place(NamedTuple):
    """Where a directory stands in a repository."""

    common_dir: Path
    git_dir: Path
    worktree: Path | None
    is_bare: bool
    is_main: bool
    main_worktree: Path | None


def keeps_tables(common_dir: Path) -> bool:
    """Return whether a repository keeps its refs in tables (reftable), not in files."""
    return (common_dir / TABLES).is_dir()


def may_be_checked_out(common_dir: Path, ref: str) -> bool:
    """Return whether a worktree may have a branch checked out, without running git.

    False is certain, but for branches that are symbolic refs to it, which are not followed.
    True may mean that a HEAD file does not tell.
    """
    if keeps_tables(common_dir):
        return True
    heads = [common_dir / "HEAD", *common_dir.glob("worktrees/*/HEAD")]
    return any(_may_name(head, ref) for head in heads)


def _may_name(head: Path, ref: str) -> bool:
    try:
        return ref.encode() in read_file(head, MAX_HEAD_BYTES)
    except OSError:
        return True


def discover(start: Path) -> Place:
    """Find the repository that a directory belongs to, without running git.

    ``GIT_DIR`` counts only where the directory belongs to none: in a hook
    it would name the hook's repository for every other directory too.

    Raises:
        UsageError: It belongs to none.

    """
    here = Path(os.path.realpath(start))
    for folder in (here, *here.parents):
        dot_git = folder / ".git"
        if _has(dot_git, "HEAD"):
            return _main_place(dot_git)
        if _has(folder, ".git") and dot_git.is_file():
            return _remembered_place(dot_git, folder)
        if _has(folder, "HEAD", "objects", "refs"):
            return _main_place(folder)
        if _has(folder, "HEAD", "commondir", "gitdir"):
            return _inside_linked(folder)
    if os.environ.get("GIT_DIR"):
        return _asked_place(here)
    raise UsageError(
        f"{start} is not in a git repository", hint="run it inside one, or name one with -C DIR"
    )


def discover_hooked(top: Path) -> Place:
    """Find the repository whose hook we are, from where git started it.

    There ``GIT_DIR`` is right, and says what the folders may not: which
    repository ``git --git-dir=A --work-tree=B`` is about.

    Raises:
        UsageError: There is none.

    """
    named = os.environ.get("GIT_DIR", "")
    if not named:
        return discover(top)
    git_dir = Path(os.path.realpath(named))
    try:
        common = (git_dir / "commondir").read_text("utf-8", "surrogateescape").strip()
    except OSError:
        return Place(git_dir, git_dir, top, is_bare=False, is_main=True, main_worktree=top)
    common_dir = Path(os.path.realpath(git_dir / common))
    return Place(common_dir, git_dir, top, is_bare=False, is_main=False, main_worktree=None)


def _has(folder: Path, *names: str) -> bool:
    return all(os.path.lexists(folder / name) for name in names)


def _asked_place(here: Path) -> Place:
    """Let git itself say which repository its variables name."""
    env = {
        name: os.environ[name]
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
        if os.environ.get(name)
    }
    # It runs no hooks, and to switch them off one would have to know the place.
    from gitcoord.git.program import Git

    query = ("rev-parse", "--path-format=absolute", "--git-common-dir", "--git-dir")
    asked = Git(here).run(*query, check=False, env=env, hooks=True)
    if asked.status != 0:
        raise UsageError(
            f"{here} is not in a git repository, and GIT_DIR names none",
            hint="unset GIT_DIR, or correct it",
        )
    common_dir, git_dir = (Path(os.path.realpath(line)) for line in asked.text.split("\n")[:2])
    top = Git(here).run("rev-parse", "--show-toplevel", check=False, env=env, hooks=True)
    worktree = Path(top.text) if top.status == 0 and top.text else None
    is_main = git_dir == common_dir
    main = worktree if is_main else _main_worktree(common_dir)
    return Place(
        common_dir, git_dir, worktree, is_bare=worktree is None, is_main=is_main, main_worktree=main
    )


def _main_place(git_dir: Path) -> Place:
    worktree = _main_worktree(git_dir)
    return Place(
        git_dir, git_dir, worktree, is_bare=worktree is None, is_main=True, main_worktree=worktree
    )


def _main_worktree(common_dir: Path) -> Path | None:
    """Return the main worktree of a repository; a bare one has none."""
    config = read_config(common_dir)
    if last_value(config, "core", "bare").lower() in TRUE:
        return None
    named = last_value(config, "core", "worktree")
    if named:
        return Path(os.path.realpath(common_dir / named))
    return common_dir.parent if common_dir.name == ".git" else None


def _remembered_place(dot_git: Path, folder: Path) -> Place:
    """Return a linked worktree's place; a claim asks for it two dozen times.

    It is found anew when a file changed that says where things are.
    """
    known = _known.get(folder)
    if known is not None:
        stamps, place = known
        if _has(place.git_dir, "HEAD") and stamps == stamps_of(_told_by(dot_git, place)):
            return place
    place = _linked_place(dot_git, folder)
    stamps = stamps_of(_told_by(dot_git, place))
    # What changed while it was read is not kept: the stamps would be newer than the place.
    if _linked_place(dot_git, folder) == place:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        _known[folder] = stamps, place
    return place


def _told_by(dot_git: Path, place: Place) -> tuple[Path, ...]:
    """Return the files that say where a linked worktree's repository is."""
    return (
        dot_git,
        place.git_dir / "commondir",
        place.common_dir / "config",
        place.common_dir / "config.worktree",
    )


def _linked_place(dot_git: Path, folder: Path) -> Place:
    text = dot_git.read_text("utf-8", "surrogateescape").strip()
    if not text.startswith("gitdir:"):
        raise UsageError(f"{dot_git} is not a link to a git directory", hint="look at that file")
    git_dir = Path(os.path.realpath(folder / text.removeprefix("gitdir:").strip()))
    if not os.path.lexists(git_dir / "HEAD"):
        raise UsageError(
            f"{folder} is a worktree whose repository is gone ({git_dir})",
            hint="if the repository was moved, run `git worktree repair` there, with this path",
        )
    try:
        common = (git_dir / "commondir").read_text("utf-8", "surrogateescape").strip()
    except OSError:
        return Place(git_dir, git_dir, folder, is_bare=False, is_main=True, main_worktree=folder)
    common_dir = Path(os.path.realpath(git_dir / common))
    return Place(
        common_dir,
        git_dir,
        folder,
        is_bare=False,
        is_main=False,
        main_worktree=_main_worktree(common_dir),
    )


def _inside_linked(git_dir: Path) -> Place:
    """Place us by the private git directory of a linked worktree."""
    back = Path((git_dir / "gitdir").read_text("utf-8", "surrogateescape").strip())
    return _linked_place(git_dir / back, (git_dir / back).parent)
