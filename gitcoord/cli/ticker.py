"""Show a person that a long command is at work: on a terminal alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gitcoord.cli.app import App
from gitcoord.core.errors import GitcoordError
from gitcoord.host.clock import Clock

__all__ = ["ticking"]

EVERY_S = 0.5
CLEAR = "\r\x1b[K"


class _Line:
    """What is done now, how far it is, and for how long it has been at work."""

    def __init__(self, what: str) -> None:
        self._what, self._number, self._total = what, 0, 0

    def tell(self, what: str, number: int = 0, total: int = 0) -> None:
        """Set what is done now; a number of a total, where these are known."""
        self._what, self._number, self._total = what, number, total

    def text(self, seconds: float) -> str:
        """Return the line."""
        far = ""
        if self._total:
            far = f" {self._number:,} of {self._total:,}"
        return f"{CLEAR}{self._what}{far} ({seconds:.0f} s)"


@contextmanager
def ticking(app: App, what: str) -> Iterator[None]:
    """Keep a line on the terminal while a command is at work, after a while.

    It is gone before the answer. A command in JSON, and one whose errors
    go elsewhere, shows nothing and starts no thread.
    """
    if app.out.as_json or not sys.stderr.isatty():
        yield
        return
    import threading  # few commands are looked at while they work

    line, done, clock = _Line(what), threading.Event(), Clock()
    begun_ns = clock.monotonic_ns()

    def tick() -> None:
        is_shown = False
        while not done.wait(EVERY_S):
            sys.stderr.write(line.text((clock.monotonic_ns() - begun_ns) / 1e9))
            sys.stderr.flush()
            is_shown = True
        if is_shown:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()

    # A plan can be checked outside of any repository.
    with suppress(GitcoordError):
        app.work.tell = line.tell
    thread = threading.Thread(target=tick, name="gitcoord-ticking", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
