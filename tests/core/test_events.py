"""What an event is about, and whose leases it ends."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.events import Event, evidence_of, operations_in, tasks_of


def event(**keys: Any) -> Event:
    return cast("Event", {"op": "x", "id": "i", "agent": "a", "time": 1, **keys})


def ended(task: str) -> dict[str, Any]:
    return {"task": task, "token": f"token of {task}"}


def test_a_batch_has_its_own_operation_and_those_of_its_events() -> None:
    batch = event(op="batch", events=[event(op="claim"), event(op="note"), event(op="claim")])
    assert operations_in(batch) == {"batch", "claim", "note"}
    assert operations_in(event(op="claim")) == {"claim"}


def test_every_task_of_an_event_is_named_once_and_in_order() -> None:
    batch = event(
        events=[
            event(task="b"),
            event(task="a", expired=[ended("c")], redone=[{"task": "d", "was": "done"}]),
            event(task="b"),
        ]
    )
    assert tasks_of(batch) == ["b", "a", "c", "d"]
    assert tasks_of(event()) == []
    assert tasks_of(event(task="")) == []


def test_the_evidence_is_that_of_the_takeover_of_what_expired_and_of_inner_events() -> None:
    inner = event(expired=[ended("c")], takeover=ended("d"))
    whole = event(expired=[ended("a")], takeover=ended("b"), events=[inner])
    assert [one["task"] for one in evidence_of(whole)] == ["a", "b", "c", "d"]
    assert evidence_of(event(takeover=None)) == []
