from __future__ import annotations

from typing import cast

import pytest

from gitcoord.core.model import PhaseRecord
from gitcoord.core.readiness import (
    broken_needs,
    hindrance,
    hindrances,
    is_blocked,
    state_in_phase,
    state_of,
)
from tests.support.builders import PureLedger, tasks
from tests.support.pure import land

PHASES = """
[[phase]]
name = "p"
[[phase]]
name = "q"
after = ["p"]
[[task]]
id = "a"
title = "A"
phase = "p"
paths = ["a/"]
[[task]]
id = "b"
title = "B"
phase = "q"
paths = ["b/"]
needs = ["a"]
"""


def made(plan: str) -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(plan)
    pure.agent("x")
    return pure


def found(pure: PureLedger, task: str) -> tuple[object, ...]:
    one = hindrance(pure.snapshot, pure.snapshot.require_task(task))
    return () if one is None else (one.kind, one.names)


def shown(pure: PureLedger, task: str, derived: str | None = None) -> str:
    return state_of(pure.snapshot, pure.snapshot.require_task(task), derived)


def test_a_task_waits_for_its_needs_and_then_for_nothing() -> None:
    pure = made(tasks("a", "b", "c", c=["a", "b"]))
    assert found(pure, "a") == ()
    assert found(pure, "c") == ("need", ("a", "b"))
    pure.complete(pure.claim("x", "a"))
    assert found(pure, "c") == ("need", ("b",))
    assert shown(pure, "c") == "waiting"
    assert shown(pure, "c", "ready") == "ready", "what the index derived is believed"


def test_a_need_that_will_not_be_done_blocks() -> None:
    pure = made(tasks("a", "b", b=["a"]))
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    assert found(pure, "b") == ("blocked", ("a",))


def test_a_phase_that_has_not_started_comes_before_its_needs_but_not_before_what_blocks() -> None:
    pure = made(PHASES)
    assert found(pure, "b") == ("phase", ("p",))
    assert shown(pure, "b", "ready") == "waiting"
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    assert found(pure, "b") == ("blocked", ("a",))
    assert shown(pure, "b") == "blocked"
    assert broken_needs(pure.snapshot, pure.snapshot.require_task("b")) == ["a"]


def test_a_task_is_blocked_by_a_need_of_its_need() -> None:
    pure = made(tasks("a", "b", "c", "d", b=["a"], c=["b"]))
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    known: dict[str, bool] = {}
    assert is_blocked(pure.snapshot, pure.snapshot.require_task("c"), known)
    assert not is_blocked(pure.snapshot, pure.snapshot.require_task("d"), known)
    assert shown(pure, "c") == "waiting", "its own need may yet be done, once a is opened again"


def test_a_done_task_is_landed_with_its_phase() -> None:
    pure = made(tasks("a"))
    pure.complete(pure.claim("x", "a"))
    assert shown(pure, "a") == "done"
    begin = land(pure)
    pure.run(begin)
    pure.run({"op": "land-done", **{key: begin[key] for key in ("phase", "target", "old", "new")}})
    assert shown(pure, "a") == "landed"


def test_whatever_is_in_the_way_has_a_state_and_whatever_is_not_is_ready() -> None:
    pure = made(tasks("a", "b", "c", "d", b=["a"], c=["b"], d=["a", "c"]))
    pure.complete(pure.claim("x", "a"))
    pure.run({"op": "cancel", "task": "c", "reason": ""})
    for task in pure.snapshot.tasks():
        if task["state"] == "open":
            is_ready = hindrance(pure.snapshot, task) is None
            assert (state_of(pure.snapshot, task) == "ready") == is_ready


def test_a_paused_task_waits_and_is_blocked_before_that() -> None:
    pure = made(tasks("a", "b", b=["a"]))
    for name in ("a", "b"):
        pure.run({"op": "pause", "task": name, "reason": "not now"})
    assert (found(pure, "a"), shown(pure, "a")) == (("paused", ("a",)), "waiting")
    one = hindrance(pure.snapshot, pure.snapshot.require_task("a"))
    assert one is not None
    assert one.text == "task a is paused by orchestrator (not now)"
    assert one.hint == "`gitcoord unpause a`"
    kinds = [one.kind for one in hindrances(pure.snapshot, pure.snapshot.require_task("b"))]
    assert kinds == ["paused", "need"]
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    assert shown(pure, "b") == "blocked"


@pytest.mark.parametrize("derived", ["ready", "waiting"])
def test_nothing_is_ready_in_a_phase_that_has_landed(derived: str) -> None:
    phase = cast("PhaseRecord", {"id": "p", "state": "landed"})
    assert state_in_phase(derived, phase, is_started=True) == "blocked"
