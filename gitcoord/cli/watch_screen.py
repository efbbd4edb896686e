"""Show a ledger live on a terminal: draw it with rich, read keys, do what they ask.

Commands that a key asks for are run as a person would run them, by a child
of their own: they pass the same door, and say the same.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gitcoord.cli.app import App
from gitcoord.core.errors import GitcoordError
from gitcoord.core.ids import TaskId
from gitcoord.core.screen import Act, Page, Shown, draw, lines_of, press
from gitcoord.git.program import GitError, inherited

__all__ = ["fits", "show"]

FOLLOW_S = 1.0
REST_S = 30.0
STYLES = {
    "title": "bold",
    "head": "bold",
    "needs": "red",
    "stuck": "yellow",
    "running": "cyan",
    "next": "green",
    "note": "magenta",
    "dim": "dim",
    "chosen": "reverse",
}
_SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page-up",
    b"\x1b[6~": "page-down",
    b"\x1b": "escape",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
}


def fits() -> bool:
    """Return whether a person sits at a terminal that can show a screen."""
    from importlib.util import find_spec

    from gitcoord.core.sessions import is_of_assistant, named_session

    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        return False
    session = named_session(os.environ)
    if session is not None and is_of_assistant(session):
        return False
    return find_spec("rich") is not None


def show(app: App) -> None:
    """Show the ledger until a key ends it; the terminal is as before then.

    Raises:
        NotFoundError: There is no such ledger.

    """
    from gitcoord.features.run.notify import notifying

    app.work.ledger.snapshot()
    screen = _Screen(app)
    with (
        notifying(app.start, app.ledger, screen.tell),
        _keys(sys.stdin.fileno()),
        _on_resize(screen.wake),
    ):
        screen.run()


@contextmanager
def _keys(handle: int) -> Iterator[None]:
    """Let keys come one by one and unseen."""
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


@contextmanager
def _on_resize(wake: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: wake())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def keys_in(raw: bytes) -> Iterator[str]:
    """Return the names of the keys that were pressed."""
    while raw:
        known = [one for one in _SEQUENCES if raw.startswith(one)]
        if known:
            longest = max(known, key=len)
            raw = raw[len(longest) :]
            yield _SEQUENCES[longest]
            continue
        text = raw.decode("utf-8", "replace")
        raw = text[1:].encode()
        yield text[0]


class _Screen:
    """The loop: what is told, what is pressed, what a child said."""

    def __init__(self, app: App) -> None:
        from rich.console import Console

        self._app = app
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._shown = Shown()
        self._waking, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._stop = threading.Event()
        self._news: list[dict[str, Any]] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._after: Act | None = None
        self._said: list[str] = []
        self._drawn: Any = None
        self._log_of: TaskId | None = None

    def wake(self) -> None:
        """Let the loop look at once; a full pipe has woken it already."""
        try:
            os.write(self._wake, b"\0")
        except BlockingIOError:
            return

    def tell(self, text: str) -> None:
        """Show a note; another thread may ask for it."""
        self._shown.note = text
        self.wake()

    def run(self) -> None:
        """Draw and read until it is over."""
        from rich.live import Live

        watcher = threading.Thread(target=self._watch, name="gitcoord-screen", daemon=True)
        watcher.start()
        try:
            with Live(console=self._console, screen=True, auto_refresh=False) as live:
                while self._turn(live):
                    pass
        finally:
            self._stop.set()

    def _watch(self) -> None:
        """Read the ledger beside the loop, so that a key never waits for it."""
        from gitcoord.features.run.watch import watch
        from gitcoord.features.workspace import open_workspace

        work = open_workspace(self._app.start, self._app.ledger)
        try:
            for told in watch(work, stop=self._stop):
                self._news.append(told)
                self.wake()
        except (GitcoordError, GitError, OSError) as error:
            self.tell(f"watching ended: {error}")
        finally:
            work.close()

    def _turn(self, live: Any) -> bool:
        self._draw(live)
        wait_s = REST_S
        if self._child is not None or self._log_of is not None:
            wait_s = FOLLOW_S
        keyboard = sys.stdin.fileno()
        ready, _, _ = select.select([keyboard, self._waking], [], [], wait_s)
        if self._waking in ready:
            os.read(self._waking, 4096)
        while self._news:
            self._shown.take(self._news.pop(0))
        self._end_of_child()
        if self._shown.page is None:
            self._log_of = None
        elif self._log_of is not None:
            self._follow(self._log_of, self._shown.page)
        if keyboard in ready:
            raw = os.read(keyboard, 4096)
            return bool(raw) and all(self._press(key) for key in keys_in(raw))
        return True

    def _draw(self, live: Any) -> None:
        """Draw what has changed, and nothing where nothing has."""
        from rich.text import Text

        width, height = self._console.size
        lines = draw(self._shown, width, height)
        now = (width, height, lines)
        if now == self._drawn:
            return
        self._drawn = now
        text = Text(no_wrap=True, overflow="crop", end="")
        for number, line in enumerate(lines):
            if number:
                text.append("\n")
            text.append(line.text, style=" ".join(STYLES[name] for name in line.style.split()))
        live.update(text, refresh=True)

    def _press(self, key: str) -> bool:
        """Do what a key asks for; return whether to go on."""
        act = press(self._shown, key, self._console.size.height)
        if act is None:
            return True
        if act.kind == "quit":
            return False
        try:
            self._do(act)
        except (GitcoordError, GitError, OSError) as error:
            self._shown.note = str(error)
        return True

    def _do(self, act: Act) -> None:
        from gitcoord.features.run.looking import diff_of

        if act.kind == "diff":
            text = diff_of(self._app.work, TaskId(act.words[0]))
            self._shown.page = Page(f"diff of {act.words[0]}", list(lines_of(text)))
        elif act.kind == "log":
            self._log_of = TaskId(act.words[0])
            self._shown.page = Page(f"log of {act.words[0]}", [], is_followed=True)
            self._follow(self._log_of, self._shown.page)
        elif self._child is not None:
            self._shown.note = "one command is at work already"
        elif act.kind == "show":
            self._start(act, ("show", act.words[0]))
        else:
            self._start(act, act.words)

    def _follow(self, task: TaskId, page: Page) -> None:
        from gitcoord.features.run.looking import log_text

        page.lines = list(lines_of(log_text(self._app.work, task)))

    def _start(self, act: Act, words: tuple[str, ...]) -> None:
        """Begin a command; what it says is shown when it has ended."""
        where = ("-C", str(self._app.start), "--ledger", self._app.ledger)
        role: tuple[str, ...] = ()
        if self._app.as_orchestrator:
            role = ("--as-orchestrator",)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "gitcoord", *where, *role, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=inherited(),
        )
        self._after = act
        self._shown.note = f"gitcoord {' '.join(words)} ..."
        threading.Thread(target=self._wait_for, args=(self._child,), daemon=True).start()

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        """Read a command to its end beside the loop: a full pipe would stop it."""
        out, _ = child.communicate()
        self._said.append(out.decode("utf-8", "replace"))
        self.wake()

    def _end_of_child(self) -> None:
        if not self._said or self._after is None:
            return
        act, said = self._after, lines_of(self._said.pop())
        self._child, self._after = None, None
        if act.kind == "show":
            self._shown.note = ""
            self._shown.page = Page(f"task {act.words[0]}", list(said))
        else:
            self._shown.note = " ".join(said) or "done"
