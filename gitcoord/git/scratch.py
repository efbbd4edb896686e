"""Make a worktree of one commit, and take it away again for certain.

A marker names it before it exists and until it is gone, so that whoever
comes next clears what a killed process left, its command included.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.git import worktrees
from gitcoord.git.half_made import LOCK_WAIT_S
from gitcoord.git.program import LONG_S, Git, discover
from gitcoord.git.worktree_lock import exclusive
from gitcoord.host.clock import Clock
from gitcoord.host.processes import identity, is_alive

__all__ = ["Throwaway", "throw_away"]

TRIES = 3
PAUSE_S = 0.1
_VARIABLE = "GITCOORD_WORKTREE"


class Throwaway:
    """A worktree that does not stay, and the marker that names it.

    The marker has a line each for the place, the process that made it and
    the command that runs in it.
    """

    __slots__ = ("marker", "place")

    def __init__(self, place: Path, marker: Path) -> None:
        self.place = place
        self.marker = marker

    def note(self, *processes: str) -> None:
        """Write the marker, in one step.

        Raises:
            UnavailableError: It cannot be written.

        """
        fresh = self.marker.with_suffix(".new")
        try:
            self.marker.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_bytes(
                b"\n".join(os.fsencode(line) for line in (str(self.place), *processes))
            )
            fresh.replace(self.marker)
        except OSError as error:
            raise UnavailableError(
                f"{self.marker} cannot be written: {error.strerror}",
                hint="check the space on the disk, and whether .git can be written here",
            ) from None

    def environment(self) -> dict[str, str]:
        """Give what tells a process that was started for this worktree."""
        return {_VARIABLE: str(self.place)}

    def note_child(self, pid: int) -> None:
        """Record the command, so that it can be ended if we are killed."""
        self.note(identity(), identity(pid))


@contextmanager
def throw_away(git: Git, commit: str) -> Iterator[Throwaway]:
    """Make a detached worktree of a commit, and remove it at the end.

    What dead processes left is cleared first. It lies beside the
    repository, where there is room: test runners that skip the folders of
    version control would find no test inside ``.git``.

    Raises:
        UnavailableError: It could not be made; nothing is left of it.

    """
    where = discover(git.cwd)
    folder = where.common_dir / "gitcoord" / "checks"
    _clear_leftovers(git, folder)
    name, main = Clock().token()[:12], where.main_worktree
    is_beside = main is not None and os.access(main.parent, os.W_OK)
    beside = main.parent / f"{main.name}.gates" if main is not None and is_beside else folder
    thrown = Throwaway(beside / name, folder / f"{name}.marker")
    thrown.note(identity())
    try:
        worktrees.add(git, thrown.place, commit=commit)
        yield thrown
    finally:
        _remove(git, thrown)


def _clear_leftovers(git: Git, folder: Path) -> None:
    """End and remove what processes left that were killed over a check."""
    for marker in folder.glob("*.marker"):
        try:
            lines = [os.fsdecode(line) for line in marker.read_bytes().split(b"\n")]
        except OSError:
            continue
        place, process, child = (*lines, "", "", "")[:3]
        # A folder with a line feed in its name has more lines: left to a person.
        if len(lines) > 3 or is_alive(process) is not False:
            continue
        if child and is_alive(child):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(int(child.split(":")[2]), signal.SIGKILL)
        _remove(git, Throwaway(Path(place), marker))


def _remove(git: Git, thrown: Throwaway) -> None:
    """Take a worktree away, whatever the command made of it.

    The marker goes last: if this is cut off the next check goes on with it.
    """
    for _ in range(TRIES):
        _end_inside(thrown.place)
        _delete(thrown.place)
        if not os.path.lexists(thrown.place):
            break
        Clock().sleep(PAUSE_S)
    with exclusive(git, LOCK_WAIT_S) as lock:
        # Twice: also one that was locked, or whose making was cut off.
        args = ("worktree", "remove", "--force", "--force", "--end-of-options", str(thrown.place))
        git.run(*args, check=False, timeout_s=LONG_S, keep=(lock,))
    if not os.path.lexists(thrown.place):
        with suppress(OSError):
            thrown.marker.unlink()
    if thrown.place.parent != thrown.marker.parent:
        with suppress(OSError):
            thrown.place.parent.rmdir()


def _end_inside(place: Path) -> None:
    """End what runs in a worktree that goes away, where that can be seen.

    That is a child that fled its group, or one of a checker that was killed
    before it could record it. A daemon stands elsewhere: it is known by its
    environment. What has a terminal is a person's.
    """
    if not Path("/proc/self/stat").exists():
        return
    inside, mark = f"{os.path.realpath(place)}/", os.fsencode(f"{_VARIABLE}={place}")
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, most of them of no interest
        if name.isdecimal():
            with suppress(OSError):
                process = Path("/proc", name)
                terminal = (process / "stat").read_bytes().rpartition(b")")[2].split()[4]
                is_inside = f"{(process / 'cwd').readlink()}/".startswith(inside)
                if terminal == b"0" and (
                    is_inside or mark in (process / "environ").read_bytes().split(b"\0")
                ):
                    os.kill(int(name), signal.SIGKILL)


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
