"""Remember operations that are under way, and settle those of the dead.

A file per operation names its entry's id and its writer's process. It is
written before the swap and removed after the answer, so that whatever
kills the writer, the agent's next command can say what became of it. The
same files tell healing which writers live.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from gitcoord.core.errors import CorruptError
from gitcoord.core.messages import parse
from gitcoord.host.processes import identity, is_alive
from gitcoord.ledger.files import read_json, write_json
from gitcoord.store.protocol import MissingObjectError, Store

__all__ = ["PendingFiles", "Settled", "find_entry"]


class Settled(NamedTuple):
    """What became of an operation whose writer died."""

    entry_id: str
    op: str
    task: str
    token: str
    is_applied: bool
    entry: str


def chain(store: Store, tip: str | None, until: str | None) -> Iterator[tuple[str, str]]:
    """Walk entries from a tip back to (and without) ``until``: oid, message."""
    oid = tip
    while oid is not None and oid != until:
        entry = store.read_entry(oid)
        yield oid, entry.message
        oid = entry.parents[0] if entry.parents else None


def find_entry(store: Store, tip: str | None, until: str | None, entry_id: str) -> str | None:
    """Return the oid of the entry with an id, seeking back from a tip."""
    needle = f"Gitcoord-Id: {entry_id}\n"
    for oid, message in chain(store, tip, until):
        if needle in message:
            try:
                if parse(message, oid)["id"] == entry_id:
                    return oid
            except CorruptError:
                continue
    return None


class PendingFiles:
    """The operations under way of every agent of one ledger."""

    __slots__ = ("_in_flight", "folder")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._in_flight: set[str] = set()

    def _path(self, agent: str, entry_id: str) -> Path:
        return self.folder / agent / f"{entry_id}.json"

    def begin(self, agent: str, entry_id: str, facts: dict[str, Any]) -> None:
        """Record an operation, before its swap."""
        self._in_flight.add(entry_id)
        write_json(self._path(agent, entry_id), {"process": identity(), "id": entry_id, **facts})

    def touch(self, agent: str, entry_id: str) -> None:
        """Say that no try of this operation is under way just now.

        Between two tries: a lock that stands already is another's.
        """
        with suppress(OSError):
            os.utime(self._path(agent, entry_id))

    def end(self, agent: str, entry_id: str, *, is_known: bool = True) -> None:
        """Forget an operation whose outcome is known; keep one that is not."""
        self._in_flight.discard(entry_id)
        if is_known:
            # A file that stays only makes the next command look once more.
            with suppress(OSError):
                self._path(agent, entry_id).unlink()

    def settle(self, store: Store, agent: str, tip: str | None, attic: list[str]) -> list[Settled]:
        """Find out what became of this agent's operations of dead writers.

        ``not applied`` is said only once the tip that the writer saw was
        replaced; until then its file stays.
        """
        settled = []
        for path, facts in self._of_dead(agent):
            entry_id, seen = path.stem, facts.get("tip")
            entry = self._find(store, [tip, *attic], seen, entry_id)
            if entry is None and tip == seen:
                continue
            settled.append(
                Settled(
                    entry_id,
                    str(facts.get("op")),
                    str(facts.get("task", "")),
                    str(facts.get("token", "")),
                    entry is not None,
                    entry or "",
                )
            )
            path.unlink(missing_ok=True)
        return settled

    def left_locked(self, agent: str) -> set[str]:
        """Name the refs that this agent's dead writers may have left locked."""
        return {
            ref
            for _, facts in self._of_dead(agent)
            for ref in facts.get("verified", ())
            if isinstance(ref, str)
        }

    def _of_dead(self, agent: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in sorted((self.folder / agent).glob("*.json")):
            facts = read_json(path)
            if facts is None or path.stem in self._in_flight:
                continue
            process = str(facts.get("process", ""))
            if process == identity() or is_alive(process) is False:
                yield path, facts

    def _find(
        self, store: Store, tips: list[str | None], until: str | None, entry_id: str
    ) -> str | None:
        for start in tips:
            try:
                found = find_entry(store, start, until, entry_id)
            except MissingObjectError:
                continue
            if found is not None:
                return found
        return None
