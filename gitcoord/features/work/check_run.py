"""Run one shell command on exactly one commit, in a throw-away worktree.

The worktree is detached, holds the commit and nothing else, and is gone
afterwards. The command has a process group and a session of its own: when
it ends, or its time is over, whatever is left of the group is ended too.
Whether it passed is said in ``git.verdicts``.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gitcoord.core import codec
from gitcoord.core.ids import Oid
from gitcoord.core.sentences import said
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.work.check_outcome import Ended, Verdict, judge
from gitcoord.git.program import Git, inherited
from gitcoord.git.scratch import Throwaway, throw_away
from gitcoord.host.clock import Clock, Deadline
from gitcoord.ledger.logs import LogFile

__all__ = ["Job", "run_check"]

HEAD_BYTES = 256 * 1024
TAIL_BYTES = 256 * 1024
GRACE_S = 3.0
MAX_ERROR_CHARS = 200
_POLL_S = 0.1
_EOF_POLL_S = 0.01
_CHUNK = 64 * 1024
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Job(NamedTuple):
    """What to run, and on what.

    ``log`` is the file that the output goes to while it comes.
    ``is_over`` is asked now and then: true ends the command early. With
    ``only`` the worktree holds these files of the commit. ``before`` gets
    the worktree first, and ``after`` where the command ended well.
    """

    commit: Oid
    command: str
    timeout_ms: int
    environment: Mapping[str, str]
    log: Path
    is_over: Callable[[], bool] = lambda: False
    only: tuple[str, ...] | None = None
    before: Callable[[Path], None] = lambda _place: None
    after: Callable[[Path], None] = lambda _place: None


def run_check(git: Git, job: Job) -> Verdict:
    """Run a command on a commit; whatever goes wrong, it has not passed.

    Raises:
        UnavailableError: The worktree could not be made: nothing ran.

    """
    clock = Clock()
    start_ns = clock.monotonic_ns()
    with _ended_by_exception(), throw_away(git, job.commit, job.only) as thrown:
        job.before(thrown.place)
        ended = _run(job, thrown, clock)
        if ended.status == 0 and not ended.is_late and not ended.is_stopped:
            job.after(thrown.place)
    return judge(ended, job.timeout_ms, (clock.monotonic_ns() - start_ns) // 1_000_000)


@contextmanager
def _ended_by_exception() -> Iterator[None]:
    """Turn a signal that would end us into an exception, to clean up first."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    changed = {}
    for number in _ENDING:
        try:
            if signal.getsignal(number) is signal.SIG_DFL:
                changed[number] = signal.signal(number, end)
        except ValueError:  # not in the main thread
            break
    try:
        yield
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)


# the command


def _environment(job: Job, thrown: Throwaway) -> dict[str, str]:
    """Return the command's environment: no token of a claim, nothing of git's."""
    kept = {name: value for name, value in inherited().items() if not name.startswith("GITCOORD_")}
    return kept | {"GIT_TERMINAL_PROMPT": "0"} | dict(job.environment) | thrown.environment()


def _told(error: Exception) -> str:
    return codec.printable(str(error))[:MAX_ERROR_CHARS]


def _run(job: Job, thrown: Throwaway, clock: Clock) -> Ended:
    try:
        log = LogFile(job.log)
    except OSError as error:
        return Ended(None, cannot=said("output-not-kept", error=_told(error)))
    with log:
        return _run_with(job, thrown, _Output(log), clock)


def _run_with(job: Job, thrown: Throwaway, output: _Output, clock: Clock) -> Ended:
    try:
        child = subprocess.Popen(  # noqa: S602 - the user trusted exactly this command
            job.command,
            shell=True,
            cwd=thrown.place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(job, thrown),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Ended(None, cannot=said("cannot-run", error=_told(error)))
    try:
        thrown.note_child(child.pid)
        is_late, is_stopped = _watch(child, output, job, clock)
    finally:
        _end_group(child, clock)
        if child.stdout is not None:
            child.stdout.close()
    return Ended(child.wait(), is_late=is_late, is_stopped=is_stopped, output=output.text())


def _watch(
    child: subprocess.Popen[bytes], output: _Output, job: Job, clock: Clock
) -> tuple[bool, bool]:
    """Read what comes until the command ends; say whether it was late, or stopped."""
    deadline = Deadline(clock, job.timeout_ms / 1000)
    is_late = is_stopped = False
    with selectors.DefaultSelector() as selector:
        assert child.stdout is not None
        handle = child.stdout.fileno()
        os.set_blocking(handle, False)
        selector.register(handle, selectors.EVENT_READ)
        while not _has_ended(child):
            is_late, is_stopped = deadline.expired, job.is_over()
            if is_late or is_stopped:
                break
            if not output.read_some(selector, handle, min(_POLL_S, deadline.remaining())):
                clock.sleep(_EOF_POLL_S)
        # Children of the group may still write: they are ended now, and what
        # they said until then is read; one that fled the group is not waited for.
        _end_group(child, clock)
        rest = Deadline(clock, GRACE_S)
        while output.read_some(selector, handle, 0) and not rest.expired:
            pass
    return is_late, is_stopped


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Return whether the command ended, and leave it a zombie if possible.

    While it is one its number, which is its group's too, stays taken.
    """
    if not hasattr(os, "waitid"):
        return child.poll() is not None
    if child.returncode is not None:
        return True
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_group(child: subprocess.Popen[bytes], clock: Clock) -> None:
    """End what is left of the command's group: TERM, then KILL."""
    if child.returncode is not None and hasattr(os, "waitid"):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal_group(child, number):
            break
        deadline = Deadline(clock, GRACE_S)
        while not (_has_ended(child) and _is_alone(child)) and not deadline.expired:
            clock.sleep(0.01)
    child.wait()


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    if _has_ended(child) and _is_alone(child):
        return False
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_alone(child: subprocess.Popen[bytes]) -> bool:
    """Return whether nobody but the ended command is left in its group."""
    if not Path("/proc/self/stat").exists():
        return not _answers(child.pid)
    with os.scandir("/proc") as folders:
        return not any(_is_of_group(folder.name, child.pid) for folder in folders)


def _is_of_group(name: str, group: int) -> bool:
    """Return whether a folder of ``/proc`` is of a living process of a group."""
    if not name.isdecimal() or int(name) == group:
        return False
    try:
        fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[2]) == group and fields[0] not in {b"Z", b"X"}


def _answers(group: int) -> bool:
    """Return whether a group has a process left, where nothing lists them."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class _Output:
    """Keep the beginning and the end of what a command says; log it as it comes."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._head = b""
        self._tail = b""
        self._total = 0

    def read_some(self, selector: selectors.BaseSelector, handle: int, wait_s: float) -> bool:
        """Read once; False when nothing will ever come, or nothing came."""
        if not selector.select(wait_s):
            return wait_s > 0
        try:
            chunk = os.read(handle, _CHUNK)
        except BlockingIOError:
            return wait_s > 0
        self._add(chunk)
        return bool(chunk)

    def _add(self, chunk: bytes) -> None:
        self._keep(self._log.write(chunk))

    def _keep(self, chunk: bytes) -> None:
        self._total += len(chunk)
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += chunk[:room]
        if len(chunk) > room:
            self._tail = (self._tail + chunk[max(room, 0) :])[-TAIL_BYTES:]

    def text(self) -> bytes:
        """Return what was kept, its last line too."""
        self._keep(self._log.finish())
        return self._head + self._rest()

    def _rest(self) -> bytes:
        lost = self._total - len(self._head) - len(self._tail)
        return (f"\n[{lost} bytes cut here]\n".encode() if lost else b"") + self._tail
