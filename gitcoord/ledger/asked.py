"""Keep the requests that wait for another's turn, and the answers to them.

A request is a live file: who asks holds it, so that the dead are told from
the living. Whoever has the turn takes it by its name before anything can
have happened, so that no later turn decides it again; who asked takes it
back by its name, too, before it writes by itself. Of any two of them one
finds the name gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import errors, ids
from gitcoord.core.errors import GitcoordError
from gitcoord.core.ids import AgentId, Oid
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.shared_turns import VERSION, Asked, parse_asked
from gitcoord.host.live_files import LiveFile, is_at_work
from gitcoord.ledger.files import read_json, unwritten, write_json
from gitcoord.ledger.pending import PendingFiles

__all__ = ["Answer", "AskedFiles", "Question"]

_WAITING, _TAKEN, _ANSWER = ".json", ".taken", ".answer"


class Answer(NamedTuple):
    """What became of a request: its entry, or a refusal; with neither it is its owner's."""

    entry: Oid | None = None
    refusal: GitcoordError | None = None


class Question:
    """One request of ours, from when it is asked until it is over."""

    __slots__ = ("_answer", "_base", "_file", "agent", "entry_id", "seen")

    def __init__(self, folder: Path, agent: AgentId, entry_id: str, seen: Oid) -> None:
        self.agent = agent
        self.entry_id = entry_id
        self.seen = seen
        self._base = _base(folder, agent, entry_id)
        self._file = LiveFile(Path(self._base + _WAITING))
        self._answer = self._base + _ANSWER

    def ask(self, facts: Mapping[str, Any]) -> None:
        """Lay the request where whoever has the turn finds it.

        Raises:
            UnavailableError: It cannot be written: nothing was asked.

        """
        try:
            self._file.write(json.dumps(facts, sort_keys=True).encode())
        except OSError as error:
            raise unwritten(self._file.path, error) from None

    def is_answered(self) -> bool:
        """Return whether there is an answer."""
        return os.path.exists(self._answer)

    def answer(self) -> Answer | None:
        """Return the answer; None where there is none that can be read."""
        facts = read_json(self._answer)
        if facts is None:
            return None
        return _parsed(facts)

    def withdraw(self, pending: PendingFiles) -> bool:
        """Take the request back, and make it a pending operation of ours, in one step.

        Returns whether nobody took it. One that was taken may still be published, by
        who read the tip before that: who withdraws reads the tip afterwards.
        """
        for kind in (_WAITING, _TAKEN, _WAITING):
            # Whoever took it may put it back between two looks.
            self._file.path = Path(self._base + kind)
            if self._file.path.exists() and pending.adopt(self.agent, self.entry_id, self._file):
                break
        else:
            kind = _TAKEN
        with suppress(OSError):
            os.unlink(self._answer)
        return kind == _WAITING

    def end(self) -> None:
        """Forget a request that was answered."""
        for kind in (_TAKEN, _ANSWER):
            with suppress(OSError):
                os.unlink(self._base + kind)
        self._file.leave()

    def leave(self) -> None:
        """Leave the request as that of a dead process: it is settled later."""
        self._file.leave()


class AskedFiles:
    """The requests of every agent of one ledger."""

    __slots__ = ("folder",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def question(self, agent: AgentId, entry_id: str, seen: Oid) -> Question:
        """Return a request of ours that is not asked yet."""
        return Question(self.folder, agent, entry_id, seen)

    def waiting(self) -> list[Asked]:
        """Read the requests of living processes that nobody took yet."""
        found = []
        for path in self._named_so(_WAITING):
            facts = read_json(path)
            asked = parse_asked(facts or {})
            if facts is None or asked is None or path != self._path(asked, _WAITING):
                continue
            if is_at_work(path, facts):
                found.append(asked)
        return found

    def take(self, asked: Asked) -> bool:
        """Take a request for our turn; False where it was taken back."""
        try:
            os.rename(self._path(asked, _WAITING), self._path(asked, _TAKEN))
        except OSError:
            return False
        return True

    def put_back(self, asked: Asked) -> None:
        """Let a request wait on, after a swap that provably did nothing."""
        with suppress(OSError):
            os.rename(self._path(asked, _TAKEN), self._path(asked, _WAITING))

    def give(self, asked: Asked, answer: Answer) -> None:
        """Answer a request; where that fails its owner looks for its entry."""
        facts: dict[str, Any] = {"version": VERSION, "entry": answer.entry}
        if answer.refusal is not None:
            refusal = answer.refusal
            facts["refusal"] = {
                "code": refusal.code,
                "message": refusal.message,
                "hint": refusal.hint,
                "facts": refusal.facts,
            }
        place = self._path(asked, _ANSWER)
        with suppress(GitcoordError, OSError):
            write_json(place, facts)
            if not os.path.exists(self._path(asked, _TAKEN)):
                # Taken back meanwhile: nobody waits for an answer.
                os.unlink(place)

    def hand_over(self, agent: AgentId, pending: Path) -> None:
        """Make what an agent's dead processes asked pending operations of theirs.

        From then on no turn begins with it; ``PendingFiles.settle`` tells what became of it.
        """
        for path, entry_id in self._of(agent):
            if is_at_work(path, read_json(path) or {}):
                continue
            with suppress(OSError):
                (pending / agent).mkdir(mode=0o700, parents=True, exist_ok=True)
                os.replace(path, pending / agent / f"{entry_id}.json")
                os.unlink(_base(self.folder, agent, entry_id) + _ANSWER)

    def is_asked(self, agent: AgentId, entry_id: str) -> bool:
        """Return whether an agent asked for an entry, and nobody ended that yet."""
        base = _base(self.folder, agent, entry_id)
        # Whoever took it may put it back between two looks.
        return any(os.path.exists(base + kind) for kind in (_WAITING, _TAKEN, _WAITING))

    def _of(self, agent: AgentId) -> Iterator[tuple[str, str]]:
        """List the requests of an agent: their files and entry ids."""
        for kind in (_WAITING, _TAKEN):
            for path in self._named_so(kind):
                name = os.path.basename(path)
                owner, _, entry_id = name.removesuffix(kind).rpartition(".")
                if owner == agent and ids.is_id(entry_id):
                    yield path, entry_id

    def _path(self, asked: Asked, kind: str) -> str:
        return _base(self.folder, asked.agent, asked.id) + kind

    def _named_so(self, kind: str) -> Iterator[str]:
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries]
        except OSError:
            return
        for name in sorted(names):
            if name.endswith(kind) and not name.startswith("."):
                yield f"{self.folder}/{name}"


def _base(folder: Path, agent: AgentId, entry_id: str) -> str:
    """Return the path of a request's files, without what tells them apart.

    A text: a turn looks at a hundred such files, and to make a ``Path`` of each takes longer.
    """
    return f"{folder}/{agent}.{entry_id}"


def _parsed(facts: Mapping[str, Any]) -> Answer | None:
    """Read an answer's file; None where it is not one that this version understands."""
    if facts.get("version") != VERSION:
        return None
    entry, refusal = facts.get("entry"), facts.get("refusal")
    if ids.is_oid(entry):
        return Answer(entry=Oid(str(entry)))
    if entry is None and refusal is None:
        return Answer()
    if entry is None and isinstance(refusal, dict):
        return Answer(refusal=_error_of(refusal))
    return None


def _error_of(told: Mapping[str, Any]) -> GitcoordError | None:
    """Make a refusal's error again."""
    known = {kind.code: kind for kind in errors.ERRORS}
    kind = known.get(str(told.get("code")))
    facts = told.get("facts")
    if kind is None or not isinstance(facts, dict):
        return None
    error = kind.__new__(kind)
    GitcoordError.__init__(error, str(told.get("message", "")), hint=str(told.get("hint", "")))
    error.facts = facts
    if isinstance(error, errors.RefusedError):
        error.reason = facts.get("reason", "state")
    return error
