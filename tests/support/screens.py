"""Watch a ledger at a terminal of our own, and read what stands on its screen."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gitcoord.host.clock import Clock, Deadline
from tests.support.world import environment

TIMEOUT_S = 60


class Watching:
    """A watcher at a terminal, whose screen is read as a person would."""

    def __init__(self, handle: int, child: subprocess.Popen[bytes], width: int, lines: int) -> None:
        import pyte

        self._handle = handle
        self.child = child
        self.screen = pyte.Screen(width, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    @property
    def text(self) -> str:
        """Return what stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, *words: str) -> str:
        """Read on until all words stand on the screen."""
        return self.when(lambda text: all(word in text for word in words), " and ".join(words))

    def when(self, is_there: Callable[[str], bool], what: str) -> str:
        """Read on until the screen is as it should be."""
        deadline = Deadline(Clock(), TIMEOUT_S)
        while not is_there(self.text):
            assert not deadline.expired, f"not on the screen: {what}\n{self.text}"
            if select.select([self._handle], [], [], 1.0)[0]:
                self._read()
        return self.text

    def _read(self) -> None:
        more = _read_if_open(self._handle)
        assert more, f"the watcher has ended\n{self.text}"
        self.raw += more
        self._stream.feed(more)

    def rest(self, seconds: float = 0.5) -> bytes:
        """Return what is written while nothing happens."""
        begin = len(self.raw)
        while select.select([self._handle], [], [], seconds)[0]:
            self._read()
        return self.raw[begin:]

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._handle, keys.encode())

    def resize(self, width: int, lines: int) -> None:
        """Give the terminal another size, and say so, as the kernel does on a user's terminal."""
        fcntl.ioctl(self._handle, termios.TIOCSWINSZ, struct.pack("HHHH", lines, width, 0, 0))
        self.screen.resize(lines, width)
        self.child.send_signal(signal.SIGWINCH)

    def quit(self) -> int:
        """End it by its key; return its status."""
        self.press("q")
        deadline = Deadline(Clock(), TIMEOUT_S)
        while self.child.poll() is None and not deadline.expired:
            if select.select([self._handle], [], [], 0.1)[0]:
                self.raw += _read_if_open(self._handle)
        status = self.child.wait(1)
        while last := self._left():
            self.raw += last
        return status

    def _left(self) -> bytes:
        """Return what an ended program wrote last and nobody has read."""
        if not select.select([self._handle], [], [], 0)[0]:
            return b""
        return _read_if_open(self._handle)


def _read_if_open(handle: int) -> bytes:
    """Read what a terminal got; nothing once its other side is gone."""
    try:
        return os.read(handle, 1 << 16)
    except OSError:
        return b""


@contextmanager
def watching(repo: Path, width: int = 80, lines: int = 24, **more: str) -> Iterator[Watching]:
    """Start `gitcoord watch` at a terminal of some size."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, width, 0, 0))
    known = environment(TERM="xterm-256color", **more)
    for name in ("COLUMNS", "LINES", "CLAUDE_CODE_SESSION_ID", "CODEX_SESSION_ID"):
        known.pop(name, None)
    child = subprocess.Popen(
        [sys.executable, "-m", "gitcoord", "watch"],
        cwd=repo,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=known,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Watching(ours, child, width, lines)
    finally:
        child.kill()
        child.wait()
        os.close(ours)
