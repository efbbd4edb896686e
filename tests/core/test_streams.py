"""What of a stream lands next, and when."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gitcoord.core import streams
from gitcoord.core.model import PhaseRecord, TaskRecord


def task(
    name: str, state: str = "done", needs: str = "", built: str = "", *, at: int = 0, **more: Any
) -> TaskRecord:
    result = None
    if state == "done":
        result = {"oid": "1" * 40, "built_on": dict.fromkeys(built.split(), "2" * 40), "at": at}
    spec = {"needs": needs.split(), "phase": "s"}
    record = {"id": name, "state": state, "spec": spec, "result": result, **more}
    return cast("TaskRecord", record)


def landed(name: str) -> TaskRecord:
    return task(name, landed={"oid": "3" * 40, "at": 1})


def phase(state: str = "open", **spec: Any) -> PhaseRecord:
    return cast("PhaseRecord", {"id": "s", "state": state, "spec": spec})


@pytest.mark.parametrize(
    ("tasks", "most", "batch"),
    [
        ([], 0, ""),
        ([task("a"), task("b", "open"), task("c")], 0, "a c"),
        ([landed("a"), task("b", needs="a", built="a")], 0, "b"),
        ([task("a", needs="b"), task("b", "open")], 0, ""),
        ([task("a", needs="b"), task("b")], 0, "a b"),
        ([task("a", needs="b"), task("b")], 1, "b"),
        ([task("a", built="b"), task("b", built="c"), task("c", "claimed")], 0, ""),
        ([task("a", needs="elsewhere")], 0, "a"),
        ([task("a"), task("b"), task("c")], 2, "a b"),
    ],
)
def test_a_batch_is_what_is_done_with_all_that_it_rests_on(
    tasks: list[TaskRecord], most: int, batch: str
) -> None:
    assert " ".join(one["id"] for one in streams.batch_of(tasks, most)) == batch


@pytest.mark.parametrize(
    ("spec", "count", "now", "is_due"),
    [
        ({}, 0, 0, True),
        ({"stream": True}, 0, 0, False),
        ({"stream": True}, 1, 0, True),
        ({"stream": True, "batch": {"max": 2, "wait_ms": 5000}}, 1, 14.9, False),
        ({"stream": True, "batch": {"max": 2, "wait_ms": 5000}}, 1, 15, True),
        ({"stream": True, "batch": {"max": 2, "wait_ms": 5000}}, 2, 0, True),
        ({"stream": True, "batch": {"max": 0, "wait_ms": 5000}}, 9, 11, False),
    ],
)
def test_a_batch_is_due_when_it_is_full_or_has_waited(
    spec: dict[str, Any], count: int, now: float, is_due: bool
) -> None:
    batch = [task(str(number), at=10 + number) for number in range(count)]
    assert streams.is_due(phase(**spec), batch, now) is is_due


def test_work_goes_on_in_a_stream_that_lands_and_not_in_another_phase() -> None:
    assert streams.takes_work(phase())
    assert streams.takes_work(phase("landing", stream=True))
    assert not streams.takes_work(phase("landing"))
    assert not streams.takes_work(phase("landed", stream=True))
