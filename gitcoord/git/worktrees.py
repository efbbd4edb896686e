"""Make, move and remove worktrees, never at the cost of anyone's work.

Whatever changes the list of worktrees runs under a lock of its own:
parallel ``git worktree add`` calls race on ``.git/config.lock`` and on
incomplete worktrees (13 of 96 failed without it).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import RefusedError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.core.refs import branch_name, branch_ref
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.checkout import remove_left_over, switching, undo, write_left_out
from gitcoord.git.half_made import (
    LOCK_WAIT_S,
    UNREADABLE,
    clear_half_made,
    clear_locks,
    clear_unreadable,
    is_half_made,
    is_worktree,
    remove,
)
from gitcoord.git.local_changes import LITERAL, changed_paths, changes_of, hidden_among, names_of
from gitcoord.git.places import discover
from gitcoord.git.program import LONG_S, Completed, Git, GitError
from gitcoord.git.refs import create_ref
from gitcoord.git.room import require_room
from gitcoord.git.submodules import fill_submodules
from gitcoord.git.unfinished import refuse_unfinished
from gitcoord.git.worktree_lock import exclusive
from gitcoord.host.clock import Clock
from gitcoord.host.remedies import is_of_the_system, remedy

__all__ = [
    "Worktree",
    "add",
    "branch_of_worktree",
    "checkout_branch",
    "checkouts_of",
    "commits_left_out",
    "follow",
    "has_unmerged",
    "hidden_checkout",
    "in_the_way",
    "is_half_made",
    "is_worktree",
    "list_all",
    "refuse_local_changes",
    "remove",
]

_SEE = "`git update-index --no-skip-worktree --no-assume-unchanged` shows them"
MAX_TRIES = 5
_DIFF = ("diff-tree", "-r", "-z", "--name-only", "--no-renames")
_TRANSIENT = (".lock", "commondir", "could not lock", "Unable to create", "unable to create")


class Worktree(NamedTuple):
    """A line of git's list; ``branch`` is a full ref, None if detached."""

    path: Path
    head: Oid
    branch: str | None


def add(
    git: Git,
    place: Path,
    *,
    commit: Oid,
    timeout_s: float = LOCK_WAIT_S,
    is_whole: bool = False,
    only: Sequence[str] | None = None,
) -> None:
    """Make a worktree, detached at a commit, with the submodules that the main one has.

    It has the sparse cone of the worktree that it is made from, unless
    ``is_whole`` asks for every file, or ``only`` for a few.
    If it fails nothing is left of it that a later call would trip over;
    what an earlier call left when it was killed is made anew.

    Raises:
        RefusedError: There is something already (reason ``exists``), or
            the worktree that stood there held commits that no ref holds
            (reason ``unmerged``).
        UnavailableError: It would not fit on the disk; or git refused
            otherwise, with what it said; or a submodule could not be
            filled, and then the worktree is there without it.

    """
    if only is None:
        _make(git, place, commit, timeout_s, is_whole=is_whole)
        _fill(place)
        return
    _make(git, place, commit, timeout_s, is_whole=True, how=("--no-checkout",))
    if only:
        names = "\0".join(only).encode("utf-8", "surrogateescape")
        args = ("checkout", "-q", commit, "--pathspec-from-file=-", "--pathspec-file-nul")
        Git(place).run(*args, stdin=names, env=LITERAL, timeout_s=LONG_S)


def _fill(place: Path, *, only_empty: bool = False) -> None:
    """Fill the submodules of a worktree.

    Raises:
        UnavailableError: One could not be filled.

    """
    problems = fill_submodules(place, only_empty=only_empty)
    if problems:
        raise UnavailableError(
            f"{place} lacks a part: {'; '.join(problems[:3])}",
            hint="look at `git submodule status` in the main worktree",
        )


def _make(
    git: Git,
    place: Path,
    commit: Oid,
    timeout_s: float,
    *,
    is_whole: bool,
    how: tuple[str, ...] = (),
) -> None:
    clock = Clock()
    sparse: tuple[str, ...] = ()
    if is_whole:
        sparse = ("-c", "core.sparseCheckout=false")
    with exclusive(git, timeout_s) as lock:
        clear_half_made(git, place)
        require_room(git, place, commit)
        place.parent.mkdir(parents=True, exist_ok=True)
        flags: tuple[str, ...] = ()
        for attempt in range(1, MAX_TRIES + 1):
            what = (*how, "--detach", "--end-of-options", str(place), commit)
            args = (*sparse, "worktree", "add", *flags, *what)
            done = git.run(*args, check=False, timeout_s=LONG_S, keep=(lock,))
            if done.status == 0:
                clear_locks(place)
                return
            if "missing but already registered" in done.stderr and not flags:
                _refuse_loss(git, place)
                flags = ("--force",)
            elif "already exists" in done.stderr:
                raise RefusedError(
                    f"{place} exists and is not empty", reason="exists", hint="name another place"
                )
            elif not any(text in done.stderr for text in _TRANSIENT):
                break
            elif UNREADABLE not in done.stderr or not clear_unreadable(git):
                clock.sleep(clock.backoff(attempt))
        raise UnavailableError(
            f"the worktree {place} could not be made: {done.stderr.strip()[-300:]}",
            hint="look at `git worktree list`",
        )


def _refuse_loss(git: Git, place: Path) -> None:
    """Refuse to forget a vanished worktree whose commits nothing else holds."""
    for known in list_all(git):
        if (
            os.path.realpath(known.path) == os.path.realpath(place)
            and known.branch is None
            and known.head.strip("0")
        ):
            holding = git.run("for-each-ref", "--count=1", f"--contains={known.head}").text
            if not holding:
                raise RefusedError(
                    f"the worktree that stood at {place} has commits that no branch holds: "
                    f"{known.head[:12]}",
                    reason="unmerged",
                    hint="make a branch of them, and try again",
                )


def list_all(git: Git) -> list[Worktree]:
    """List the worktrees, the main one first, bare ones left out."""
    args = ("worktree", "list", "--porcelain", "-z")
    done = git.run(*args, check=False)
    if done.status != 0 and _is_mended(git, done):
        done = git.run(*args, check=False)
    if done.status != 0:
        raise GitError(args, done.status, done.stderr)
    asked = done.stdout.decode("utf-8", "surrogateescape")
    found = []
    for block in asked.split("\0\0"):
        known = dict(field.partition(" ")[::2] for field in block.split("\0") if field)
        if "worktree" in known and "bare" not in known:
            found.append(
                Worktree(
                    _place_of(git, Path(known["worktree"])),
                    Oid(known.get("HEAD", "")),
                    known.get("branch"),
                )
            )
    return found


def _place_of(git: Git, listed: Path) -> Path:
    """Return a worktree's own folder, also where git lists its git directory.

    It does for a main worktree whose ``.git`` is a file, as a submodule's.
    """
    return (discover(git.cwd).main_worktree if _is_git_dir(listed) else None) or listed


def _is_git_dir(folder: Path) -> bool:
    return not os.path.lexists(folder / ".git") and os.path.lexists(folder / "HEAD")


def _is_mended(git: Git, failed: Completed) -> bool:
    """Clear what kept git from reading its list of worktrees, if that was it."""
    if UNREADABLE not in failed.stderr:
        return False
    with exclusive(git, LOCK_WAIT_S):
        return clear_unreadable(git)


def hidden_checkout(git: Git) -> Path | None:
    """Return the main checkout that ``core.bare`` hides, if there seems to be one.

    A repository that was made bare has no index; some tools set ``core.bare`` in one
    that has files.
    """
    place = discover(git.cwd)
    common_dir = place.common_dir
    is_hidden = place.main_worktree is None and common_dir.name == ".git"
    return common_dir.parent if is_hidden and (common_dir / "index").exists() else None


def _head_of(git_dir: Path) -> str:
    asked = Git(git_dir, git_dir).run("symbolic-ref", "--quiet", "HEAD", check=False)
    return asked.text


def checkouts_of(git: Git, ref: str) -> list[Path]:
    """List the worktrees that have a branch checked out.

    Raises:
        RefusedError: One of them cannot be found (reason ``worktree``).

    """
    hidden = hidden_checkout(git)
    if hidden is not None and _head_of(hidden / ".git") == ref:
        raise RefusedError(
            f"{branch_name(ref)} is checked out in {hidden}, but core.bare says that "
            "the repository has no checkout",
            reason="worktree",
            hint="if it has one: `git config core.bare false`",
        )
    found = [known.path for known in list_all(git) if known.branch == ref and known.path.is_dir()]
    if any(map(_is_git_dir, found)):
        raise RefusedError(
            f"{branch_name(ref)} is checked out, and its git directory does not say where",
            reason="worktree",
            hint="run the command there, or name the place: git config core.worktree PATH",
        )
    return found


def refuse_local_changes(worktree: Path) -> None:
    """Refuse to switch branches under somebody's uncommitted work.

    What a switch of ours that was cut off left is none: it is undone first.

    Raises:
        RefusedError: Reason ``uncommitted``, with the paths; or ``unfinished``: git is
            in the middle of a rebase, a merge or the like.

    """
    undo(worktree)
    changes = changes_of(worktree, untracked=False, submodules="all")
    refuse_unfinished(worktree, changes)
    left = [codec.printable(change.path) for change in changes]
    if left:
        raise RefusedError(
            f"{worktree} has uncommitted changes: {', '.join(left[:10])}",
            reason="uncommitted",
            hint="commit them on a branch first, or claim with --no-checkout",
            paths=cast("Any", left[:50]),
        )


def branch_of_worktree(worktree: Path) -> str | None:
    """Return the full name of the branch that is checked out, if any."""
    return Git(worktree).ask("symbolic-ref", "-q", "HEAD").text or None


def checkout_branch(worktree: Path, branch: str, start: Oid) -> None:
    """Check a work branch out, made at ``start`` if it does not exist yet.

    A branch that is checked out here already stays as it is, wherever it
    is by now. If it fails the worktree is as it was.

    Raises:
        RefusedError: Local changes, or untracked files in the way (reason
            ``uncommitted``).
        UnavailableError: The branch could not be made; or it was, and a
            submodule could not be filled.
        GitError: git refused otherwise.
        OSError: A file that goes could not be removed; all else is checked out.

    """
    undo(worktree)
    if branch_of_worktree(worktree) == branch_ref(branch):
        _fill(worktree, only_empty=True)
        return
    refuse_local_changes(worktree)
    git = Git(worktree)
    old, new = _ends_of_switch(git, branch_ref(branch), start)
    args = (
        "-c",
        "advice.detachedHead=false",
        "checkout",
        "-q",
        "--no-guess",
        "--no-overwrite-ignore",
        "--no-recurse-submodules",
        branch,
        "--",
    )
    with switching(worktree, old, new) as switch:
        done = git.run(*args, check=False, timeout_s=LONG_S, env=switch.env, keep=switch.keep)
        if done.status != 0 and _is_mended(git, done):
            done = git.run(*args, check=False, timeout_s=LONG_S, env=switch.env, keep=switch.keep)
        if done.status != 0:
            raise _not_checked_out(worktree, branch, args, done)
    if done.stderr:
        # It tells of a file that it could not remove or replace, and calls it done.
        remove_left_over(worktree, old, new)
        write_left_out(worktree)
    _fill(worktree)


def _ends_of_switch(git: Git, ref: str, start: Oid) -> tuple[Oid, Oid]:
    """Return the commits of HEAD and of a branch, which is made at ``start`` if it has to be."""
    # A claim has made it as the store makes refs; to try that again costs two gits.
    query = ("rev-parse", "HEAD", ref, "--")
    known = git.run(*query, check=False)
    if known.status != 0:
        create_ref(git, ref, start, is_durable=False)
        known = git.run(*query)
    old, new, _ = known.text.split()
    return Oid(old), Oid(new)


def _not_checked_out(
    worktree: Path, branch: str, args: tuple[str, ...], done: Completed
) -> Exception:
    left = [
        codec.printable(line.strip()) for line in done.stderr.splitlines() if line.startswith("\t")
    ]
    if "would be overwritten" in done.stderr and left:
        hint = "move them away, and claim again"
        hidden = hidden_among(worktree, left)
        if hidden:
            hint = f"git was told not to see changes of {hidden[0]}: {_SEE}; then {hint}"
        return RefusedError(
            f"files in {worktree} are in the way of {branch}: {', '.join(left[:10])}",
            reason="uncommitted",
            hint=hint,
            paths=cast("Any", left[:50]),
        )
    return GitError(args, done.status, done.stderr)


def has_unmerged(worktree: Path, kept: list[Oid]) -> list[Oid]:
    """List commits of a worktree's HEAD that no kept commit reaches."""
    lines = "HEAD\n" + "".join(f"^{oid}\n" for oid in kept)
    asked = Git(worktree).run("rev-list", "--max-count=10", "--stdin", stdin=lines.encode())
    return cast("list[Oid]", asked.text.split())


def commits_left_out(worktree: Path, here: str | None, kept: list[Oid], *globs: str) -> list[Oid]:
    """List commits of HEAD that neither these commits nor any other branch reaches.

    ``here`` is the branch that is checked out; ``globs`` name further refs that count.
    """
    lines = "HEAD\n" + "".join(f"^{oid}\n" for oid in kept)
    own = branch_name(here) if here else "HEAD"
    others = (f"--exclude={own}", "--branches", "--remotes", *(f"--glob={one}" for one in globs))
    asked = Git(worktree).run(
        "rev-list", "--max-count=10", "--stdin", "--not", *others, stdin=lines.encode(), check=False
    )
    return cast("list[Oid]", asked.text.split())


def in_the_way(worktree: Path, old: Oid, new: Oid) -> list[str]:
    """List the local changes that keep a worktree from following its branch.

    Nothing is touched: the dry run uses a copy of the user's index.

    Raises:
        UnavailableError: git could not look: the disk failed, or git was ended.

    """
    from gitcoord.git.index_copies import index_copy

    git = Git(worktree)
    with index_copy(worktree) as index:
        env = {"GIT_INDEX_FILE": str(index)}
        git.run("update-index", "-q", "--refresh", check=False, env=env, timeout_s=LONG_S)
        asked = git.run(
            "read-tree", "-m", "-u", "-n", old, new, check=False, env=env, timeout_s=LONG_S
        )
    if asked.status < 0 or (asked.status and is_of_the_system(asked.stderr)):
        said = codec.printable(asked.stderr.strip())[-300:] or "git was ended"
        raise UnavailableError(
            f"cannot check whether {worktree} can follow: {said}", hint=remedy(said)
        )
    found = _untracked_in_the_way(worktree, old, new)
    if asked.status != 0:
        changed = set(names_of(git.run(*_DIFF, old, new).stdout))
        found += [path for path in changed_paths(worktree, untracked=False) if path in changed]
    if asked.status != 0 and not found:
        # Half a merge stands in the way whatever it is about.
        found = [
            row.partition("\t")[2]
            for row in names_of(git.run("ls-files", "-z", "--unmerged").stdout)
        ]
    if asked.status != 0 and not found:
        return [line.strip() for line in asked.stderr.strip().splitlines()[:5]]
    return sorted(set(found))


def _untracked_in_the_way(worktree: Path, old: Oid, new: Oid) -> list[str]:
    """List untracked files, ignored ones too, where new files would be.

    ``git read-tree`` takes ignored files for expendable; a user's ``.env``
    is not.
    """
    git = Git(worktree)
    met: set[str] = set()
    for path in names_of(git.run(*_DIFF, "--diff-filter=A", old, new).stdout):
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            here = worktree.joinpath(*parts[:depth])
            if not os.path.lexists(here):
                break
            if depth == len(parts) or here.is_symlink() or not here.is_dir():
                met.add("/".join(parts[:depth]))
                break
    if not met:
        return []
    met -= set(names_of(git.run("ls-files", "-z").stdout))
    folders = sorted(
        path for path in met if (worktree / path).is_dir() and not (worktree / path).is_symlink()
    )
    names = sorted(met - set(folders))
    if folders:
        listed = git.run("ls-files", "-z", "--others", "--", *folders, env=LITERAL).stdout
        names += names_of(listed)
    return names


def follow(worktree: Path, old: Oid, new: Oid) -> None:
    """Bring a worktree's files along after its branch moved.

    Raises:
        RefusedError: Untracked files are in the way (reason ``worktree``).
        GitError: Other local changes are; the files are as they were.
        OSError: A file that goes could not be removed; all else has followed.

    """
    git = Git(worktree)
    left = [codec.printable(path) for path in _untracked_in_the_way(worktree, old, new)]
    if left:
        raise RefusedError(
            f"files in {worktree} are in the way: {', '.join(left[:10])}",
            reason="worktree",
            hint="move them away",
            paths=cast("Any", left[:50]),
        )
    with switching(worktree, old, new) as switch:
        env, keep = switch.env, switch.keep
        git.run(
            "update-index", "-q", "--refresh", check=False, timeout_s=LONG_S, env=env, keep=keep
        )
        git.run("read-tree", "-m", "-u", old, new, timeout_s=LONG_S, env=env, keep=keep)
    remove_left_over(worktree, old, new)
