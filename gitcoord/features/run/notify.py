"""Tell the user's own program what happened: who is needed, landed, failed, done.

The program is named in the user's configuration folder and nowhere else:
what lies in a repository never names a program. It gets one event line on
standard input. A cursor of this machine keeps how far it was told, and
moves after the program ended well: each event is told at least once.
"""

from __future__ import annotations

import json
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gitcoord.core.errors import GitcoordError, NotFoundError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.features.inspect.chain import Link
from gitcoord.features.inspect.events import event_line, events_after
from gitcoord.features.work.wait import wait_for_change
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.program import GitError, end_child, inherited
from gitcoord.host.user_folder import user_folder
from gitcoord.ledger.files import read_json, write_json
from gitcoord.store.queue import QueueLock

__all__ = ["KINDS", "Notifier", "Notify", "configured", "kinds_of", "notifying"]

KINDS = ("needs-you", "failed", "landed", "done")
TIMEOUT_S = 30.0
LONGEST_WAIT_S = 60.0
LAST_S = 2 * TIMEOUT_S
_FAILURES = frozenset({"fail", "reject", "reopen"})


class Notify(NamedTuple):
    """What the user asked for: a shell command, and the kinds of events."""

    command: str
    kinds: tuple[str, ...]


def configured() -> Notify | None:
    """Return what the user's ``notify.toml`` says; None where there is none.

    Raises:
        UsageError: It says something else than a command and known kinds.

    """
    path = user_folder() / "notify.toml"
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from None
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, str(error)) from None
    command, kinds = found.pop("command", None), found.pop("events", list(KINDS))
    if found:
        raise _unreadable(path, f"{min(found)} is not a known key")
    if not isinstance(command, str) or not command.strip():
        raise _unreadable(path, "command has to be a shell command")
    if not isinstance(kinds, list) or not set(map(str, kinds)) <= set(KINDS):
        raise _unreadable(path, f"events has to list some of {', '.join(KINDS)}")
    return Notify(command, tuple(kinds))


def _unreadable(path: Path, what: str) -> UsageError:
    return UsageError(
        f"{path} cannot be used: {what}",
        hint='it has a line such as command = "cat >> ~/events", and may have events = ["done"]',
    )


def kinds_of(work: Workspace, link: Link) -> list[str]:
    """Return what an entry is to the user; nothing for most of them."""
    event = link.event
    found = set()
    parts = [event]
    if event["op"] == "batch":
        parts = event["events"]
    if any(map(_is_failure, parts)):
        found.add("failed")
    if event["op"] == "land-done":
        found.add("landed")
    now = work.ledger.snapshot(link.oid)
    if link.parent is not None and event["op"] != "rollback":
        then = work.ledger.snapshot(link.parent)
        if set(now.names("escalations")) - set(then.names("escalations")):
            found.add("needs-you")
    if event["op"] == "land-abort" or (event["op"] == "gate" and "failed" in found):
        found.add("needs-you")
    if event["op"] == "land-done" and all(one["state"] == "landed" for one in now.phases()):
        found.add("done")
    return [kind for kind in KINDS if kind in found]


def _is_failure(event: Event) -> bool:
    """Return whether an attempt, a check or a gate failed by an event."""
    if event["op"] in {"gate", "check"}:
        return bool(event["verdict"] != "passed")
    return bool(event["op"] in _FAILURES or event.get("expired") or event.get("takeover"))


class Notifier:
    """Tells the user's program what comes, from where it stopped last time."""

    def __init__(self, work: Workspace, notify: Notify, tell: Callable[[str], None]) -> None:
        self._work = work
        self._notify = notify
        self._tell = tell
        root, ledger = work.ledger.files.root, work.ledger.name
        self._cursor = root / "notify" / f"{ledger}.json"
        self._turn = QueueLock(root / "locks" / f"{ledger}.notify")

    def begin(self) -> None:
        """Begin at the newest entry, where nothing was ever told here."""
        if read_json(self._cursor) is None:
            self._keep(self._work.ledger.snapshot().oid)

    def _keep(self, entry: Oid) -> None:
        write_json(self._cursor, {"entry": entry})

    def tell_all(self) -> None:
        """Tell everything that came since; another process may be at it already.

        If the program fails, what it was told is told again next time.
        """
        with self._turn.hold(0) as is_ours:
            if is_ours:
                self._tell_all()

    def _tell_all(self) -> None:
        tip = self._work.ledger.snapshot().oid
        cursor = (read_json(self._cursor) or {}).get("entry")
        try:
            links = events_after(self._work, tip, Oid(str(cursor)))
        except NotFoundError as error:
            self._tell(f"notifications begin anew: {error.message}")
            links = []
            self._keep(tip)
        for link in links:
            kinds = [kind for kind in kinds_of(self._work, link) if kind in self._notify.kinds]
            if kinds and not self._run({"kinds": kinds, **event_line(self._work, link)}):
                return
            self._keep(link.oid)

    def _run(self, line: dict[str, Any]) -> bool:
        """Run the program on one event; return whether it ended well."""
        child = subprocess.Popen(  # noqa: S602 - the user's own command, from the user's folder
            self._notify.command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=inherited(),
            start_new_session=True,
        )
        try:
            child.communicate(json.dumps({"schema": 1, **line}).encode() + b"\n", TIMEOUT_S)
        except subprocess.TimeoutExpired:
            end_child(child, is_group=True)
            self._tell(f"the notify command took longer than {TIMEOUT_S:.0f} s and was ended")
            return False
        if child.returncode:
            self._tell(f"the notify command ended with status {child.returncode}")
        return child.returncode == 0

    def keep_telling(self, stop: threading.Event) -> None:
        """Tell what comes until it is stopped, and what is left then."""
        while not stop.is_set():
            tip = self._work.ledger.tip()
            self.tell_all()
            wait_for_change(self._work, tip, LONGEST_WAIT_S, stop)
        self.tell_all()


@contextmanager
def notifying(start: Path, ledger: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell the user's program while something goes on, and what is left at its end.

    Whatever goes wrong with it is told, and is not the end of the rest.

    Raises:
        UsageError: The user's file says something else than it may.

    """
    notify = configured()
    if notify is None:
        yield
        return
    work, stop = open_workspace(start, ledger), threading.Event()
    notifier = Notifier(work, notify, tell)
    notifier.begin()

    def keep_telling() -> None:
        try:
            notifier.keep_telling(stop)
        except (GitcoordError, GitError, OSError) as error:
            tell(f"notifications ended: {error}")

    thread = threading.Thread(target=keep_telling, name="gitcoord-notify", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LAST_S)
        work.close()
