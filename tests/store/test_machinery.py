"""Processes, the queue lock, healing and the ready index."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitcoord.core import codec
from gitcoord.core.errors import UnavailableError
from gitcoord.core.snapshot import task_path
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.live_files import LiveFile
from gitcoord.host.processes import identity, is_alive, session_identity
from gitcoord.store.index import ReadyIndex
from gitcoord.store.memory import MemoryStore
from gitcoord.store.queue import QueueLock, Turns
from gitcoord.store.stale_locks import heal, record_files

HOLD = """
import sys, time
from pathlib import Path
from gitcoord.store.queue import QueueLock
with QueueLock(Path(sys.argv[1])).hold(5) as held:
    print(held, flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_process_is_known_by_more_than_its_pid() -> None:
    assert is_alive(identity()) is True
    assert is_alive(session_identity()) is not None
    child = subprocess.Popen(["sleep", "60"])
    name = identity(child.pid)
    assert is_alive(name) is True
    child.kill()
    time.sleep(0.05)
    assert is_alive(name) is False, "a zombie is dead"
    child.wait()
    boot, namespace, pid, start = identity().split(":")
    assert is_alive(f"{boot}:{namespace}:{pid}:{int(start) + 1}") is False
    assert is_alive(f"other:{namespace}:{pid}:{start}") is False
    assert is_alive(f"{boot}:1:{pid}:{start}") is None
    assert is_alive("nonsense") is False


def test_the_queue_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    process = holder(tmp_path / "q")
    lock = QueueLock(tmp_path / "q")
    assert not lock.acquire(0)
    assert lock.holder() == identity(process.pid)
    threading.Timer(0.2, process.kill).start()
    assert lock.acquire(10)
    lock.release()
    process.communicate()


def test_a_stopped_holder_does_not_wedge_the_queue(tmp_path: Path) -> None:
    process = holder(tmp_path / "q")
    os.kill(process.pid, signal.SIGSTOP)
    lock = QueueLock(tmp_path / "q")
    assert not lock.acquire(0.2)
    end(process)
    time.sleep(0.1)
    # The wait that was given up must not have taken the lock behind our back.
    assert lock.acquire(2)
    lock.release()


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with QueueLock(tmp_path / "q").hold(1) as first, QueueLock(tmp_path / "q").hold(0.05) as second:
        assert (first, second) == (True, False)


def turns(folder: Path) -> Turns:
    return Turns(QueueLock(folder / "queue"), QueueLock(folder / "deck"), Clock())


def test_who_is_alone_prepares_nothing(tmp_path: Path) -> None:
    prepared: list[str] = []
    for _ in range(2):
        with turns(tmp_path).take(1, lambda: prepared.append("x")) as is_held:
            assert is_held
            assert not QueueLock(tmp_path / "queue").acquire(0)
    assert prepared == []


def test_who_is_next_prepares_while_another_has_its_turn(tmp_path: Path) -> None:
    first, deck, ours = QueueLock(tmp_path / "queue"), QueueLock(tmp_path / "deck"), turns(tmp_path)
    assert first.acquire(1)

    def prepare() -> None:
        assert not deck.acquire(0), "nobody else prepares"
        first.release()

    with ours.take(10, prepare) as is_held:
        assert is_held
        assert not deck.acquire(0), "nobody takes the processor from us"
        ours.let_next()
        assert deck.acquire(0), "the next one may prepare"
        ours.let_next()
    assert QueueLock(tmp_path / "queue").acquire(0)


def test_what_is_refused_on_deck_waits_for_no_turn(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UnavailableError("no", hint="")

    with (
        QueueLock(tmp_path / "queue").hold(1),
        pytest.raises(UnavailableError),
        turns(tmp_path).take(10, refuse),
    ):
        pytest.fail("it had its turn")
    with turns(tmp_path).take(0, refuse) as is_held:
        assert is_held, "nothing is left held"


def test_a_stopped_process_on_deck_does_not_wedge_the_queue(tmp_path: Path) -> None:
    process = holder(tmp_path / "deck")
    os.kill(process.pid, signal.SIGSTOP)
    with turns(tmp_path).take(0.2, lambda: None) as is_held:
        assert not is_held
    end(process)


def record(folder: Path, name: str) -> LiveFile:
    """Record a writer; it lives until its file is left."""
    file = LiveFile(folder / "ledger" / "x" / f"{name}.json")
    file.write(json.dumps({"process": identity()}).encode())
    return file


@pytest.mark.parametrize(
    ("writer", "is_healed"), [("dead", True), ("none", True), ("living", False)]
)
def test_a_lock_is_broken_only_when_no_recorded_writer_lives(
    tmp_path: Path, writer: str, is_healed: bool
) -> None:
    lock = tmp_path / "ref.lock"
    lock.touch()
    if writer != "none":
        file = record(tmp_path / "pending", "one")
        if writer == "dead":
            file.leave()
    healing = QueueLock(tmp_path / "h")
    assert heal(lock, tmp_path / "pending", healing, Clock()) is is_healed
    assert lock.exists() is not is_healed


def test_a_writer_breaks_no_lock_of_another_thread_of_its_process(tmp_path: Path) -> None:
    lock, healing = tmp_path / "ref.lock", QueueLock(tmp_path / "h")
    lock.touch()
    ours, theirs = (record(tmp_path / "pending", name) for name in ("ours", "theirs"))
    assert not heal(lock, tmp_path / "pending", healing, Clock(), own={ours.path})
    theirs.remove()
    assert heal(lock, tmp_path / "pending", healing, Clock(), own={ours.path})
    ours.remove()


def test_a_living_writer_that_tried_again_meanwhile_did_not_make_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "ref.lock"
    lock.touch()
    waiting, maker = (record(tmp_path / "pending", name) for name in ("waiting", "maker"))
    for is_maker_dead in (False, True):
        if is_maker_dead:
            maker.leave()
        timer = threading.Timer(0.2, waiting.touch)
        timer.start()
        is_healed = heal(lock, tmp_path / "pending", QueueLock(tmp_path / "h"), Clock())
        assert is_healed is is_maker_dead
        timer.join()
    assert not lock.exists()
    waiting.remove()


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_lock_file_is_told_and_stays(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "ref.lock"
    if kind == "folder":
        lock.mkdir()
    elif kind == "link":
        lock.symlink_to("nowhere")
    else:
        os.mkfifo(lock)
    with pytest.raises(UnavailableError, match="is not a lock file of git"):
        heal(lock, tmp_path / "pending", QueueLock(tmp_path / "h"), Clock())
    assert os.path.lexists(lock)


def test_records_are_sought_behind_no_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "x").mkdir(parents=True)
    (tmp_path / "elsewhere" / "x" / "one.json").write_text("{}")
    (tmp_path / "pending").mkdir()
    (tmp_path / "pending" / "ledger").symlink_to(tmp_path / "elsewhere")
    assert list(record_files(tmp_path / "pending", depth=2)) == []
    assert [path.name for path in record_files(tmp_path, depth=2)] == ["one.json"]


def test_a_lock_that_changes_is_not_broken(tmp_path: Path) -> None:
    lock = tmp_path / "ref.lock"
    lock.touch()
    timer = threading.Timer(0.2, lambda: lock.write_text("busy"))
    timer.start()
    assert not heal(lock, tmp_path / "pending", QueueLock(tmp_path / "h"), Clock())
    assert lock.read_text() == "busy"
    timer.join()


def test_a_deadline_runs_out() -> None:
    clock = Clock()
    assert Deadline(clock, 0).expired
    assert Deadline(clock, 60).remaining() > 59
    assert 0 <= clock.backoff(3) <= 0.016
    assert len(clock.token()) == 32


# the ready index

STATES = st.sampled_from(["open", "claimed", "done", "failed", "cancelled"])
NAMES = ["a", "b", "c", "d", "e", "f"]


def task(
    name: str, order: int, state: str, needs: list[str], phase: str, pool: str, priority: int
) -> dict[str, Any]:
    spec = {
        "id": name,
        "title": name,
        "phase": phase,
        "pool": pool,
        "paths": [f"{name}/x/", "shared/"],
        "needs": needs,
        "estimate_ms": None,
        "priority": priority,
    }
    return {
        "id": name,
        "order": order,
        "spec": spec,
        "state": state,
        "assigned": None,
        "claim": None,
        "result": None,
    }


RECORDS = st.fixed_dictionaries(
    {},
    optional={
        name: st.builds(
            lambda state, needs, phase, pool, priority, name=name, order=order: task(
                name, order, state, sorted(needs), phase, pool, priority
            ),
            STATES,
            st.sets(st.sampled_from(NAMES[:order] or ["zz"]), max_size=2),
            st.sampled_from(["p", "q"]),
            st.sampled_from(["m", "n"]),
            st.integers(0, 3),
        )
        for order, name in enumerate(NAMES)
    },
)


def commit(store: MemoryStore, records: dict[str, Any]) -> str:
    files = {task_path(name): codec.dump(record) for name, record in records.items()}
    return store.write_entry(
        store.write_tree(None, {"settings.json": b"{}", **files}), (), "x", ("x", "x"), 1
    )


def ready(records: dict[str, Any], phases: list[str], pools: list[str]) -> set[str]:
    return {
        name
        for name, record in records.items()
        if record["state"] == "open"
        and record["spec"]["phase"] in phases
        and record["spec"]["pool"] in pools
        and all(
            need in records and records[need]["state"] == "done" for need in record["spec"]["needs"]
        )
    }


def tally(records: dict[str, Any]) -> dict[tuple[str, str, str], int]:
    """Count as the index has to: open tasks by what they wait for."""
    found: Counter[tuple[str, str, str]] = Counter()
    for record in records.values():
        state = record["state"]
        needs = [
            records[need]["state"] if need in records else "" for need in record["spec"]["needs"]
        ]
        if state == "open":
            state = (
                "blocked"
                if {"failed", "cancelled"} & set(needs)
                else "waiting"
                if set(needs) - {"done"}
                else "ready"
            )
        found[record["spec"]["phase"], record["spec"]["pool"], state] += 1
    return dict(found)


def counted(index: ReadyIndex) -> dict[tuple[str, str, str], int]:
    return {(phase, pool, state): number for phase, pool, state, number in index.counts()}


@settings(max_examples=80)
@given(
    st.lists(RECORDS, min_size=1, max_size=5),
    st.sampled_from(["random", "round-robin", "priority", "directory", "critical-path"]),
    st.floats(0, 1, exclude_max=True),
)
def test_the_index_equals_its_definition_after_any_jumps(
    states: list[dict[str, Any]], selection: str, start: float
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = MemoryStore(Path(folder))
        index = ReadyIndex(Path(folder) / "index" / "l.sqlite")
        for records in states:
            index.update(store, commit(store, records))
            for pools in (["m", "n"], ["m"]):
                found = list(
                    index.candidates(
                        pools=pools, agent="x", phases=["p"], selection=selection, start=start
                    )
                )
                assert len(found) == len(set(found))
                assert set(found) == ready(records, ["p"], pools)
                if selection == "round-robin":
                    assert found == sorted(found, key=lambda name: records[name]["order"])
            done = {
                name
                for name, one in records.items()
                if one["state"] == "done" and one["spec"]["phase"] == "p"
            }
            assert set(index.overlapping("p", ["shared/a/"])) == done
            assert index.all_ids() == sorted(records, key=lambda name: records[name]["order"])
            assert counted(index) == tally(records)
        index.close()


@settings(max_examples=60)
@given(st.lists(st.lists(STATES, min_size=5, max_size=5), min_size=2, max_size=6))
def test_the_counts_follow_when_nothing_but_states_changes(rows: list[list[str]]) -> None:
    import tempfile

    needs: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a", "b"], "d": [], "e": ["c", "d"]}
    with tempfile.TemporaryDirectory() as folder:
        store = MemoryStore(Path(folder))
        index = ReadyIndex(Path(folder) / "index" / "l.sqlite")
        for row in rows:
            records = {
                name: task(name, order, row[order], needs[name], "p", "mn"[order % 2], 0)
                for order, name in enumerate(needs)
            }
            index.update(store, commit(store, records))
            assert counted(index) == tally(records)
            assert set(
                index.candidates(
                    pools=["m", "n"], agent="x", phases=["p"], selection="random", start=0.5
                )
            ) == ready(records, ["p"], ["m", "n"])
        index.close()


def test_a_broken_or_missing_index_is_made_again(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path)
    path = tmp_path / "index" / "l.sqlite"
    tip = commit(store, {"a": task("a", 0, "open", [], "p", "m", 0)})
    for content in (None, b"not a database at all" * 100):
        if content is not None:
            path.write_bytes(content)
        index = ReadyIndex(path)
        index.update(store, tip)
        assert index.all_ids() == ["a"]
        index.close()


def test_a_random_choice_uses_an_index_and_sorts_nothing(tmp_path: Path) -> None:
    import sqlite3

    store = MemoryStore(tmp_path)
    index = ReadyIndex(tmp_path / "l.sqlite")
    index.update(store, commit(store, {"a": task("a", 0, "open", [], "p", "m", 0)}))
    index.close()
    query = (
        "EXPLAIN QUERY PLAN SELECT id FROM tasks WHERE phase = 'p' AND pool = 'm' AND rnd >= 5 AND "
        "state = 'open' "
        "AND unmet = 0 AND broken = 0 AND (assigned IS NULL OR assigned = 'x') ORDER BY rnd LIMIT "
        "8 OFFSET 0"
    )
    database = sqlite3.connect(tmp_path / "l.sqlite")
    plan = " ".join(row[3] for row in database.execute(query))
    database.close()
    assert "ready_random" in plan
    assert "TEMP B-TREE" not in plan
