"""Remember operations that are under way, and settle those of dead writers.

A file per operation names its entry's id and its writer's process. It is
written before the swap, held while the writer is at work, and removed after
the answer, so that whatever kills the writer, the agent's next command can
say what became of it. The same files tell
which writers live, to those that find a lock in the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import CorruptError, UnavailableError, UnknownError
from gitcoord.core.events import Event
from gitcoord.core.ids import NO_AGENT, NO_OID, AgentId, Oid, TaskId, Token
from gitcoord.core.messages import parse
from gitcoord.core.shapes import NamedTuple
from gitcoord.host.live_files import LiveFile, is_at_work
from gitcoord.host.processes import identity
from gitcoord.host.remedies import remedy
from gitcoord.ledger.files import read_json, unwritten, write_json
from gitcoord.store.protocol import ContendedError, MissingObjectError, Store
from gitcoord.store.stale_locks import record_files

__all__ = [
    "HINTS",
    "PendingFiles",
    "Settled",
    "chain",
    "event_of",
    "find_entry",
    "find_since",
    "settle_swap",
    "verified_refs",
]

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


def find_since(
    store: Store, tip: Oid | None, seen: Oid, entry_id: str, left: Callable[[], Iterable[Oid]]
) -> Oid | None:
    """Return the oid of the entry with an id that was published since a tip was seen.

    ``left`` lists what rollbacks left, which is asked where there was one since.
    """
    last = None
    for oid, _ in chain(store, tip, seen):
        last = oid
    entry = find_entry(store, tip, seen, entry_id)
    if entry is not None or last is None or seen in store.read_entry(last).parents:
        return entry
    for start in left():
        entry = find_entry(store, start, seen, entry_id)
        if entry is not None:
            return entry
    return None


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
        path = self.folder.joinpath(agent, f"{entry_id}.json")
        file = self._own.setdefault(entry_id, LiveFile(path))
        content = {"process": identity(), "id": entry_id, **facts}
        try:
            file.write(json.dumps(content, sort_keys=True).encode())
        except OSError as error:
            raise unwritten(path, error) from None

    def adopt(self, agent: AgentId, entry_id: str, file: LiveFile) -> bool:
        """Take over the record of an operation that was asked of others until now.

        In one step: from then on nobody else begins with it. Returns False where
        the record has another name by now.
        """
        path = self.folder.joinpath(agent, f"{entry_id}.json")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.rename(path)
        except OSError:
            return False
        self._own[entry_id] = file
        return True

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
        *,
        is_alone: bool = False,
        may_be_late: bool = False,
    ) -> list[Settled]:
        """Find out what became of this agent's operations of dead writers.

        ``not applied`` is told only once the tip that the writer saw was
        replaced; until then its file stays. ``is_locked`` tells whether a ref
        that the writer only verified may still be locked by it: as long as
        one is, its file is kept among those of hints, for it alone tells
        whose that lock is. What was asked of others may be under way as long as
        anybody has the turn: it is settled only where the tip was read in a turn
        of ours (``is_alone``). Where swaps ``may_be_late``, that of a dead process
        may come even then, until the ledger moves on from the tip of our turn.
        """
        settled = []
        for path, facts in self.of_dead(agent):
            entry_id, seen = path.stem, facts.get("tip")
            if seen is not None and not ids.is_oid(seen):
                path.unlink(missing_ok=True)
                continue
            if _was_asked(facts) and not is_alone:
                continue
            entry = self._find(store, [tip, *attic], seen, entry_id)
            if entry is None and may_be_late and _was_asked(facts) and "last" not in facts:
                # Whoever took it had read its tip before: from no later one it can come.
                write_json(path, {**facts, "last": tip})
                continue
            if entry is None and tip == facts.get("last", seen):
                continue
            op = str(facts.get("op", ""))
            task, token = TaskId(str(facts.get("task", ""))), Token(str(facts.get("token", "")))
            if entry is not None:
                # Whoever decided it chose the task: what we would have chosen says nothing.
                task = TaskId(parse(store.read_entry(entry).message, entry).get("task", ""))
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

    def was_any_asked(self, agent: AgentId) -> bool:
        """Return whether dead processes of an agent asked others for something."""
        return any(_was_asked(facts) for _, facts in self.of_dead(agent))

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


def _was_asked(facts: dict[str, Any]) -> bool:
    """Return whether an operation was asked of others, and not begun by its own agent."""
    return isinstance(facts.get("request"), dict)


def settle_swap(
    store: Store, ref: str, tip: Oid | None, entry: Oid, event: Event, error: Exception
) -> None:
    """Find out at once, by reading, whether a swap that failed oddly took place.

    Raises:
        ContendedError: It did not: another writer was faster.
        UnavailableError: It did not, and nobody else wrote.
        UnknownError: The ledger cannot be read.

    """
    try:
        store.refresh()
        now = store.read_ref(ref)
        if now == entry or find_entry(store, now, tip, event["id"]) is not None:
            return
    except (OSError, MissingObjectError, UnavailableError):
        now = NO_OID
    if now == tip:
        raise UnavailableError(
            f"the ledger could not be written: {error}",
            hint=remedy(error),
        ) from None
    if now:
        raise ContendedError(ref) from None
    raise UnknownError(
        f"the outcome of {event['op']} is not known: {error}",
        hint="this agent's next command settles it before it does anything else",
        entry_id=event["id"],
    ) from None


def event_of(store: Store, entry: Oid, entry_id: str) -> Event:
    """Return the event of an entry that is said to be ours.

    Raises:
        UnknownError: It is not: what became of ours is settled later.

    """
    event = parse(store.read_entry(entry).message, entry)
    if event["id"] != entry_id:
        raise UnknownError(
            f"{entry} is said to be the entry of {entry_id}, and is another",
            hint="`gitcoord verify` looks at the chain",
            entry_id=entry_id,
        )
    return event


def verified_refs(facts: dict[str, Any]) -> list[str]:
    """Return the refs that an operation only verifies at its swap."""
    named = facts.get("verified")
    if not isinstance(named, list):
        return []
    return [ref for ref in named if ids.is_ref(ref)]
