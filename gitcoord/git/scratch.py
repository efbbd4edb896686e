"""Make a worktree of one commit, and take it away again for certain.

A marker names it before it exists and until it is gone, so that whoever
comes next clears what a killed process left, its command included.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git import worktrees
from gitcoord.git.half_made import LOCK_WAIT_S
from gitcoord.git.places import discover
from gitcoord.git.program import Git
from gitcoord.git.worktree_lock import exclusive
from gitcoord.host.clock import Clock
from gitcoord.host.files import read_file
from gitcoord.host.live_files import LiveFile, is_at_work
from gitcoord.host.processes import identity, is_alive
from gitcoord.host.remedies import remedy
from gitcoord.host.strays import Stray, find_strays, marked

__all__ = ["Throwaway", "clear_dead", "throw_away", "throwaway_folder"]

TRIES = 3
PAUSE_S = 0.1
NAME_CHARS = 12
MAX_MARKER_BYTES = 16 * 1024
_NAME = re.compile(r"[0-9a-f]{12}")
_VARIABLE = "GITCOORD_WORKTREE"


class Throwaway:
    """A worktree that does not stay, and the marker that names it.

    The marker is held while its maker lives. Its name says where the
    worktree lies: what is written in it is only which processes made it and
    ran in it.
    """

    __slots__ = ("_file", "marker", "place")

    def __init__(self, place: Path, marker: Path) -> None:
        self.place = place
        self.marker = marker
        self._file = LiveFile(marker)

    def note(self, *processes: str) -> None:
        """Write the marker, in one step.

        Raises:
            UnavailableError: It cannot be written.

        """
        lines = (str(self.place), *processes)
        try:
            self._file.write(b"\n".join(os.fsencode(line) for line in lines))
        except OSError as error:
            raise UnavailableError(
                f"{self.marker} cannot be written: {error.strerror}",
                hint=remedy(error),
            ) from None

    def environment(self) -> dict[str, str]:
        """Return what marks a process that was started for this worktree."""
        return {_VARIABLE: str(self.place)}

    def note_child(self, pid: int) -> None:
        """Record the command, so that it can be ended if we are killed."""
        self.note(identity(), identity(pid))

    def forget(self) -> None:
        """Remove the marker: nothing is left of the worktree."""
        self._file.remove()

    def leave(self) -> None:
        """Leave the marker to the next command, with what could not be removed."""
        self._file.leave()


@contextmanager
def throw_away(git: Git, commit: Oid, only: Sequence[str] | None = None) -> Iterator[Throwaway]:
    """Make a detached worktree of a commit, with every file, and remove it at the end.

    With ``only`` it holds these files alone.

    What dead processes left is cleared first. It lies beside the
    repository, where there is room: test runners that skip the folders of
    version control would find no test inside ``.git``.

    Raises:
        UnavailableError: It could not be made; nothing is left of it.

    """
    clear_dead(git)
    folders = _Folders(git)
    name = Clock().token()[:NAME_CHARS]
    thrown = Throwaway(folders.best() / name, folders.markers / f"{name}.marker")
    thrown.note(identity())
    try:
        worktrees.add(git, thrown.place, commit=commit, is_whole=True, only=only)
        yield thrown
    finally:
        _remove(git, thrown)


def throwaway_folder(git: Git) -> Path:
    """Return the folder in which worktrees are made that do not stay."""
    return _Folders(git).best()


class _Folders:
    """Where the worktrees of a repository lie that do not stay, and their markers."""

    def __init__(self, git: Git) -> None:
        where = discover(git.cwd)
        self.private = where.common_dir / "worktrees"
        self.markers = where.common_dir / "gitcoord" / "checks"
        self._main = where.main_worktree

    def best(self) -> Path:
        """Return the folder for a new worktree."""
        main = self._main
        if main is not None and os.access(main.parent, os.W_OK):
            return self._beside(main)
        return self.markers

    def possible(self) -> list[Path]:
        """Return every folder in which one may lie; links are none."""
        folders = [self.markers]
        if self._main is not None:
            folders.append(self._beside(self._main))
        return [folder for folder in folders if not folder.is_symlink()]

    @staticmethod
    def _beside(main: Path) -> Path:
        return main.parent / f"{main.name}.gates"


def clear_dead(git: Git) -> int:
    """End and remove what processes left that were killed over a check.

    Returns how many worktrees are gone. If it fails, or this process dies
    in between, the marker is still there.
    """
    folders = _Folders(git)
    count = 0
    for marker in sorted(folders.markers.glob("*.marker")):
        try:
            lines = read_file(marker, MAX_MARKER_BYTES).split(b"\n")
        except OSError:
            continue
        named, process, child = ([os.fsdecode(line) for line in lines] + ["", "", ""])[:3]
        if not _NAME.fullmatch(marker.stem) or is_at_work(marker, {"process": process}):
            continue
        # What is written there may name anything: only a place where we make them counts.
        places = [folder / marker.stem for folder in folders.possible()]
        for place in places:
            if str(place) == named:
                _end_child(place, child)
                count += _remove(git, Throwaway(place, marker))
    return count


def _end_child(place: Path, child: str) -> None:
    """End the group of the command that ran in a worktree, if it provably is that.

    It has to be the very process that was recorded, to lead its group, and
    to have been started for this worktree: its environment says so.
    """
    if not child or not is_alive(child):
        return
    with suppress(OSError):
        command = Stray(int(child.split(":")[2]))
        if command.group == command.pid and marked([command], {_mark_of(place)}):
            os.killpg(command.pid, signal.SIGKILL)


def _mark_of(place: Path) -> bytes:
    return os.fsencode(f"{_VARIABLE}={place}")


def _remove(git: Git, thrown: Throwaway) -> bool:
    """Take a worktree away, whatever the command made of it; False if it stays.

    The marker goes last: if this is cut off the next check goes on with it.
    """
    for _ in range(TRIES):
        _end_inside(thrown.place)
        _delete(thrown.place)
        if not os.path.lexists(thrown.place):
            break
        Clock().sleep(PAUSE_S)
    folders = _Folders(git)
    is_gone = not os.path.lexists(thrown.place)
    with exclusive(git, LOCK_WAIT_S):
        # As git would, which does not go on with what was half removed.
        for private in _private_dirs(folders.private, thrown.place):
            _drop_private(private)
            is_gone = is_gone and not private.exists()
        with suppress(OSError):
            folders.private.rmdir()
    if is_gone:
        thrown.forget()
    else:
        thrown.leave()
    if thrown.place.parent != thrown.marker.parent:
        with suppress(OSError):
            thrown.place.parent.rmdir()
    return is_gone


def _drop_private(private: Path) -> None:
    """Remove a private git directory; of one that the disk keeps git knows nothing any more.

    First goes what makes it a worktree: git finds fault with one that has no ``HEAD``.
    """
    with suppress(OSError):
        (private / "gitdir").unlink(missing_ok=True)
        shutil.rmtree(private, ignore_errors=True)


def _private_dirs(folder: Path, place: Path) -> list[Path]:
    """Return the private git directories of a worktree, half-removed ones too.

    git names them by the worktree's last part, which nothing else has here.
    """
    return [path for path in folder.glob(f"{place.name}*") if not path.is_symlink()]


def _end_inside(place: Path) -> None:
    """End what runs in a worktree that goes away, where that can be seen.

    That is a child that fled its group, or one of a checker that was killed
    before it could record it. A daemon stands elsewhere: it is known by its
    environment.
    """
    for stray in find_strays(place, {_mark_of(place)}, is_private=True):
        stray.send(signal.SIGKILL)


def _delete(place: Path) -> None:
    """Delete a folder, also where write permissions were taken away in it."""
    shutil.rmtree(place, ignore_errors=True)
    if not os.path.lexists(place):
        return
    with suppress(OSError):
        place.chmod(stat.S_IRWXU)
    for folder, names, _ in os.walk(place):
        for name in names:
            inner = Path(folder, name)
            if not inner.is_symlink():
                with suppress(OSError):
                    inner.chmod(stat.S_IRWXU)
    shutil.rmtree(place, ignore_errors=True)
