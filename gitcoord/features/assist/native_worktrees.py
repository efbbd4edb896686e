"""Make a worktree as Claude would make it itself, where no task is named.

A hook that makes worktrees takes the place of all that Claude does then, so
all of it is done here: the branch, what it starts from, the untracked files
that ``.worktreeinclude`` names, the folders that are linked, sparse paths.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import codec
from gitcoord.core.errors import UnavailableError, UsageError
from gitcoord.core.ids import Oid
from gitcoord.core.layout import SETTINGS
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.git import worktrees
from gitcoord.git.copies import copy_listed
from gitcoord.git.local_changes import changed_paths
from gitcoord.git.places import discover
from gitcoord.git.program import Git, GitError

__all__ = ["make_plain", "remove_plain"]

FOLDER = Path(".claude") / "worktrees"
PREFIX = "worktree-"
_SETTINGS = (SETTINGS, "settings.local.json")


def make_plain(main: Path, name: str, asked_in: Path) -> Path:
    """Make the worktree of a name, or return the one that is there.

    Raises:
        UsageError: The name cannot be a folder's.
        UnavailableError: git could not make it; nothing of it is left.

    """
    if not name or "/" in name or name.startswith((".", "-")) or codec.printable(name) != name:
        raise UsageError(
            f"{name!r} cannot name a worktree", hint="use letters, digits, '-' and '_'"
        )
    place = main / FOLDER / name
    git = Git(main)
    if worktrees.is_worktree(git, place):
        return place
    settings = _worktree_settings(main)
    branch = PREFIX + name
    worktrees.add(git, place, commit=_base(asked_in, settings))
    try:
        _switch(place, branch)
        _narrow(place, settings)
        _link(main, place, settings)
        _copy_included(main, place)
    except (GitError, OSError) as error:
        raise UnavailableError(
            f"the worktree {place} is not whole: {error}", hint="`git worktree list` shows it"
        ) from None
    return place


def _worktree_settings(main: Path) -> dict[str, Any]:
    """Return the key ``worktree`` of the settings, later files over earlier ones."""
    found: dict[str, Any] = {}
    files = [
        Path.home() / ".claude" / SETTINGS,
        *(main / ".claude" / name for name in _SETTINGS),
    ]
    for file in files:
        with suppress(OSError, ValueError, RecursionError):
            part = json.loads(file.read_text("utf-8")).get("worktree")
            found |= part if isinstance(part, dict) else {}
    return found


def _base(asked_in: Path, settings: dict[str, Any]) -> Oid:
    """Return the commit to start from: the remote's default branch, or HEAD."""
    git = Git(asked_in)
    if settings.get("baseRef") == "head":
        names = ["HEAD"]
    else:
        names = ["refs/remotes/origin/HEAD", "HEAD"]
    for name in names:
        asked = git.run("rev-parse", "--verify", "-q", f"{name}^{{commit}}", check=False)
        if asked.status == 0:
            return Oid(asked.text)
    raise UnavailableError(
        "there is no commit to start a worktree from", hint="make a first commit"
    )


def _switch(place: Path, branch: str) -> None:
    """Check the worktree's branch out; one that is there already is used."""
    git = Git(place)
    known = git.run("rev-parse", "--verify", "-q", branch_ref(branch), check=False)
    options = ["-q", "--no-guess"]
    if known.status != 0:
        options.append("-c")
    git.run("switch", *options, branch)


def _narrow(place: Path, settings: dict[str, Any]) -> None:
    paths = [path for path in settings.get("sparsePaths") or [] if isinstance(path, str)]
    if paths:
        listing = "".join(f"{path}\n" for path in paths).encode()
        Git(place).run("sparse-checkout", "set", "--stdin", stdin=listing)


def _link(main: Path, place: Path, settings: dict[str, Any]) -> None:
    """Link the folders that all worktrees share, as settings name them."""
    top = Path(os.path.realpath(main))
    for name in settings.get("symlinkDirectories") or []:
        if not isinstance(name, str):
            continue
        source = Path(os.path.realpath(main / name))
        goal = place / name
        if source.is_relative_to(top) and source.is_dir() and not os.path.lexists(goal):
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.symlink_to(source, target_is_directory=True)


def _copy_included(main: Path, place: Path) -> None:
    """Copy the ignored files that ``.worktreeinclude`` names, in git's own patterns."""
    include = main / ".worktreeinclude"
    if not include.is_file():
        return
    git = Git(main)
    ignored = git.run("ls-files", "-z", "--others", "--ignored", "--exclude-standard").stdout
    named = git.run("ls-files", "-z", "--others", "--ignored", f"--exclude-from={include}").stdout
    both = set(ignored.split(b"\0")) & set(named.split(b"\0")) - {b""}
    copy_listed(main, place, sorted(path.decode("utf-8", "surrogateescape") for path in both))


def remove_plain(place: Path) -> None:
    """Take a plain worktree away if nothing in it would be lost.

    One with changes, with commits that no other ref holds, or that belongs
    to an agent stays. If it fails the worktree stays too.
    """
    if not (place / ".git").is_file() or FOLDER.name != place.parent.name:
        return
    found = discover(place)
    if (found.git_dir / "gitcoord" / "agent.json").exists() or changed_paths(
        place, submodules="none"
    ):
        return
    git = Git(place)
    branch = worktrees.branch_of_worktree(place)
    others = git.run("for-each-ref", "--format=%(refname)", "--contains=HEAD").text.split()
    if not set(others) - {branch}:
        return
    main = found.main_worktree or found.common_dir
    worktrees.remove(Git(main), place)
    if branch is not None and branch.startswith(branch_ref(PREFIX)):
        Git(main).run("branch", "-q", "-D", "--", branch_name(branch), check=False)
