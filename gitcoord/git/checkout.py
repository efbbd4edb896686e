"""Change a worktree's files so that a kill in between can be undone.

While git writes files, ``index.lock`` is a hard link to our own note of
what is being done. So no other git comes in between; the note's ``flock``,
which git inherits, says whether anybody is still at it; and a lock that is
no link to the note belongs to somebody else and is never touched. git
itself writes to a copy of the index, which replaces it at the end: until
then the index says how the files were.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.git.places import discover
from gitcoord.git.program import LONG_S, Git
from gitcoord.git.refs import clear_dead_lock, clear_locks, head_lock
from gitcoord.host.files import copy_file, open_file

__all__ = ["Switch", "remove_left_over", "switching", "undo", "write_left_out"]

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_LITERAL = {"GIT_LITERAL_PATHSPECS": "1"}


class Switch(NamedTuple):
    """What git is started with while it changes files."""

    env: Mapping[str, str]
    keep: tuple[int, ...]


class _Place:
    """The files of one worktree's private directory that play a part."""

    def __init__(self, worktree: Path) -> None:
        self.worktree = worktree
        self.folder = discover(worktree).git_dir
        self.note = self.folder / "gitcoord" / "at-work.json"
        self.trial = self.folder / "gitcoord" / "at-work.index"
        self.index = self.folder / "index"
        self.lock = self.folder / "index.lock"
        self.head_lock = head_lock(worktree)

    def owns_lock(self) -> bool:
        try:
            return self.lock.samefile(self.note)
        except FileNotFoundError:
            return False

    def head(self) -> str:
        """Return what is checked out: a branch, or else a commit."""
        git = Git(self.worktree)
        return (
            git.ask("symbolic-ref", "-q", "HEAD").text
            or git.ask("rev-parse", "-q", "--verify", "HEAD").text
        )


@contextmanager
def switching(worktree: Path, old: Oid, new: Oid) -> Iterator[Switch]:
    """Keep every other git out while ours takes files from old to new.

    Where the body fails, the files are brought back to what the index
    says; where this process dies, the next call does that.

    Raises:
        UnavailableError: Another git is at work in this worktree.

    """
    place = _Place(worktree)
    with _at_work(place) as handle:
        facts = {"old": old, "new": new, "head": place.head()}
        _write(handle, facts)
        if not _take_lock(place):
            yield Switch({}, (handle,))
            return
        try:
            if place.index.exists():
                copy_file(place.index, place.trial)
            yield Switch({"GIT_INDEX_FILE": str(place.trial)}, (handle,))
            place.trial.replace(place.index)
        except BaseException:
            clear_locks([place.head_lock])
            _restore(place, facts, handle)
            raise


def undo(worktree: Path) -> None:
    """Bring files back that a dead process of ours left in between.

    Raises:
        UnavailableError: It is not dead.

    """
    place = _Place(worktree)
    if place.note.exists():
        with _at_work(place):
            pass


@contextmanager
def _at_work(place: _Place) -> Iterator[int]:
    """Hold the note, and finish what dead processes left undone; end without a trace."""
    place.note.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        handle = open_file(place.note, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise UnavailableError(
            f"{place.note} cannot be opened: {error.strerror}",
            hint="look at what lies there, and move it away",
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                f"another process is changing the files of {place.worktree}", hint="try again"
            ) from None
        if not os.path.samestat(os.fstat(handle), place.note.stat()):
            raise UnavailableError(
                f"another process has just changed the files of {place.worktree}", hint="try again"
            )
        if place.owns_lock():
            clear_locks([place.head_lock])
            _restore(place, _read(handle), handle)
        elif os.fstat(handle).st_nlink > 1:
            raise UnavailableError(
                f"{place.note} is a hard link to a file that is not gitcoord's",
                hint="look at what it is, and move it away",
            )
        try:
            yield handle
        finally:
            for leftover in (place.trial, place.trial.with_name(f"{place.trial.name}.lock")):
                leftover.unlink(missing_ok=True)
            if place.owns_lock():
                place.lock.unlink()
            place.note.unlink()
    finally:
        os.close(handle)


def _take_lock(place: _Place) -> bool:
    """Make our note the index's lock; False where there are no hard links."""
    clear_dead_lock(place.head_lock)
    taken = [path for path in (place.lock, place.head_lock) if os.path.lexists(path)]
    if place.owns_lock():
        taken.remove(place.lock)
    try:
        if not taken and not place.owns_lock():
            os.link(place.note, place.lock)
    except FileExistsError:
        taken = [place.lock]
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    if taken:
        raise UnavailableError(
            f"{taken[0]} is there: another git is at work in {place.worktree}",
            hint="wait until it is done, and try again",
        )
    return True


def _write(handle: int, facts: Mapping[str, str]) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(dict(facts)).encode(), 0)


def _read(handle: int) -> dict[str, str]:
    try:
        facts = json.loads(os.pread(handle, 65536, 0))
    except ValueError:
        return {}  # killed before anything was changed, or when all was undone
    return facts if isinstance(facts, dict) else {}


def _restore(place: _Place, facts: Mapping[str, str], handle: int) -> None:
    """Bring the files back to the index, or the index to the files.

    Only what git may have written is touched: a path that differs between
    the two commits, and that is missing or holds one of the two contents
    or the beginning of one. Whatever else is there is somebody's work.
    """
    if not facts:
        return
    if place.head() != facts["head"]:
        # git moves HEAD last, after its index: it was done but for ours.
        if place.trial.exists():
            place.trial.replace(place.index)
        return
    git = Git(place.worktree)
    names = git.run(
        "diff-tree", "-r", "-z", "--name-only", "--no-renames", facts["old"], facts["new"]
    ).stdout
    paths = [os.fsdecode(name) for name in names.split(b"\0") if name]
    was = _oids(git.run("ls-files", "-s", "-z", env=_LITERAL, timeout_s=LONG_S).stdout, set(paths))
    becomes = _oids(
        git.run("ls-tree", "-r", "-z", "--full-tree", facts["new"], timeout_s=LONG_S).stdout,
        set(paths),
    )
    for path in paths:
        if path not in was and _is_written(git, place.worktree, path, [becomes.get(path)]):
            (place.worktree / path).unlink()
            _remove_empty(place.worktree, path)
    missing = []
    for path, before in was.items():
        is_there = os.path.lexists(place.worktree / path)
        if not is_there or _is_written(git, place.worktree, path, [before, becomes.get(path)]):
            missing.append(path)
    if missing:
        listing = b"\0".join(os.fsencode(path) for path in missing)
        git.run(
            "checkout-index", "-f", "-z", "--stdin", stdin=listing, timeout_s=LONG_S, keep=(handle,)
        )


def write_left_out(worktree: Path) -> None:
    """Write the files that a checkout left as they were.

    git tells of such a file, and calls the checkout done. For use right after one that
    began without local changes alone: what differs from the index then is nobody's work.

    Raises:
        GitError: One cannot be written.

    """
    git = Git(worktree)
    git.run("update-index", "-q", "--refresh", check=False, timeout_s=LONG_S)
    left = git.run("diff-files", "-z", "--name-only", "--ignore-submodules", timeout_s=LONG_S)
    if left.stdout:
        git.run("checkout-index", "-f", "-z", "--stdin", stdin=left.stdout, timeout_s=LONG_S)


def remove_left_over(worktree: Path, old: Oid, new: Oid) -> None:
    """Remove the files that a move took away and that git could not remove.

    git warns of such a file, and calls the move done. For use right after that
    alone: until then git refuses to take a file that is not tracked. One is
    removed that has the very content that it had; a changed one is the user's.

    Raises:
        OSError: One cannot be removed.

    """
    git = Git(worktree)
    gone = git.run(
        "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=D", old, new
    ).stdout
    left = {os.fsdecode(name) for name in gone.split(b"\0") if name}
    left = {path for path in left if _stands_alone(worktree, path)}
    if not left:
        return
    kept = git.run("ls-files", "-z", env=_LITERAL, timeout_s=LONG_S).stdout.split(b"\0")
    # Where case or the way of writing an accent makes no difference, it may be a file that stays.
    same = {_folded(os.fsdecode(name)) for name in kept}
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", old, timeout_s=LONG_S).stdout
    for path, oid in _oids(listed, left).items():
        if _folded(path) not in same and _blob_of(git, worktree, path) == oid:
            (worktree / path).unlink()
            _remove_empty(worktree, path)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _stands_alone(worktree: Path, path: str) -> bool:
    """Return whether something is there that no link on the way leads to."""
    here = worktree / path
    parents = here.parents[: len(Path(path).parts) - 1]
    return os.path.lexists(here) and not any(folder.is_symlink() for folder in parents)


def _blob_of(git: Git, worktree: Path, path: str) -> str:
    """Return the blob that git would make of a file; nothing for what is none."""
    here = worktree / path
    if here.is_symlink():
        content = os.fsencode(here.readlink())
        return git.run("hash-object", "--no-filters", "--stdin", stdin=content).text
    if not here.is_file():
        return ""
    content = here.read_bytes()
    return git.run("hash-object", f"--path={path}", "--stdin", stdin=content, check=False).text


def _oids(raw: bytes, wanted: set[str]) -> dict[str, Oid]:
    """Read blobs by path from what ls-files or ls-tree lists."""
    found: dict[str, Oid] = {}
    for row in raw.split(b"\0"):
        head, _, name = row.partition(b"\t")
        path, words = os.fsdecode(name), head.decode().split()
        if path in wanted and words[0] != "160000":
            found[path] = Oid(words[1] if len(words[1]) >= 40 else words[2])
    return found


def _is_written(git: Git, worktree: Path, path: str, oids: list[Oid | None]) -> bool:
    """Return whether a file is one of these blobs, or the beginning of one."""
    here = worktree / path
    try:
        kind = here.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISLNK(kind.st_mode):
        content = os.fsencode(here.readlink())
    elif stat.S_ISREG(kind.st_mode):
        content = here.read_bytes()
    else:
        return False
    known = [oid for oid in oids if oid is not None]
    if any(
        git.run("cat-file", "blob", oid, timeout_s=LONG_S).stdout.startswith(content)
        for oid in known
    ):
        return True
    # Line ends and other filters: what git would make of the file counts.
    return (
        git.run("hash-object", f"--path={path}", "--stdin", stdin=content, check=False).text
        in known
    )


def _remove_empty(worktree: Path, path: str) -> None:
    for folder in (worktree / path).parents:
        if folder == worktree:
            return
        with suppress(OSError):
            folder.rmdir()
