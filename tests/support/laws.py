"""The law of states: after an event every task is where its row says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitcoord.core.events import Event
from gitcoord.core.machine import apply, operations
from gitcoord.core.snapshot import Changes, Snapshot


def assert_lawful(snapshot: Snapshot, event: Event) -> None:
    """Hold what an event changes against the transitions of its row."""
    if event["op"] == "batch":
        changes: Changes = {}
        for one in event["events"]:
            here = snapshot.overlaid(changes)
            assert_lawful(here, one)
            changes |= apply(here, one)
        return
    for path, record in apply(snapshot, event).items():
        if not path.startswith("tasks/"):
            continue
        assert isinstance(record, dict), path
        before = snapshot.record(path)
        if before is None:
            assert event["op"] in {"plan", "task-add"}
            assert record["state"] == "open"
            continue
        targets = {
            state
            for named in named_by(event, record["id"])
            for state in named.get(before["state"], ())
        }
        assert record["state"] in targets, (
            event["op"],
            record["id"],
            before["state"],
            record["state"],
        )


def named_by(event: Event, task: str) -> Iterator[Any]:
    """The transitions that an event's row names for one task."""
    row = operations()[event["op"]]
    if event.get("task") == task:
        yield row.transitions
    listed: Any = event
    for key, transitions in row.in_passing.items():
        names = {one if isinstance(one, str) else one["task"] for one in listed.get(key, ())}
        if key == "*" or task in names:
            yield transitions
