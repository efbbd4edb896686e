"""The real Codex at a terminal of its own, as a person starts it.

There it works through a server in the background, one for all terminals of
a user, which it starts first from a copy of itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte

from gitcoord.core.codex_flags import trusted_hash
from tests.assistants.install import FOLDER, program
from tests.assistants.programs import environment_of_codex, settings_of_codex
from tests.assistants.scripted_model import ScriptedModel

__all__ = ["CodexTerminal", "codex_user"]

ROWS, COLUMNS = 40, 120
QUESTIONS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62c"}
"""What the program asks its terminal, and what a terminal answers."""
QUESTION = b"|".join(map(re.escape, QUESTIONS))
LONGEST = max(map(len, QUESTIONS)) - 1


@contextmanager
def codex_user(model: ScriptedModel, home: Path, site: Path) -> Iterator[dict[str, str]]:
    """Give the environment of a user who trusts the repository and its hooks.

    The server that terminals leave running ends with the block.
    """
    environment = environment_of_codex(home) | {"TERM": "xterm-256color"}
    folder = home / ".codex"
    folder.mkdir(parents=True, exist_ok=True)
    # The server's copy of the program is large, and the same for every test.
    copies = FOLDER / "codex-server"
    copies.mkdir(exist_ok=True)
    (folder / "packages").symlink_to(copies)
    lines = [f"{key} = {value}" for key, value in settings_of_codex(model).items()]
    # A newer release would be told of before anything else, and an answer waited for.
    lines.insert(0, "check_for_update_on_startup = false")
    lines += [f"[projects.{json.dumps(str(site))}]", 'trust_level = "trusted"']
    # It asks at its start whether a newer model shall be taken.
    lines += ["[notice.model_migrations]", '"gpt-5.5" = "gpt-6-sol"']
    hooks = site / ".codex" / "hooks.json"
    for event, groups in json.loads(hooks.read_text())["hooks"].items():
        for number, group in enumerate(groups):
            key = json.dumps(f"{hooks}:{_snake(event)}:{number}:0")
            lines += [f"[hooks.state.{key}]", f'trusted_hash = "{trusted_hash(event, group)}"']
    (folder / "config.toml").write_text("\n".join(lines) + "\n")
    try:
        yield environment
    finally:
        for name in ("daemon-updater.pid", "daemon.pid"):
            _end(folder / "app-server-daemon" / name)


def _end(file: Path) -> None:
    """End the process that a file of the server's names."""
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)


def _snake(event: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event).lower()


class CodexTerminal:
    """A terminal in which Codex was started with a prompt."""

    def __init__(self, environment: dict[str, str], cwd: Path, prompt: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        # The shell opens its terminal by name, and so becomes its owner.
        opened = 'exec "$0" "$@" <"$(tty)"'
        self.child = subprocess.Popen(
            ["/bin/sh", "-c", opened, program("codex"), prompt],
            cwd=cwd,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def screen(self) -> str:
        """What a person would see now."""
        screen = pyte.Screen(COLUMNS, ROWS)
        pyte.ByteStream(screen).feed(self._shown)
        return "\n".join(line.rstrip() for line in screen.display if line.strip())

    def kill(self) -> None:
        """Kill what was started at the terminal; the server has a session of its own."""
        if self.child.returncode is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
            self._reader.join()
            os.close(self._ours)

    def _read(self) -> None:
        """Take what the program shows, and answer what it asks its terminal."""
        unread = b""
        while True:
            try:
                select.select([self._ours], [], [])
                shown = os.read(self._ours, 65536)
                self._shown += shown
                unread += shown
                # One may come in two parts, and two in one.
                while asked := re.search(QUESTION, unread):
                    os.write(self._ours, QUESTIONS[asked[0]])
                    unread = unread[asked.end() :]
            except (OSError, ValueError):
                return
            if not shown:
                return
            unread = unread[-LONGEST:]
