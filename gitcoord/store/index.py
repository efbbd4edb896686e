"""Propose what is ready, from a local index that nobody has to trust.

The index is disposable: it is keyed by the ledger's tip, brought up to
date from the difference of two trees, and made again when it is missing
or broken. It proposes candidates; ``decide`` checks each of them against
the snapshot, so that a wrong index can cost time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gitcoord.core import paths
from gitcoord.core.graph import remaining_chain_ms
from gitcoord.core.model import TaskRecord
from gitcoord.store.protocol import MissingObjectError, Store, TreeItem

__all__ = ["ReadyIndex"]

_SCHEMA_VERSION = 2
_BUSY_S = 5.0
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, ord INTEGER, phase TEXT, pool TEXT, assigned TEXT, state TEXT, agent TEXT, priority INTEGER,
    rnd INTEGER, dir TEXT, chain INTEGER DEFAULT 0, unmet INTEGER, broken INTEGER, estimate INTEGER
) WITHOUT ROWID;
CREATE TABLE needs (need TEXT, task TEXT, PRIMARY KEY (need, task)) WITHOUT ROWID;
CREATE TABLE prefixes (prefix TEXT, task TEXT, PRIMARY KEY (prefix, task)) WITHOUT ROWID;
CREATE INDEX needs_of ON needs (task);
CREATE INDEX prefixes_of ON prefixes (task);
CREATE INDEX by_state ON tasks (phase, state);
CREATE INDEX assigned_to ON tasks (assigned) WHERE assigned IS NOT NULL;
CREATE INDEX worked_by ON tasks (agent, dir) WHERE agent IS NOT NULL;
CREATE INDEX ready_random ON tasks (phase, pool, rnd) WHERE state = 'open' AND unmet = 0 AND broken = 0;
CREATE INDEX ready_order ON tasks (phase, pool, ord) WHERE state = 'open' AND unmet = 0 AND broken = 0;
CREATE INDEX ready_priority ON tasks (phase, pool, priority DESC, ord)
    WHERE state = 'open' AND unmet = 0 AND broken = 0;
CREATE INDEX ready_chain ON tasks (phase, pool, chain DESC, ord) WHERE state = 'open' AND unmet = 0 AND broken = 0;
"""
_READY = "state = 'open' AND unmet = 0 AND broken = 0 AND (assigned IS NULL OR assigned = ?)"
_ORDERS = {
    "round-robin": ("ord", ""),
    "priority": ("priority DESC, ord", ""),
    "critical-path": ("chain DESC, ord", ""),
}
_RND_RANGE = 2**32
_T = TypeVar("_T")


class ReadyIndex:
    """The index of one ledger, in one file of SQLite."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._at: tuple[Store, str] | None = None

    # keeping up

    def update(self, store: Store, tip: str) -> None:
        """Bring the index to an entry's state, by tree differences.

        It may be at any other entry before, of another history too: what
        differs between the two trees is what changes.
        """
        self._at = (store, tip)
        self._guarded(lambda database: self._update(database, store, tip))

    def _update(self, database: sqlite3.Connection, store: Store, tip: str) -> None:
        if _meta(database, "tip") == tip:
            return
        with database:
            database.execute("BEGIN IMMEDIATE")
            # Read under the lock: another process may have brought the index
            # to this entry, or to another one, since our first look.
            old_tip = _meta(database, "tip")
            if old_tip == tip:
                return
            new_tree = store.read_entry(tip).tree
            old_tree = _meta(database, "tree")
            try:
                changed = list(_changed_blobs(store, old_tree, new_tree))
            except MissingObjectError:
                _clear(database)
                changed = list(_changed_blobs(store, None, new_tree))
            self._write(database, store, changed)
            database.execute("REPLACE INTO meta VALUES ('tip', ?), ('tree', ?)", (tip, new_tree))

    def _write(self, database: sqlite3.Connection, store: Store, changed: list[tuple[str, str | None]]) -> None:
        records: list[TaskRecord] = []
        gone: list[str] = []
        for name, oid in changed:
            if oid is None:
                gone.append(name)
            else:
                records.append(json.loads(store.read_blob(oid)))
        old = {name: _row(database, name) for name in gone} | {record["id"]: _row(database, record["id"]) for record in records}
        is_first = not any(old.values()) and database.execute("SELECT 1 FROM tasks LIMIT 1").fetchone() is None
        if gone:
            for table, column in (("tasks", "id"), ("needs", "task"), ("prefixes", "task")):
                database.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(name,) for name in gone])  # noqa: S608
        respecified = [record for record in records if not _is_same_spec(old[record["id"]], record)]
        _write_specs(database, respecified, is_first=is_first)
        _write_states(database, records)
        moved = {name for name, row in old.items() if row is not None} | {record["id"] for record in records}
        states = {record["id"]: str(record["state"]) for record in records}
        shifted = [name for name in moved if (old[name] or {}).get("state") != states.get(name)]
        if is_first or respecified or gone:
            _recount_all(database)
            _rechain(database)
        else:
            _recount(database, shifted)

    # asking

    def candidates(
        self, *, pools: list[str], agent: str, phases: list[str], selection: str, start: float,
        dirs: Iterable[str] = (), others: Iterable[str] = (),
    ) -> Iterator[str]:  # fmt: skip
        """Offer every ready task, in the selection's order, lazily.

        What time and other agents decide (retry delays, locks, limits) is
        not known here. Tasks that are assigned to the agent come first.
        """
        query = f"SELECT id FROM tasks WHERE assigned = ? AND {_READY} ORDER BY ord"  # noqa: S608 - words of our own
        own = self._select(query, (agent, agent))
        seen = {name for (name,) in own}
        yield from (name for (name,) in own)
        groups = [(phase, pool) for phase in phases for pool in pools]
        if selection == "directory":
            yield from self._by_directory(groups, agent, seen, set(dirs), set(others))
        elif selection in _ORDERS:
            order = _ORDERS[selection][0]
            query = f"SELECT id, {order.replace(' DESC', '')} FROM tasks WHERE phase = ? AND pool = ? AND {_READY} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608 - words of our own  # noqa: S608
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

    def _by_chance(self, groups: list[tuple[str, str]], agent: str, seen: set[str], start: float) -> Iterator[str]:
        if not groups:
            return
        point = int(start * _RND_RANGE)
        turn = point % len(groups)
        for phase, pool in groups[turn:] + groups[:turn]:
            for bound in (">= ?", "< ?"):
                query = f"SELECT id FROM tasks WHERE phase = ? AND pool = ? AND rnd {bound} AND {_READY} ORDER BY rnd LIMIT ? OFFSET ?"  # noqa: S608
                for (name,) in self._pages(query, (phase, pool, point, agent)):
                    if name not in seen:
                        yield name

    def _merged(self, groups: list[tuple[str, str]], query: str, agent: str, seen: set[str], selection: str) -> Iterator[str]:
        from heapq import merge

        def key(row: tuple[Any, ...]) -> tuple[int, ...]:
            return (row[1],) if selection == "round-robin" else (-row[1], row[2])

        streams = [self._pages(query, (phase, pool, agent)) for phase, pool in groups]
        yield from (row[0] for row in merge(*streams, key=key) if row[0] not in seen)

    def _by_directory(
        self, groups: list[tuple[str, str]], agent: str, seen: set[str], mine: set[str], others: set[str]
    ) -> Iterator[str]:
        """Stay in directories that are ours, then away from the others'."""
        folders = {name.rpartition("/")[0] or name for name in mine} | mine
        taken = {name.rpartition("/")[0] or name for name in others} | others
        late: list[str] = []
        later: list[str] = []
        query = f"SELECT id, dir FROM tasks WHERE phase = ? AND pool = ? AND {_READY} ORDER BY ord LIMIT ? OFFSET ?"  # noqa: S608
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

    def directories_of(self, agent: str) -> list[str]:
        """List the directories in which an agent finished or holds tasks."""
        return [folder for (folder,) in self._select("SELECT DISTINCT dir FROM tasks WHERE agent = ?", (agent,))]

    def overlapping(self, phase: str, patterns: Iterable[str]) -> list[str]:
        """List done tasks of a phase whose paths may overlap the patterns'."""
        found: dict[str, None] = {}
        for prefix in {paths.literal_prefix(pattern) for pattern in patterns}:
            above = ["", *("/".join(prefix.split("/")[:count]) for count in range(1, prefix.count("/") + 2))]
            marks = ",".join("?" * len(above))
            rows = self._select(
                f"SELECT p.task FROM prefixes p JOIN tasks t ON t.id = p.task WHERE t.phase = ? AND t.state = 'done' "  # noqa: S608
                f"AND (p.prefix IN ({marks}) OR (p.prefix > ? AND p.prefix < ?))",
                (phase, *above, prefix + "/" if prefix else "", prefix + "0" if prefix else "\U0010ffff"),
            )
            found |= dict.fromkeys(name for (name,) in rows)
        return list(found)

    def counts(self) -> list[tuple[str, str, str, int]]:
        """Count tasks by phase, pool and state; ``open`` is split three ways.

        Open tasks are ``blocked`` where a need failed or was cancelled,
        ``waiting`` where one is unfinished, and ``ready`` otherwise: whether
        their phase has started only the snapshot knows.
        """
        query = """SELECT phase, pool, CASE WHEN state <> 'open' THEN state WHEN broken > 0 THEN 'blocked'
            WHEN unmet > 0 THEN 'waiting' ELSE 'ready' END AS shown, COUNT(*) FROM tasks GROUP BY phase, pool, shown"""
        return self._select(query, ())

    def derived(self, task: str) -> str | None:
        """Return a task's state, open tasks split as in ``counts``."""
        rows = self._select(
            """SELECT CASE WHEN state <> 'open' THEN state WHEN broken > 0 THEN 'blocked'
            WHEN unmet > 0 THEN 'waiting' ELSE 'ready' END FROM tasks WHERE id = ?""",
            (task,),
        )
        return str(rows[0][0]) if rows else None

    def listed(self) -> list[tuple[str, str]]:
        """List every task with its state as in ``derived``, in plan order."""
        return self._select(
            """SELECT id, CASE WHEN state <> 'open' THEN state WHEN broken > 0 THEN 'blocked'
            WHEN unmet > 0 THEN 'waiting' ELSE 'ready' END FROM tasks ORDER BY ord""",
            (),
        )

    def dependents(self, task: str) -> list[str]:
        """List the tasks that need this one directly, in plan order."""
        rows = self._select("SELECT t.id FROM needs n JOIN tasks t ON t.id = n.task WHERE n.need = ? ORDER BY t.ord", (task,))
        return [name for (name,) in rows]

    def all_ids(self) -> list[str]:
        """List every id, for the nearest names of a mistyped one."""
        return [name for (name,) in self._select("SELECT id FROM tasks ORDER BY ord", ())]

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    # the file

    def _select(self, query: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._guarded(lambda database: database.execute(query, arguments).fetchall())

    def _guarded(self, act: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do something; where the file is no use, do it again without it.

        A broken file is thrown away and made anew. Where it is busy, cannot
        be written, or the disk is full, this process indexes in memory.
        """
        try:
            return act(self._open())
        except sqlite3.OperationalError:
            self.close()
            self._database = _connect(":memory:")
        except sqlite3.DatabaseError:
            self.close()
            for suffix in ("", "-wal", "-shm", "-journal"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        database = self._open()
        if self._at is not None:
            self._update(database, *self._at)
        return act(database)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._database = _connect(str(self._path))
            except (OSError, sqlite3.OperationalError):
                self._database = _connect(":memory:")
        return self._database


def _connect(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    if database.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
        database.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables while we waited.
        if database.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                database.execute(f"DROP TABLE {table}")
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        database.execute("COMMIT")
    return database


def _meta(database: sqlite3.Connection, key: str) -> str | None:
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def _clear(database: sqlite3.Connection) -> None:
    for table in ("tasks", "needs", "prefixes", "meta"):
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own


def _changed_blobs(store: Store, old: str | None, new: str | None) -> Iterator[tuple[str, str | None]]:
    """Walk two entries' trees, and list the tasks whose records differ."""
    old_tasks = store.read_tree(old).get("tasks") if old else None
    new_tasks = store.read_tree(new).get("tasks") if new else None
    yield from _differences(store, old_tasks, new_tasks)


def _differences(store: Store, old: TreeItem | None, new: TreeItem | None) -> Iterator[tuple[str, str | None]]:
    olds: Mapping[str, TreeItem] = store.read_tree(old.oid) if old else {}
    news: Mapping[str, TreeItem] = store.read_tree(new.oid) if new else {}
    for name in olds.keys() | news.keys():
        before, after = olds.get(name), news.get(name)
        if before == after:
            continue
        if (after or before or TreeItem("", is_tree=False)).is_tree:
            yield from _differences(store, before, after)
        else:
            yield name.removesuffix(".json"), after.oid if after else None


def _row(database: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    row = database.execute(
        "SELECT state, phase, pool, priority, estimate, ord FROM tasks WHERE id = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    needs = [need for (need,) in database.execute("SELECT need FROM needs WHERE task = ?", (name,))]
    prefixes = [prefix for (prefix,) in database.execute("SELECT prefix FROM prefixes WHERE task = ?", (name,))]
    return {"state": row[0], "spec": (*row[1:], tuple(sorted(needs)), tuple(sorted(prefixes)))}


def _spec_of(record: TaskRecord) -> tuple[Any, ...]:
    spec = record["spec"]
    prefixes = {paths.literal_prefix(pattern) for pattern in spec["paths"] or []}
    return (spec["phase"], spec["pool"], spec["priority"], spec["estimate_ms"], record["order"],
            tuple(sorted(set(spec["needs"]))), tuple(sorted(prefixes)))  # fmt: skip


def _is_same_spec(row: dict[str, Any] | None, record: TaskRecord) -> bool:
    return row is not None and row["spec"] == _spec_of(record)


def _write_specs(database: sqlite3.Connection, records: list[TaskRecord], *, is_first: bool) -> None:
    names = [(record["id"],) for record in records]
    if not is_first:
        database.executemany("DELETE FROM needs WHERE task = ?", names)
        database.executemany("DELETE FROM prefixes WHERE task = ?", names)
    rows, needs, prefixes = [], [], []
    for record in records:
        phase, pool, priority, estimate, order, wanted, below = _spec_of(record)
        rnd = int.from_bytes(hashlib.sha256(record["id"].encode()).digest()[4:8], "big")
        rows.append((record["id"], order, phase, pool, priority, rnd, below[0] if below else "", estimate))
        needs += [(need, record["id"]) for need in wanted]
        prefixes += [(prefix, record["id"]) for prefix in below]
    database.executemany(
        "INSERT INTO tasks (id, ord, phase, pool, priority, rnd, dir, estimate, state, unmet, broken) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', 0, 0) ON CONFLICT (id) DO UPDATE SET ord = excluded.ord, "
        "phase = excluded.phase, pool = excluded.pool, priority = excluded.priority, dir = excluded.dir, "
        "estimate = excluded.estimate",
        rows,
    )
    database.executemany("INSERT OR IGNORE INTO needs VALUES (?, ?)", needs)
    database.executemany("INSERT OR IGNORE INTO prefixes VALUES (?, ?)", prefixes)


def _agent_of(record: TaskRecord) -> str | None:
    holder = record["claim"] or record["result"]
    return holder["agent"] if holder else None


def _write_states(database: sqlite3.Connection, records: list[TaskRecord]) -> None:
    database.executemany(
        "UPDATE tasks SET state = ?, assigned = ?, agent = ? WHERE id = ?",
        [(record["state"], record["assigned"], _agent_of(record), record["id"]) for record in records],
    )


_COUNT_UNMET = """(SELECT COUNT(*) FROM needs n LEFT JOIN tasks d ON d.id = n.need
    WHERE n.task = tasks.id AND COALESCE(d.state, '') <> 'done')"""
_COUNT_BROKEN = """(SELECT COUNT(*) FROM needs n JOIN tasks d ON d.id = n.need
    WHERE n.task = tasks.id AND d.state IN ('failed', 'cancelled'))"""


def _recount_all(database: sqlite3.Connection) -> None:
    database.execute(f"UPDATE tasks SET unmet = {_COUNT_UNMET}, broken = {_COUNT_BROKEN}")  # noqa: S608


def _recount(database: sqlite3.Connection, shifted: list[str]) -> None:
    """Count again for the dependents of tasks whose state changed."""
    for name in shifted:
        database.execute(
            f"UPDATE tasks SET unmet = {_COUNT_UNMET}, broken = {_COUNT_BROKEN} "  # noqa: S608
            "WHERE id IN (SELECT task FROM needs WHERE need = ?)",
            (name,),
        )


def _rechain(database: sqlite3.Connection) -> None:
    needs: dict[str, list[str]] = {}
    for task, need in database.execute("SELECT task, need FROM needs"):
        needs.setdefault(task, []).append(need)
    if not needs:
        database.execute("UPDATE tasks SET chain = COALESCE(estimate, 600000)")
        return
    estimates = dict(database.execute("SELECT id, estimate FROM tasks").fetchall())
    chains = remaining_chain_ms(needs, estimates)
    database.executemany("UPDATE tasks SET chain = ? WHERE id = ?", [(chain, name) for name, chain in chains.items()])


def _is_below(folder: str, tops: set[str]) -> bool:
    return any(folder == top or folder.startswith(top + "/") for top in tops if top)
