"""Queue up the writers of one machine, so that they do not storm the ref.

It is a queue and nothing more: correctness rests on the compare-and-swap.
``flock`` is fair and is released by the kernel when its holder dies. A
stopped holder must not wedge others, so that the wait is bounded.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.files import PRIVATE, note_holder, open_in_new_folder, read_file
from gitcoord.host.processes import identity

__all__ = ["Bell", "QueueLock", "Turns"]

MAX_HOLDER_BYTES = 1024
LOOK_S, LONGEST_LOOK_S = 0.05, 0.2
"""How long who waits waits for the bell between two looks, at first and at most."""
REST_S = 0.002


class QueueLock:
    """A lock file. One object is used by one thread at a time."""

    __slots__ = ("_free", "_handle", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None
        self._free: int | None = None

    @contextmanager
    def hold(self, timeout_s: float) -> Iterator[bool]:
        """Wait up to ``timeout_s`` for the lock, and yield whether it is held."""
        is_held = self.acquire(timeout_s)
        try:
            yield is_held
        finally:
            if is_held:
                self.release()

    def acquire(self, timeout_s: float) -> bool:
        """Take the lock, or return False when the time is up."""
        handle = self._open()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if timeout_s <= 0 or not _wait_in_thread(handle, timeout_s):
                if timeout_s <= 0:
                    os.close(handle)
                return False
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        self.note()
        return True

    def is_taken_now(self) -> bool:
        """Take the lock if nobody has it; the file stays open for the next try.

        Who waits with others looks often: to open the file is most of a look.
        """
        if self._free is None:
            self._free = self._open()
        try:
            fcntl.flock(self._free, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._handle, self._free = self._free, None
        return True

    def give_back(self) -> None:
        """Let the next one in; the file stays open for our next try."""
        if self._handle is not None:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
            self._handle, self._free = None, self._handle

    def forget(self) -> None:
        """Close the file after the last try."""
        if self._free is not None:
            os.close(self._free)
            self._free = None

    def note(self) -> None:
        """Write into the file that we hold it."""
        if self._handle is not None:
            note_holder(self._handle, identity().ljust(160))

    def release(self) -> None:
        """Let the next one in."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    @property
    def handles(self) -> tuple[int, ...]:
        """The handle that holds it: a child that inherits it holds it on."""
        if self._handle is None:
            return ()
        return (self._handle,)

    def holder(self) -> str:
        """Return the identity of the last process that took the lock."""
        try:
            return read_file(self.path, MAX_HOLDER_BYTES).decode("ascii").strip()
        except (OSError, ValueError):
            return ""

    def _open(self) -> int:
        try:
            return open_in_new_folder(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise UnavailableError(
                f"{self.path} cannot be opened: {error.strerror}",
                hint=(
                    "check whether .git can be written here; in a sandbox without access to .git, "
                    "run gitcoord outside of it"
                ),
            ) from None


class Bell:
    """A pipe through which nothing goes: that it is closed tells all who wait of a turn's end.

    It is there only while somebody waits. Who waits looks now and then as
    well: a killed writer rings nothing, and not everywhere can a pipe be made.
    """

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def ring(self) -> None:
        """Tell whoever listens that a turn is over."""
        handle = self._open(os.O_WRONLY)
        # Away before it is closed: whoever opened it by now hears it.
        with suppress(OSError):
            if handle is not None or stat.S_ISFIFO(self.path.lstat().st_mode):
                self.path.unlink()
        if handle is not None:
            os.close(handle)

    def listen(self) -> int | None:
        """Return a handle on which the end of a turn is heard, if there can be one.

        There is none where a pipe that nobody writes to counts as closed.
        """
        handle = self._open(os.O_RDONLY)
        if handle is None:
            with suppress(OSError):
                os.mkfifo(self.path, PRIVATE)
            handle = self._open(os.O_RDONLY)
        if handle is None or not self.is_rung(handle, 0):
            return handle
        os.close(handle)
        return None

    @staticmethod
    def is_rung(listening: int, timeout_s: float) -> bool:
        """Wait for the end of a turn, so long at most; return whether it was heard."""
        import select

        heard = select.poll()
        heard.register(listening, 0)
        return bool(heard.poll(timeout_s * 1000))

    def _open(self, flags: int) -> int | None:
        """Open the pipe; None where there is none, or where nobody listens."""
        safely = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            handle = os.open(self.path, flags | safely)
        except OSError:
            return None
        if stat.S_ISFIFO(os.fstat(handle).st_mode):
            return handle
        os.close(handle)
        return None


class Turns:
    """Let writers in one after another, while the next one prepares itself.

    Writers wait for the deck, and from there for the queue: what the one on
    deck reads and decides meanwhile keeps its turn short, and nobody
    prepares for a state that many others are going to change. Who may be
    answered by another's turn waits for the bell instead, and prepares nothing.
    """

    __slots__ = ("_bell", "_clock", "_deck", "_queue")

    def __init__(self, queue: QueueLock, deck: Path, bell: Path, clock: Clock) -> None:
        self._queue = queue
        self._deck = QueueLock(deck)
        self._bell = Bell(bell)
        self._clock = clock

    @contextmanager
    def take(self, timeout_s: float, prepare: Callable[[], object]) -> Iterator[bool]:
        """Wait up to ``timeout_s`` for our turn, and yield whether we have it.

        ``prepare`` is called on deck, where there is somebody to wait for.
        What it raises ends the wait.
        """
        deadline = Deadline(self._clock, timeout_s)
        is_held = False
        is_next = self._deck.acquire(timeout_s)
        try:
            if is_next:
                is_held = self._queue.acquire(0)
            if is_next and not is_held:
                prepare()
                is_held = self._queue.acquire(deadline.remaining())
            yield is_held
        finally:
            self._end(is_held=is_held)

    @contextmanager
    def take_unless(
        self,
        timeout_s: float,
        is_answered: Callable[[], bool],
        goes_on: Callable[[], bool] = lambda: False,
    ) -> Iterator[bool]:
        """Wait for our turn, an answer, or the time; yield whether we have the turn.

        Without time it is taken only where nobody has it. When the time is over
        ``goes_on`` tells whether others got on meanwhile, and it begins anew.
        Who is answered takes no turn: the others would wait for it, and be woken by it.
        """
        deadline = Deadline(self._clock, timeout_s)
        listening: int | None = None
        look_s = LOOK_S
        is_held = False
        try:
            while not is_answered():
                if listening is None and timeout_s > 0:
                    # Before we look: an end that comes after our look is heard.
                    listening = self._bell.listen()
                    if is_answered():
                        break
                is_held = self._is_ours()
                if is_held:
                    break
                if deadline.expired:
                    if not goes_on():
                        break
                    deadline = Deadline(self._clock, timeout_s)
                wait_s = min(look_s, deadline.remaining())
                if listening is None:
                    self._clock.sleep(min(REST_S, wait_s))
                elif self._bell.is_rung(listening, wait_s):
                    # A handle hears one end.
                    os.close(listening)
                    listening = None
                else:
                    look_s = min(look_s * 3 / 2, LONGEST_LOOK_S)
            yield is_held
        finally:
            if listening is not None:
                os.close(listening)
            self._deck.forget()
            self._queue.forget()
            self._end(is_held=is_held)

    def _is_ours(self) -> bool:
        """Take the turn if nobody has it, and nobody waits on deck."""
        if not self._deck.is_taken_now():
            return False
        if not self._queue.is_taken_now():
            self._deck.give_back()
            return False
        self._queue.note()
        return True

    def _end(self, *, is_held: bool) -> None:
        self.let_next()
        if is_held:
            self._queue.release()
            self._bell.ring()

    def let_next(self) -> None:
        """Let the next one on deck, if nobody is yet.

        Called when we are about to wait for the disk: before that it would
        take the processor from the writer that has the turn.
        """
        self._deck.release()


def _wait_in_thread(handle: int, timeout_s: float) -> bool:
    """Block in ``flock`` beside us: it has no time limit of its own.

    Polling instead would cost 32 waiting processes both cores, and the
    order in which they came.
    """
    import threading  # most find the lock free, and start no thread

    state = threading.Lock()
    is_done = threading.Event()
    outcome = {"held": False, "abandoned": False}

    def wait() -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            outcome["abandoned"] = True
        with state:
            if outcome["abandoned"]:
                os.close(handle)
            else:
                outcome["held"] = True
        is_done.set()

    threading.Thread(target=wait, name="gitcoord-queue", daemon=True).start()
    is_done.wait(timeout_s)
    with state:
        if not outcome["held"]:
            outcome["abandoned"] = True
        return outcome["held"]
