"""Records of tasks, and what an index has to say of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st

from gitcoord.core import codec
from gitcoord.core.layout import task_path
from gitcoord.core.snapshot import Snapshot
from gitcoord.store.index import ReadyIndex
from gitcoord.store.memory import MemoryStore
from tests.support.builders import DictReader

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
        "description": "",
        "reads": [],
        "result": "required",
        "check": None,
        "verify_by": None,
    }
    return {
        "id": name,
        "order": order,
        "spec": spec,
        "state": state,
        "approvals": 0,
        "assigned": None,
        "attempt": 0,
        "failures": 0,
        "claim": None,
        "reviews": [],
        "result": None,
        "branch": None,
        "retry": None,
        "setbacks": [],
    }


RECORDS = st.fixed_dictionaries(
    {},
    optional={
        name: st.builds(
            lambda state, needs, phase, pool, priority, pause, name=name, order=order: {
                **task(name, order, state, sorted(needs), phase, pool, priority),
                **pause,
            },
            STATES,
            st.sets(st.sampled_from(NAMES[:order] or ["zz"]), max_size=2),
            st.sampled_from(["p", "q"]),
            st.sampled_from(["m", "n"]),
            st.integers(0, 3),
            st.sampled_from([{}, {}, {"paused": {"agent": "o", "reason": "", "at": 1}}]),
        )
        for order, name in enumerate(NAMES)
    },
)


def commit(store: MemoryStore, records: dict[str, Any]) -> str:
    files = {task_path(name): codec.dump(record) for name, record in records.items()}
    return store.write_entry(
        store.write_tree(None, {"settings.json": b"{}", **files}), (), "x", ("x", "x"), 1
    )


def with_known_needs(record: dict[str, Any], records: dict[str, Any]) -> dict[str, Any]:
    """Return a task without the needs that no plan could have: those of no task."""
    spec = record["spec"]
    needs = [need for need in spec["needs"] if need in records]
    return {**record, "spec": {**spec, "needs": needs}}


def snapshot_of(records: dict[str, Any]) -> Snapshot:
    files = {task_path(name): codec.dump(record) for name, record in records.items()}
    return Snapshot(DictReader(files, {}))


def ready(records: dict[str, Any], phases: list[str], pools: list[str]) -> set[str]:
    return {
        name
        for name, record in records.items()
        if record["state"] == "open"
        and "paused" not in record
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
                if set(needs) - {"done"} or "paused" in record
                else "ready"
            )
        found[record["spec"]["phase"], record["spec"]["pool"], state] += 1
    return dict(found)


def counted(index: ReadyIndex) -> dict[tuple[str, str, str], int]:
    return {(phase, pool, state): number for phase, pool, state, number in index.counts()}
