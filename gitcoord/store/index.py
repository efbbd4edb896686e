"""Propose what is ready, from a local index that nobody has to trust.

The index is disposable: it is keyed by the ledger's tip, brought up to
date from the difference of two trees, and made again when it is missing
or broken. It proposes candidates; ``decide`` checks each of them against
the snapshot, so that a wrong index can cost time and nothing else.
"""

from __future__ import annotations

import _sqlite3 as sqlite3  # as the tables do
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from gitcoord.core import paths
from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId
from gitcoord.core.shapes import NamedTuple
from gitcoord.store.index_tables import bring_to, connect
from gitcoord.store.protocol import Store
from gitcoord.store.reader import RecordCache

__all__ = ["SUFFIXES", "PlannedTask", "ReadyIndex"]

SUFFIXES = ("", "-wal", "-shm", "-journal")
"""The files of a database, as SQLite names them."""

_READY = "shown = 'ready' AND (assigned IS NULL OR assigned = ?)"
_ORDERS = {
    "round-robin": ("ord", ""),
    "priority": ("priority DESC, ord", ""),
    "critical-path": ("chain DESC, ord", ""),
}
_RND_RANGE = 2**32
_T = TypeVar("_T")


class PlannedTask(NamedTuple):
    """What a forecast asks of a task; its state is as ``core.readiness`` derives it."""

    name: TaskId
    phase: PhaseId
    estimate_ms: int | None
    state: str
    needs: tuple[TaskId, ...]


def _tell_nobody(_number: int, _total: int) -> None:
    """Pass over how far the indexing is."""


class ReadyIndex:
    """The index of one ledger, in one file of SQLite.

    ``tell`` hears how many of how many records are indexed; ``records`` keeps
    those that it reads.
    """

    def __init__(
        self,
        path: Path,
        tell: Callable[[int, int], None] = _tell_nobody,
        records: RecordCache | None = None,
    ) -> None:
        self._path = path
        self._tell = tell
        self._records = records or RecordCache()
        self._database: sqlite3.Connection | None = None
        self._at: tuple[Store, Oid] | None = None

    # keeping up

    def update(self, store: Store, tip: Oid) -> None:
        """Bring the index to an entry's state, by tree differences.

        It may be at any other entry before, of another history too: what
        differs between the two trees is what changes.
        """
        self._at = (store, tip)
        self._guarded(lambda database: bring_to(database, store, tip, self._records, self._tell))

    # asking

    def candidates(
        self,
        *,
        pools: list[str],
        agent: AgentId,
        phases: list[PhaseId],
        selection: str,
        start: float,
        dirs: Iterable[str] = (),
        others: Iterable[str] = (),
    ) -> Iterator[TaskId]:
        """Offer every ready task, in the selection's order, lazily.

        What time and other agents decide (retry delays, locks, limits) is
        not known here. Tasks that are assigned to the agent come first.
        """
        query = f"SELECT id FROM tasks WHERE assigned = ? AND {_READY} ORDER BY ord"
        own = self._select(query, (agent, agent))
        seen = {name for (name,) in own}
        yield from (name for (name,) in own)
        groups = [(phase, pool) for phase in phases for pool in pools]
        if selection == "directory":
            yield from self._by_directory(groups, agent, seen, set(dirs), set(others))
        elif selection in _ORDERS:
            order = _ORDERS[selection][0]
            query = (
                f"SELECT id, {order.replace(' DESC', '')} FROM tasks WHERE phase = ? AND pool = ? "
                f"AND {_READY} ORDER BY {order} LIMIT ? OFFSET ?"
            )
            yield from self._merged(groups, query, agent, seen, selection)
        else:
            yield from self._by_chance(groups, agent, seen, start)

    def _pages(self, query: str, arguments: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """Read a query in pages that double, so that the first one is cheap."""
        offset, size = 0, 8
        while True:
            rows = self._select(query, (*arguments, size, offset))
            yield from rows
            if len(rows) < size:
                return
            offset += size
            size = min(size * 2, 1024)

    def _by_chance(
        self, groups: list[tuple[PhaseId, str]], agent: AgentId, seen: set[TaskId], start: float
    ) -> Iterator[TaskId]:
        if not groups:
            return
        point = int(start * _RND_RANGE)
        turn = point % len(groups)
        for phase, pool in groups[turn:] + groups[:turn]:
            for bound in (">= ?", "< ?"):
                query = (
                    f"SELECT id FROM tasks WHERE phase = ? AND pool = ? AND rnd {bound} AND "
                    f"{_READY} ORDER BY rnd LIMIT ? OFFSET ?"
                )
                for (name,) in self._pages(query, (phase, pool, point, agent)):
                    if name not in seen:
                        yield name

    def _merged(
        self,
        groups: list[tuple[PhaseId, str]],
        query: str,
        agent: AgentId,
        seen: set[TaskId],
        selection: str,
    ) -> Iterator[TaskId]:
        from heapq import merge

        def key(row: tuple[Any, ...]) -> tuple[int, ...]:
            if selection == "round-robin":
                return (row[1],)
            return (-row[1], row[2])

        streams = [self._pages(query, (phase, pool, agent)) for phase, pool in groups]
        yield from (row[0] for row in merge(*streams, key=key) if row[0] not in seen)

    def _by_directory(
        self,
        groups: list[tuple[PhaseId, str]],
        agent: AgentId,
        seen: set[TaskId],
        mine: set[str],
        others: set[str],
    ) -> Iterator[TaskId]:
        """Stay in directories that are ours, then away from the others'."""
        folders = {name.rpartition("/")[0] or name for name in mine} | mine
        taken = {name.rpartition("/")[0] or name for name in others} | others
        late: list[TaskId] = []
        later: list[TaskId] = []
        query = (
            f"SELECT id, dir FROM tasks WHERE phase = ? AND pool = ? AND {_READY} ORDER BY ord "
            "LIMIT ? OFFSET ?"
        )
        for phase, pool in groups:
            for name, folder in self._pages(query, (phase, pool, agent)):
                if name in seen:
                    continue
                if _is_below(folder, folders):
                    yield name
                elif _is_below(folder, taken):
                    later.append(name)
                else:
                    late.append(name)
        yield from late
        yield from later

    def directories_of(self, agent: AgentId) -> list[str]:
        """List the directories in which an agent finished or holds tasks."""
        rows = self._select("SELECT DISTINCT dir FROM tasks WHERE agent = ?", (agent,))
        return [folder for (folder,) in rows]

    def overlapping(self, phase: PhaseId, patterns: Iterable[str]) -> list[TaskId]:
        """List done tasks of a phase whose paths may overlap the patterns'."""
        return self._near(patterns, "t.phase = ? AND t.state = 'done'", (phase,))

    def in_review_near(self, patterns: Iterable[str]) -> list[TaskId]:
        """List tasks under review whose paths may overlap the patterns'."""
        return self._near(patterns, "t.state = 'review'", ())

    def assigned_to(self, agent: AgentId) -> list[TaskId]:
        """List the tasks that are kept for an agent and not finished, in plan order."""
        query = (
            "SELECT id FROM tasks WHERE assigned = ? AND state IN ('open', 'claimed') ORDER BY ord"
        )
        return [name for (name,) in self._select(query, (agent,))]

    def ready_near(self, patterns: Iterable[str], limit: int) -> list[TaskId]:
        """List some ready tasks whose paths may overlap."""
        return self._near(patterns, "t.shown = 'ready'", (), limit)

    def _near(
        self, patterns: Iterable[str], condition: str, values: tuple[Any, ...], limit: int = -1
    ) -> list[TaskId]:
        names: dict[TaskId, None] = {}
        for prefix in {paths.literal_prefix(pattern) for pattern in patterns}:
            above = _with_parents(prefix)
            marks = ",".join("?" * len(above))
            rows = self._select(
                f"SELECT p.task FROM prefixes p JOIN tasks t ON t.id = p.task WHERE {condition} "
                f"AND (p.prefix IN ({marks}) OR (p.prefix > ? AND p.prefix < ?)) LIMIT ?",
                (*values, *above, *_bounds_below(prefix), limit),
            )
            names |= dict.fromkeys(name for (name,) in rows)
        return list(names)

    def counts(self) -> list[tuple[PhaseId, str, str, int]]:
        """Count tasks by phase, pool and state, as ``core.readiness`` derives it.

        Whether their phase has started only the snapshot knows.
        """
        return self._select("SELECT phase, pool, shown, number FROM counts WHERE number > 0", ())

    def listed(self) -> list[tuple[TaskId, str]]:
        """List every task with its state, as in ``counts``, in plan order."""
        return self._select("SELECT id, shown FROM tasks ORDER BY ord", ())

    def planned(self) -> list[PlannedTask]:
        """List every task with what a forecast asks of it, in plan order."""
        query = "SELECT id, phase, estimate, shown FROM tasks ORDER BY ord"
        needs: dict[TaskId, list[TaskId]] = {}
        for task, need in self._select("SELECT task, need FROM needs ORDER BY task, need", ()):
            needs.setdefault(task, []).append(need)
        return [
            PlannedTask(name, phase, estimate_ms, state, tuple(needs.get(name, ())))
            for name, phase, estimate_ms, state in self._select(query, ())
        ]

    def dependents(self, task: TaskId) -> list[TaskId]:
        """List the tasks that need this one directly, in plan order."""
        rows = self._select(
            "SELECT t.id FROM needs n JOIN tasks t ON t.id = n.task WHERE n.need = ? ORDER BY "
            "t.ord",
            (task,),
        )
        return [name for (name,) in rows]

    def behind(self, task: TaskId, limit: int) -> tuple[int, list[TaskId], int]:
        """Count what needs a task: directly, some names, and in all.

        It stops counting at a thousand: a claim says this too, and must not
        grow with the plan.
        """
        direct = self._select("SELECT COUNT(*) FROM needs WHERE need = ?", (task,))[0][0]
        if not direct:
            return 0, [], 0
        reach = """WITH RECURSIVE reach(id) AS (SELECT task FROM needs WHERE need = ?
            UNION SELECT n.task FROM needs n JOIN reach r ON n.need = r.id LIMIT 1000)"""
        names = self._select(
            f"{reach} SELECT t.id FROM reach r JOIN tasks t ON t.id = r.id ORDER BY t.ord LIMIT ?",
            (task, limit),
        )
        count = self._select(f"{reach} SELECT COUNT(*) FROM reach", (task,))[0][0]
        return int(direct), [name for (name,) in names], int(count)

    def blocking(self, limit: int) -> list[tuple[TaskId, str]]:
        """List failed and cancelled tasks that open ones need, in plan order."""
        return self._select(
            """SELECT DISTINCT d.id, d.state
            FROM tasks t JOIN needs n ON n.task = t.id JOIN tasks d ON d.id = n.need
            WHERE t.shown = 'blocked' AND need_kind(d.state) = 'lost'
            ORDER BY d.ord LIMIT ?""",
            (limit,),
        )

    def in_state(self, phases: Iterable[PhaseId], state: str) -> list[TaskId]:
        """List the tasks of some phases in a stored state, in plan order."""
        query = "SELECT ord, id FROM tasks WHERE phase = ? AND state = ?"
        rows: list[tuple[Any, ...]] = []
        for phase in phases:
            rows += self._select(query, (phase, state))
        return [name for _, name in sorted(rows)]

    def first_shown(self, phases: Iterable[PhaseId], shown: str, limit: int) -> list[TaskId]:
        """List the first tasks of some phases in a state as in ``counts``, in plan order."""
        query = "SELECT ord, id FROM tasks WHERE phase = ? AND shown = ? ORDER BY ord LIMIT ?"
        rows: list[tuple[Any, ...]] = []
        for phase in phases:
            rows += self._select(query, (phase, shown, limit))
        return [name for _, name in sorted(rows)[:limit]]

    def all_ids(self) -> list[TaskId]:
        """List every id, for the nearest names of a mistyped one."""
        return [name for (name,) in self._select("SELECT id FROM tasks ORDER BY ord", ())]

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __del__(self) -> None:
        """Close it also where its workspace was forgotten, and not closed."""
        self.close()

    # the file

    def _select(self, query: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._guarded(lambda database: database.execute(query, arguments).fetchall())

    def _guarded(self, act: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do something; where the file cannot be used, do it again without it.

        A broken file is thrown away and made anew. Where it is busy, cannot
        be written, or the disk is full, this process indexes in memory.
        """
        try:
            return act(self._open())
        except sqlite3.OperationalError:
            self.close()
            self._database = connect(":memory:")
        except sqlite3.DatabaseError:
            self.close()
            for suffix in SUFFIXES:
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        database = self._open()
        if self._at is not None:
            bring_to(database, *self._at, self._records, self._tell)
        return act(database)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _remove_irregular(self._path)
                self._database = connect(str(self._path))
            except (OSError, sqlite3.OperationalError):
                self._database = connect(":memory:")
        return self._database


def _remove_irregular(path: Path) -> None:
    """Remove what lies in the place of a database's files and is not a file.

    SQLite would follow a link to a database of others, and wait for a pipe.

    Raises:
        OSError: It cannot be removed, as a folder.

    """
    for suffix in SUFFIXES:
        place = path.with_name(path.name + suffix)
        if os.path.lexists(place) and not stat.S_ISREG(place.lstat().st_mode):
            place.unlink()


def _with_parents(prefix: str) -> list[str]:
    """Return a path and the folders above it, from the top, which is empty."""
    parts = prefix.split("/")
    return ["", *("/".join(parts[:count]) for count in range(1, len(parts) + 1))]


def _bounds_below(prefix: str) -> tuple[str, str]:
    """Return the names between which all paths below a folder lie."""
    if not prefix:
        return "", "\U0010ffff"
    # In the order of their bytes "0" comes next after "/".
    return prefix + "/", prefix + "0"


def _is_below(folder: str, tops: set[str]) -> bool:
    return any(folder == top or folder.startswith(top + "/") for top in tops if top)
