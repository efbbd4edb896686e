"""Find and end processes that outlived the command that they belong to.

A command's own group ends with it. What fled the group, and what a killed runner
left running, is known by where it stands or by what its environment says. Only
Linux tells; elsewhere nothing is found.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from gitcoord.host.clock import Clock, Deadline

__all__ = [
    "Stray",
    "descendants",
    "end_all",
    "end_strays",
    "find_strays",
    "git_standing_in",
    "marked",
]

_PROC = Path("/proc")
_DEAD = {b"Z", b"X", b"x"}
END_S = 3.0
BEGIN_S = 1.0
"""For how long a program that begins is waited for, until it has an environment."""


class Stray:
    """A process, as ``/proc`` shows it. Its start time tells it from a later one."""

    __slots__ = ("_fields", "pid")

    def __init__(self, pid: int) -> None:
        """Look at a process.

        Raises:
            OSError: There is none, or it may not be looked at.

        """
        self.pid = pid
        self._fields = _stat(pid)

    @property
    def parent(self) -> int:
        """The process that started it, or that took it in."""
        return int(self._fields[1])

    @property
    def group(self) -> int:
        """Its process group."""
        return int(self._fields[2])

    @property
    def is_dead(self) -> bool:
        """Whether it has ended, and only waits to be asked for its status."""
        return self._fields[0] in _DEAD

    @property
    def is_git(self) -> bool:
        """Whether it is a git program."""
        try:
            return (_PROC / str(self.pid) / "comm").read_text().strip() == "git"
        except OSError:
            return False

    @property
    def is_reader(self) -> bool:
        """Whether it is a git that hands out objects and changes nothing, as ours do."""
        try:
            words = (_PROC / str(self.pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return b"cat-file" in words

    @property
    def has_terminal(self) -> bool:
        """Whether it has a terminal: then it is a person's."""
        return self._fields[4] != b"0"

    @property
    def is_orphan(self) -> bool:
        """Whether the process that led its session is gone."""
        session = int(self._fields[3])
        return session != self.pid and not (_PROC / str(session)).exists()

    def stands_in(self, place: str) -> bool:
        """Return whether its working directory is a folder or one below it."""
        try:
            here = (_PROC / str(self.pid) / "cwd").readlink()
        except OSError:
            return False
        return f"{here}/".startswith(f"{place}/")

    def carries(self, marks: Collection[bytes]) -> bool | None:
        """Return whether its environment has one of these settings; None: it has none yet."""
        if not marks:
            return False
        try:
            environment = (_PROC / str(self.pid) / "environ").read_bytes()
            if not environment and self._is_beginning():
                return None
        except OSError:
            return False
        return not set(environment.split(b"\0")).isdisjoint(marks)

    def _is_beginning(self) -> bool:
        """Return whether a program begins in it, which has memory before it has an environment."""
        now = _stat(self.pid)
        memory, begin, end = now[20], *now[47:49]
        is_without = begin == end != b"0"
        return now[0] not in _DEAD and memory != b"0" and not is_without

    def is_running(self) -> bool:
        """Return whether this very process still runs."""
        try:
            now = _stat(self.pid)
        except OSError:
            return False
        return now[19] == self._fields[19] and now[0] not in _DEAD

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.is_running():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


def _stat(pid: int) -> list[bytes]:
    """Return the fields of a process from its state on."""
    return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()


def _running() -> Iterator[Stray]:
    if not (_PROC / "self" / "stat").exists():
        return
    with os.scandir(_PROC) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        if name.isdecimal():
            with suppress(OSError):
                process = Stray(int(name))
                if not process.is_dead:
                    yield process


def _own_line() -> set[int]:
    """Return this process and those that it descends from."""
    line, pid = set(), os.getpid()
    while pid > 0 and pid not in line:
        line.add(pid)
        try:
            pid = Stray(pid).parent
        except OSError:
            break
    return line


def _is_left_in(process: Stray, folder: str, *, is_private: bool) -> bool:
    return (is_private or process.is_orphan) and process.stands_in(folder)


def find_strays(
    place: Path, marks: Collection[bytes] = (), *, is_private: bool = False
) -> list[Stray]:
    """Return what a command left running: in its folder, or with its mark.

    What carries a mark was started for the command. Of what merely stands in the
    folder only orphans count, unless the folder is the command's alone: an editor's
    helpers stand there too. What has a terminal is a person's. We and our parents
    never count.
    """
    folder, spared = os.path.realpath(place), _own_line()
    strays, beginning = [], []
    for process in _running():
        if process.pid in spared or process.has_terminal:
            continue
        is_marked = process.carries(marks)
        if is_marked or _is_left_in(process, folder, is_private=is_private):
            strays.append(process)
        elif is_marked is None:
            beginning.append(process)
    return strays + marked(beginning, marks)


def marked(processes: Collection[Stray], marks: Collection[bytes]) -> list[Stray]:
    """Return which of some processes carry a mark; those that just begin a program too."""
    clock = Clock()
    deadline = Deadline(clock, BEGIN_S)
    while any(process.carries(marks) is None for process in processes):
        if deadline.expired:
            break
        clock.sleep(0.01)
    return [process for process in processes if process.carries(marks)]


def git_standing_in(place: Path) -> int | None:
    """Return the number of a git that is at work in a folder, if there is one."""
    folder = os.path.realpath(place)
    for process in _running():
        if process.is_git and process.stands_in(folder) and not process.is_reader:
            return process.pid
    return None


def end_strays(place: Path, marks: Collection[bytes] = ()) -> list[int]:
    """End what a command left running, and return the numbers of those processes.

    Raises:
        TimeoutError: One of them does not end.

    """
    ended: list[int] = []
    # Twice, and once more to be sure: what is being ended may start another.
    for _ in range(3):
        strays = find_strays(place, marks)
        if not strays:
            return ended
        ended += [stray.pid for stray in strays]
        end_all(strays)
    left = find_strays(place, marks)
    if left:
        raise TimeoutError(f"process {left[0].pid} does not end")
    return ended


def end_all(processes: Collection[Stray], patience_s: float = END_S) -> None:
    """End processes: SIGTERM, and SIGKILL for what is left after a while."""
    clock = Clock()
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            process.send(number)
        deadline = Deadline(clock, patience_s)
        while any(process.is_running() for process in processes):
            if deadline.expired:
                break
            clock.sleep(0.01)
        else:
            return


def descendants(pid: int) -> list[int]:
    """Return the numbers of the living descendants of a process, nearest first."""
    by_parent: dict[int, list[int]] = {}
    for child, parent in _parents():
        by_parent.setdefault(parent, []).append(child)
    listed = by_parent.get(pid, [])
    for child in listed:
        listed += by_parent.get(child, [])
    return listed


def _parents() -> Iterator[tuple[int, int]]:
    """Return every process with its parent."""
    if sys.platform == "linux":
        yield from ((process.pid, process.parent) for process in _running())
        return
    import subprocess

    args = ["/bin/ps", "-A", "-o", "pid=,ppid="]
    asked = subprocess.run(args, capture_output=True, text=True, check=False, timeout=10)
    for line in asked.stdout.splitlines():
        child, parent = line.split()
        yield int(child), int(parent)
