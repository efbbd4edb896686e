"""Tell whether a session still lives: by its name, its process, or its own word.

The ledger holds a session's name alone. Which process an assistant's session
is, and whether it told its end, is known on its machine only, in one small
file for each; where that cannot be told, its lease decides.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gitcoord.core.sessions import VARIABLES, is_named, is_of_assistant
from gitcoord.ledger.files import read_json, write_json

__all__ = ["SessionFiles", "note_session"]

MAX_FILES = 500


class SessionFiles:
    """The files of the assistants' sessions that this machine has seen."""

    __slots__ = ("folder",)

    def __init__(self, common_dir: Path) -> None:
        self.folder = common_dir / "gitcoord" / "sessions"

    def record(self, session: str, process: str | None) -> None:
        """Note that a session is at work, and in which process.

        Where the process cannot be seen, the one that is known stays.

        Raises:
            UnavailableError: The file cannot be written; the session's lease
                decides then, as it does without one.

        """
        path = self._path(session)
        known = read_json(path) or {}
        value = {"session": session, "process": process or known.get("process")}
        if known != value:
            self._drop_oldest()
            write_json(path, value)

    def end(self, session: str) -> None:
        """Note that a session told its end.

        Raises:
            UnavailableError: The file cannot be written; the session's
                process tells its end then.

        """
        path = self._path(session)
        known = read_json(path) or {}
        write_json(path, {**known, "session": session, "is_over": True})

    def settle(self, session: str) -> None:
        """Write down that a session is over, where that can be told from here.

        A hook sees processes that the same assistant's shell, in a sandbox
        with process numbers of its own, does not; that one reads the file.

        Raises:
            UnavailableError: The file cannot be written.

        """
        if is_of_assistant(session) and self.is_over(session):
            self.end(session)

    def is_over(self, session: str) -> bool | None:
        """Return whether a session has ended; None where that cannot be told."""
        from gitcoord.host.processes import is_alive

        if is_named(session):
            return None
        process: object = session
        if is_of_assistant(session):
            known = read_json(self._path(session)) or {}
            if known.get("session") == session and known.get("is_over"):
                return True
            process = known.get("process")
        if not isinstance(process, str):
            return None
        lives = is_alive(process)
        if lives is None:
            return None
        return not lives

    def _path(self, session: str) -> Path:
        from gitcoord.core.hashing import sha256

        name = sha256(session.encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / f"{name}.json"

    def _drop_oldest(self) -> None:
        """Keep the folder small: the oldest sessions were over long ago."""
        with suppress(OSError):
            paths = list(self.folder.glob("*.json"))
            if len(paths) < MAX_FILES:
                return
            paths.sort(key=lambda path: path.stat().st_mtime_ns)
            for path in paths[: MAX_FILES // 2]:
                path.unlink(missing_ok=True)


def note_session(common_dir: Path, session: str) -> None:
    """Remember in which process an assistant's session is at work.

    Raises:
        UnavailableError: The file cannot be written.

    """
    from gitcoord.host.ancestors import launcher_of

    variables = {name: os.environ[name] for name in VARIABLES.values() if os.environ.get(name)}
    process = None
    if variables:
        process = launcher_of(variables)
    SessionFiles(common_dir).record(session, process)
