"""The tables of the ready index follow the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gitcoord.core.readiness import hindrance, state_of
from gitcoord.store.index import ReadyIndex
from gitcoord.store.memory import MemoryStore
from tests.support.indexed import (
    RECORDS,
    STATES,
    commit,
    counted,
    ready,
    snapshot_of,
    tally,
    task,
    with_known_needs,
)


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


@settings(max_examples=60)
@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_each_task_has_the_state_that_the_rule_derives(states: list[dict[str, Any]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = MemoryStore(Path(folder))
        index = ReadyIndex(Path(folder) / "index" / "l.sqlite")
        for records in states:
            whole = {name: with_known_needs(record, records) for name, record in records.items()}
            tip = commit(store, whole)
            index.update(store, tip)
            snapshot = snapshot_of(whole)
            rule = {task["id"]: state_of(snapshot, task) for task in snapshot.tasks()}
            assert dict(index.listed()) == rule
            for seen in index.planned():
                spec = whole[seen.name]["spec"]
                assert (seen.phase, seen.estimate_ms) == (spec["phase"], spec["estimate_ms"])
                assert set(seen.needs) == set(spec["needs"])
                assert seen.state == rule[seen.name]
            for task in snapshot.tasks():
                is_ready = task["state"] == "open" and hindrance(snapshot, task) is None
                assert (rule[task["id"]] == "ready") == is_ready
        index.close()


def test_a_random_choice_uses_an_index_and_sorts_nothing(tmp_path: Path) -> None:
    import sqlite3

    store = MemoryStore(tmp_path)
    index = ReadyIndex(tmp_path / "l.sqlite")
    index.update(store, commit(store, {"a": task("a", 0, "open", [], "p", "m", 0)}))
    index.close()
    query = (
        "EXPLAIN QUERY PLAN SELECT id FROM tasks WHERE phase = 'p' AND pool = 'm' AND rnd >= 5 AND "
        "shown = 'ready' AND (assigned IS NULL OR assigned = 'x') ORDER BY rnd LIMIT 8 OFFSET 0"
    )
    database = sqlite3.connect(tmp_path / "l.sqlite")
    plan = " ".join(row[3] for row in database.execute(query))
    database.close()
    assert "ready_random" in plan
    assert "TEMP B-TREE" not in plan
