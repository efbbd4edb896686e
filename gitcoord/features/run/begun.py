"""Note the runs of a ledger on this machine, so that one takes over what a dead one left.

Several runs work on one ledger at once: each agent's name is a seat that one
living run holds. A note beside them says that a run goes on. A note without
a living writer is that of a run which was killed, and the next one says so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import NO_AGENT, NO_TASK, AgentId
from gitcoord.features.run.reviews import Note
from gitcoord.features.workspace import Workspace
from gitcoord.host.live_files import LiveFile, is_at_work
from gitcoord.host.processes import identity
from gitcoord.host.seats import Seat, take_seat
from gitcoord.ledger.files import read_json, unwritten

__all__ = ["PREFIX", "Begun", "is_of_run", "runs_folder", "slot"]

PREFIX = "run-"


def is_of_run(agent: AgentId) -> bool:
    """Return whether an agent is one that a run adds."""
    return agent.startswith(PREFIX)


def runs_folder(work: Workspace) -> Path:
    """Return the folder of the notes of runs and of the names that they hold."""
    return work.ledger.files.root / "runs" / work.ledger.name


class Begun:
    """A run that goes on here: its note, and the names that it holds."""

    def __init__(self, work: Workspace) -> None:
        self._folder = runs_folder(work)
        self._seats: list[Seat] = []
        token = work.clock.token()[:12]
        self._note = LiveFile(self._folder / f"{token}.json")

    def begin(self, work: Workspace, command: Sequence[str]) -> list[Note]:
        """Note that a run goes on, and return what is to be told of others.

        Raises:
            UnavailableError: The note cannot be written.

        """
        facts = {
            "process": identity(),
            "at": work.clock.seconds(),
            "command": [*command][:20],
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._note.write(json.dumps(facts, sort_keys=True).encode())
        except OSError as error:
            raise unwritten(self._note.path, error) from None
        # Looked at afterwards: of two that begin together at least one sees the other.
        return self._told_of_others(work)

    def _told_of_others(self, work: Workspace) -> list[Note]:
        living, dead = 0, 0
        for path in sorted(self._folder.glob("*.json")):
            if path == self._note.path:
                continue
            if is_at_work(path, read_json(path) or {}):
                living += 1
            else:
                dead += 1
                path.unlink(missing_ok=True)
        notes = []
        if dead:
            notes.append(Note(NO_AGENT, NO_TASK, "resumes", _left_by_dead(work, dead)))
        if living:
            text = f"{living} other run(s) on this ledger go on beside this one"
            notes.append(Note(NO_AGENT, NO_TASK, "beside", text))
        return notes

    def name(self) -> AgentId:
        """Return the next agent's name that no living run has.

        Raises:
            UnavailableError: The folder of the names cannot be written.

        """
        try:
            seat = take_seat(self._folder, PREFIX)
        except OSError as error:
            raise unwritten(Path(self._folder), error) from None
        self._seats.append(seat)
        return AgentId(f"{PREFIX}{seat.number}")

    def end(self) -> None:
        """Forget the note, and let others have the names."""
        self._note.remove()
        while self._seats:
            self._seats.pop().leave()


def _left_by_dead(work: Workspace, dead: int) -> str:
    held = [
        task["id"]
        for task in work.ledger.snapshot().live()
        if task["claim"] is not None and is_of_run(task["claim"]["agent"])
    ]
    text = f"what {dead} earlier run(s) left that did not come to their end"
    if held:
        text += f"; {len(held)} claim(s) are given back and begun anew: {', '.join(held[:5])}"
    return text


def slot(folder: Path) -> Seat:
    """Take a number that no other agent of a run of this user has on this machine.

    Raises:
        UnavailableError: The folder cannot be written.

    """
    try:
        return take_seat(folder, first=0)
    except OSError as error:
        raise UnavailableError(
            f"{folder} cannot be written: {error.strerror}",
            hint="name a folder that can be, in XDG_STATE_HOME: the numbers of agents are there",
        ) from None
