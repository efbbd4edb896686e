"""Remember operations that are under way, and settle those of dead writers.

A file per operation names its entry's id and its writer's process. It is
written before the swap, held while the writer is at work, and removed after
the answer, so that whatever kills the writer, the agent's next command can
say what became of it. The same files tell
which writers live, to those that find a lock in the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gitcoord.core import ids
from gitcoord.core.errors import CorruptError
from gitcoord.core.ids import NO_AGENT, NO_OID, AgentId, Oid, TaskId, Token
from gitcoord.core.messages import parse
from gitcoord.host.live_files import LiveFile, is_at_work
from gitcoord.host.processes import identity
from gitcoord.ledger.files import read_json, unwritten
from gitcoord.store.protocol import MissingObjectError, Store
from gitcoord.store.stale_locks import record_files

__all__ = ["HINTS", "PendingFiles", "Settled", "chain", "find_entry", "verified_refs"]

HINTS = AgentId(".refs")
"""In place of an agent's name: operations on refs that are hints."""


class Settled(NamedTuple):
    """What became of an operation whose writer died."""

    entry_id: str
    op: str
    task: TaskId
    token: Token
    is_applied: bool
    entry: Oid


def chain(store: Store, tip: Oid | None, until: Oid | None) -> Iterator[tuple[Oid, str]]:
    """Walk entries from a tip back to (and without) ``until``: oid, message."""
    oid = tip
    while oid is not None and oid != until:
        entry = store.read_entry(oid)
        yield oid, entry.message
        oid = None
        if entry.parents:
            oid = entry.parents[0]


def find_entry(store: Store, tip: Oid | None, until: Oid | None, entry_id: str) -> Oid | None:
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

    __slots__ = ("_own", "folder")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own: dict[str, LiveFile] = {}

    def begin(self, agent: AgentId, entry_id: str, facts: dict[str, Any]) -> None:
        """Record an operation, before its swap.

        Raises:
            UnavailableError: It cannot be written.

        """
        path = self.folder / agent / f"{entry_id}.json"
        file = self._own.setdefault(entry_id, LiveFile(path))
        content = {"process": identity(), "id": entry_id, **facts}
        try:
            file.write(json.dumps(content, sort_keys=True).encode())
        except OSError as error:
            raise unwritten(path, error) from None

    def touch(self, entry_id: str) -> None:
        """Record that no try of this operation is under way just now.

        Between two tries: a lock that stands already is another's.
        """
        self._own[entry_id].touch()

    def end(self, entry_id: str, *, is_known: bool = True) -> None:
        """Forget an operation whose outcome is known; leave one that is not."""
        file = self._own.pop(entry_id, None)
        if file is None:
            return
        if is_known:
            # A file that stays only makes the next command look once more.
            file.remove()
        else:
            file.leave()

    def own(self) -> set[Path]:
        """Return the files of the operations that are under way by us."""
        return {file.path for file in list(self._own.values())}

    def settle(
        self,
        store: Store,
        agent: AgentId,
        tip: Oid | None,
        attic: list[Oid],
        is_locked: Callable[[str], bool],
    ) -> list[Settled]:
        """Find out what became of this agent's operations of dead writers.

        ``not applied`` is told only once the tip that the writer saw was
        replaced; until then its file stays. ``is_locked`` tells whether a ref
        that the writer only verified may still be locked by it: as long as
        one is, its file is kept among those of hints, for it alone tells
        whose that lock is.
        """
        settled = []
        for path, facts in self.of_dead(agent):
            entry_id, seen = path.stem, facts.get("tip")
            if seen is not None and not ids.is_oid(seen):
                path.unlink(missing_ok=True)
                continue
            entry = self._find(store, [tip, *attic], seen, entry_id)
            if entry is None and tip == seen:
                continue
            op = str(facts.get("op", ""))
            task, token = TaskId(str(facts.get("task", ""))), Token(str(facts.get("token", "")))
            settled.append(Settled(entry_id, op, task, token, entry is not None, entry or NO_OID))
            if any(map(is_locked, verified_refs(facts))):
                kept = self.folder / HINTS / path.name
                kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.replace(kept)
            else:
                path.unlink(missing_ok=True)
        return settled

    def of_dead(self, agent: AgentId = NO_AGENT) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Read the files of dead writers, by default of every agent."""
        own = self.own()
        if agent:
            paths = record_files(self.folder / agent, depth=0)
        else:
            paths = record_files(self.folder, depth=1)
        for path in paths:
            facts = read_json(path)
            if facts is not None and path not in own and not is_at_work(path, facts):
                yield path, facts

    def _find(
        self, store: Store, tips: list[Oid | None], until: Oid | None, entry_id: str
    ) -> Oid | None:
        for start in tips:
            try:
                entry = find_entry(store, start, until, entry_id)
            except MissingObjectError:
                continue
            if entry is not None:
                return entry
        return None


def verified_refs(facts: dict[str, Any]) -> list[str]:
    """Return the refs that an operation only verifies at its swap."""
    named = facts.get("verified")
    if not isinstance(named, list):
        return []
    return [ref for ref in named if ids.is_ref(ref)]
