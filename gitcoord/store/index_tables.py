"""Keep the index's tables: make them, and bring them to an entry's state."""

from __future__ import annotations

import _sqlite3 as sqlite3  # the module around it loads what reads dates, and costs a claim time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, cast

from gitcoord.core import codec, paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.bulk import uncollected
from gitcoord.core.errors import CorruptError
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import NO_OID, Oid
from gitcoord.core.model import MAX_RECORD_BYTES, TaskRecord
from gitcoord.core.readiness import derived_state, need_kind, standing_of
from gitcoord.core.records import problem_of
from gitcoord.store.protocol import MissingObjectError, Store, TreeItem
from gitcoord.store.reader import RecordCache

__all__ = ["bring_to", "connect"]

_SCHEMA_VERSION = 4
_BUSY_S = 5.0
BATCH = 1000
_COUNTED = """CREATE TRIGGER counted AFTER UPDATE OF shown ON tasks
WHEN old.shown <> new.shown BEGIN
    UPDATE counts SET number = number - 1
        WHERE phase = old.phase AND pool = old.pool AND shown = old.shown;
    INSERT INTO counts VALUES (new.phase, new.pool, new.shown, 1)
        ON CONFLICT (phase, pool, shown) DO UPDATE SET number = number + 1;
END"""
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, ord INTEGER, phase TEXT, pool TEXT, assigned TEXT, state TEXT,
    agent TEXT, priority INTEGER, rnd INTEGER, dir TEXT, chain INTEGER DEFAULT 0,
    unmet INTEGER, broken INTEGER, estimate INTEGER, standing TEXT, shown TEXT
) WITHOUT ROWID;
CREATE TABLE counts (
    phase TEXT, pool TEXT, shown TEXT, number INTEGER, PRIMARY KEY (phase, pool, shown)
) WITHOUT ROWID;
CREATE TABLE needs (need TEXT, task TEXT, PRIMARY KEY (need, task)) WITHOUT ROWID;
CREATE TABLE prefixes (prefix TEXT, task TEXT, PRIMARY KEY (prefix, task)) WITHOUT ROWID;
CREATE INDEX needs_of ON needs (task);
CREATE INDEX prefixes_of ON prefixes (task);
CREATE INDEX by_state ON tasks (phase, state);
CREATE INDEX behind_broken ON tasks (ord) WHERE shown = 'blocked';
CREATE INDEX assigned_to ON tasks (assigned) WHERE assigned IS NOT NULL;
CREATE INDEX worked_by ON tasks (agent, dir) WHERE agent IS NOT NULL;
CREATE INDEX ready_random ON tasks (phase, pool, rnd) WHERE shown = 'ready';
CREATE INDEX ready_order ON tasks (phase, pool, ord) WHERE shown = 'ready';
CREATE INDEX ready_priority ON tasks (phase, pool, priority DESC, ord) WHERE shown = 'ready';
CREATE INDEX ready_chain ON tasks (phase, pool, chain DESC, ord) WHERE shown = 'ready';
"""


@uncollected()
def bring_to(
    database: sqlite3.Connection,
    store: Store,
    tip: Oid,
    records: RecordCache,
    tell: Callable[[int, int], None],
) -> None:
    """Bring the tables to an entry's state, in one transaction.

    What is read goes into ``records``, where snapshots find it again.
    ``tell`` hears how many of how many records are written.
    """
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
        old_tree = cast("Oid | None", _meta(database, "tree"))
        try:
            changed = list(_changed_blobs(store, old_tree, new_tree))
        except MissingObjectError:
            _clear(database)
            changed = list(_changed_blobs(store, None, new_tree))
        _write(database, partial(_task_of, store, records), changed, tell)
        database.execute("REPLACE INTO meta VALUES ('tip', ?), ('tree', ?)", (tip, new_tree))


def _write(
    database: sqlite3.Connection,
    task_of: Callable[[str, str], TaskRecord],
    changed: list[tuple[str, Oid | None]],
    tell: Callable[[int, int], None],
) -> None:
    """Write what changed, some records at a time: a plan may be huge."""
    is_first = database.execute("SELECT 1 FROM tasks LIMIT 1").fetchone() is None
    shifted: list[str] = []
    is_respecified = False
    if is_first:
        # Counting each of them is slow: they are all counted at the end.
        database.execute("DROP TRIGGER IF EXISTS counted")
    for start in range(0, len(changed), BATCH):
        tell(start, len(changed))
        some = changed[start : start + BATCH]
        moved, is_other = _write_some(database, task_of, some, is_first=is_first)
        if not is_first:
            shifted += moved
        is_respecified |= is_other
    if is_respecified:
        _recount_all(database)
        _rechain(database)
        _count_all(database)
    else:
        _recount(database, shifted)
        _derive(database, [name for name, _ in changed])


def _task_of(store: Store, records: RecordCache, name: str, oid: Oid) -> TaskRecord:
    record: TaskRecord | None = records.get("tasks", oid)
    if record is None:
        what = f"the record of task {name}"
        record = cast("TaskRecord", codec.load(store.read_blob(oid), 4 * MAX_RECORD_BYTES, what))
        problem = problem_of("tasks", record)
        if problem:
            raise _no_record(name, problem)
        records.put("tasks", oid, record)
    if record["id"] != name:
        raise _no_record(name, "it is about another task")
    return record


def _no_record(name: str, problem: str) -> CorruptError:
    return CorruptError(
        f"the record of task {name} is not one: {problem}",
        hint="`gitcoord verify` names the first illegal entry",
    )


def _write_some(
    database: sqlite3.Connection,
    task_of: Callable[[str, str], TaskRecord],
    changed: list[tuple[str, Oid | None]],
    *,
    is_first: bool,
) -> tuple[list[str], bool]:
    """Write some records.

    Returns those whose dependents have to be counted again, and whether a
    spec is new.
    """
    gone = [name for name, oid in changed if oid is None]
    records = [task_of(name, oid) for name, oid in changed if oid is not None]
    old: dict[str, dict[str, Any] | None] = {}
    for name in [*gone, *(record["id"] for record in records)]:
        old[name] = None
        if not is_first:
            old[name] = _row(database, name)
    if gone:
        for table, column in (("tasks", "id"), ("needs", "task"), ("prefixes", "task")):
            database.executemany(
                f"DELETE FROM {table} WHERE {column} = ?", [(name,) for name in gone]
            )
    respecified = [record for record in records if not _is_same_spec(old[record["id"]], record)]
    _write_specs(database, respecified, is_first=is_first)
    _write_states(database, records)
    states: dict[str, str] = {record["id"]: str(record["state"]) for record in records}
    # What needs a task is counted again only where the task became, or ceased
    # to be, done or lost.
    shifted = []
    for name, row in old.items():
        old_state = (row or {}).get("state", "")
        if need_kind(old_state) != need_kind(states.get(name, "")):
            shifted.append(name)
    is_moved = any(_is_moved(old[record["id"]], record) for record in respecified)
    return shifted, bool(is_moved or gone)


def connect(name: str) -> sqlite3.Connection:
    """Open a database, and make its tables if it has none of this version.

    Raises:
        sqlite3.Error: It cannot be used; it is closed again.

    """
    database = sqlite3.connect(name, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    database.create_function("derived_state", 3, derived_state, deterministic=True)
    database.create_function("need_kind", 1, need_kind, deterministic=True)
    return database


def _prepare(database: sqlite3.Connection) -> None:
    # Before anything else: making the file and its journal is synced too.
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA journal_mode = WAL")
    if database.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
        database.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables while we waited.
        if database.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
            for (table,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall():
                database.execute(f"DROP TABLE {table}")
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        database.execute("COMMIT")


def _meta(database: sqlite3.Connection, key: str) -> str | None:
    row = database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def _clear(database: sqlite3.Connection) -> None:
    for table in ("tasks", "counts", "needs", "prefixes", "meta"):
        database.execute(f"DELETE FROM {table}")


def _changed_blobs(
    store: Store, old: Oid | None, new: Oid | None
) -> Iterator[tuple[str, Oid | None]]:
    """Walk two entries' trees, and list the tasks whose records differ."""
    yield from _differences(store, _tasks_of(store, old), _tasks_of(store, new))


def _tasks_of(store: Store, tree: Oid | None) -> TreeItem | None:
    """Return the folder of tasks in an entry's tree, where there is one."""
    if tree is None:
        return None
    return store.read_tree(tree).get("tasks")


def _items_of(store: Store, folder: TreeItem | None) -> Mapping[str, TreeItem]:
    if folder is None:
        return {}
    return store.read_tree(folder.oid)


def _differences(
    store: Store, old: TreeItem | None, new: TreeItem | None
) -> Iterator[tuple[str, Oid | None]]:
    olds, news = _items_of(store, old), _items_of(store, new)
    # Most of two folders is the same, and sets tell that fastest.
    for name in {name for name, _ in olds.items() ^ news.items()}:
        before, after = olds.get(name), news.get(name)
        if (after or before or TreeItem(NO_OID, is_tree=False)).is_tree:
            yield from _differences(store, before, after)
        else:
            oid = after.oid if after else None
            yield name.removesuffix(".json"), oid


def _row(database: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    row = database.execute(
        "SELECT state, phase, pool, priority, estimate, ord FROM tasks WHERE id = ?", (name,)
    ).fetchone()
    if row is None:
        return None
    needs = database.execute("SELECT need FROM needs WHERE task = ?", (name,))
    prefixes = database.execute("SELECT prefix FROM prefixes WHERE task = ?", (name,))
    sorted_needs = tuple(sorted(need for (need,) in needs))
    sorted_prefixes = tuple(sorted(prefix for (prefix,) in prefixes))
    return {"state": row[0], "spec": (*row[1:], sorted_needs, sorted_prefixes)}


def _spec_of(record: TaskRecord) -> tuple[Any, ...]:
    spec = record["spec"]
    prefixes = {paths.literal_prefix(pattern) for pattern in paths_of(record) or []}
    return (
        spec["phase"],
        spec["pool"],
        spec["priority"],
        spec["estimate_ms"],
        record["order"],
        tuple(sorted(set(spec["needs"]))),
        tuple(sorted(prefixes)),
    )


def _is_same_spec(row: dict[str, Any] | None, record: TaskRecord) -> bool:
    return row is not None and row["spec"] == _spec_of(record)


def _is_moved(row: dict[str, Any] | None, record: TaskRecord) -> bool:
    """Return whether more than the paths of a task is new, so that all is counted again."""
    return row is None or row["spec"][:-1] != _spec_of(record)[:-1]


def _write_specs(
    database: sqlite3.Connection, records: list[TaskRecord], *, is_first: bool
) -> None:
    names = [(record["id"],) for record in records]
    if not is_first:
        database.executemany("DELETE FROM needs WHERE task = ?", names)
        database.executemany("DELETE FROM prefixes WHERE task = ?", names)
    rows, needs, prefixes = [], [], []
    for record in records:
        phase, pool, priority, estimate, order, wanted, below = _spec_of(record)
        rnd = int.from_bytes(sha256(record["id"].encode()).digest()[4:8], "big")
        folder = below[0] if below else ""
        rows.append((record["id"], order, phase, pool, priority, rnd, folder, estimate))
        needs += [(need, record["id"]) for need in wanted]
        prefixes += [(prefix, record["id"]) for prefix in below]
    database.executemany(
        """INSERT INTO tasks
        (id, ord, phase, pool, priority, rnd, dir, estimate, unmet, broken, shown)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '')
        ON CONFLICT (id) DO UPDATE SET ord = excluded.ord, phase = excluded.phase,
            pool = excluded.pool, priority = excluded.priority, dir = excluded.dir,
            estimate = excluded.estimate""",
        rows,
    )
    database.executemany("INSERT OR IGNORE INTO needs VALUES (?, ?)", needs)
    database.executemany("INSERT OR IGNORE INTO prefixes VALUES (?, ?)", prefixes)


def _agent_of(record: TaskRecord) -> str | None:
    holder = record["claim"] or record["result"]
    if not holder:
        return None
    return holder["agent"]


def _write_states(database: sqlite3.Connection, records: list[TaskRecord]) -> None:
    rows = []
    for record in records:
        known = (record["state"], standing_of(record), record["assigned"], _agent_of(record))
        rows.append((*known, record["id"]))
    database.executemany(
        "UPDATE tasks SET state = ?, standing = ?, assigned = ?, agent = ? WHERE id = ?", rows
    )


_COUNT_UNMET = """(SELECT COUNT(*) FROM needs n LEFT JOIN tasks d ON d.id = n.need
    WHERE n.task = tasks.id AND need_kind(COALESCE(d.state, '')) <> 'done')"""
_COUNT_BROKEN = """(SELECT COUNT(*) FROM needs n JOIN tasks d ON d.id = n.need
    WHERE n.task = tasks.id AND need_kind(d.state) = 'lost')"""


_DERIVED = "UPDATE tasks SET shown = derived_state(standing, unmet, broken)"
"""Store the state that the rule of ``core.readiness`` derives."""


def _recount_all(database: sqlite3.Connection) -> None:
    database.execute(f"UPDATE tasks SET unmet = {_COUNT_UNMET}, broken = {_COUNT_BROKEN}")
    database.execute(_DERIVED)


def _derive(database: sqlite3.Connection, names: Iterable[str]) -> None:
    """Derive the state of tasks whose records changed."""
    database.executemany(f"{_DERIVED} WHERE id = ?", [(name,) for name in names])


def _count_all(database: sqlite3.Connection) -> None:
    """Count the tasks of each state; from here on a trigger keeps count."""
    database.execute("DELETE FROM counts")
    database.execute(
        "INSERT INTO counts SELECT phase, pool, shown, COUNT(*) FROM tasks GROUP BY 1, 2, 3"
    )
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'counted'").fetchone() is None:
        database.execute(_COUNTED)


def _recount(database: sqlite3.Connection, shifted: list[str]) -> None:
    """Count again for the dependents of tasks whose state changed."""
    dependents = "WHERE id IN (SELECT task FROM needs WHERE need = ?)"
    for name in shifted:
        database.execute(
            f"UPDATE tasks SET unmet = {_COUNT_UNMET}, broken = {_COUNT_BROKEN} {dependents}",
            (name,),
        )
        database.execute(f"{_DERIVED} {dependents}", (name,))


def _rechain(database: sqlite3.Connection) -> None:
    needs: dict[str, list[str]] = {}
    for task, need in database.execute("SELECT task, need FROM needs"):
        needs.setdefault(task, []).append(need)
    if not needs:
        database.execute("UPDATE tasks SET chain = COALESCE(estimate, 600000)")
        return
    from gitcoord.core.graph import remaining_chain_ms  # only a plan that changed needs it

    estimates = dict(database.execute("SELECT id, estimate FROM tasks").fetchall())
    chains = remaining_chain_ms(needs, estimates)
    database.executemany(
        "UPDATE tasks SET chain = ? WHERE id = ?", [(chain, name) for name, chain in chains.items()]
    )
