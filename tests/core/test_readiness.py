from __future__ import annotations

from gitcoord.core.readiness import hindrance
from tests.support.builders import PureLedger, tasks

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


def found(pure: PureLedger, task: str, *, are_needs_done: bool = False) -> tuple[object, ...]:
    one = hindrance(pure.snapshot, pure.snapshot.require_task(task), are_needs_done=are_needs_done)
    return () if one is None else (one.kind, one.names)


def test_a_task_waits_for_its_needs_and_then_for_nothing() -> None:
    pure = made(tasks("a", "b", "c", c=["a", "b"]))
    assert found(pure, "a") == ()
    assert found(pure, "c") == ("need", ("a", "b"))
    pure.complete(pure.claim("x", "a"))
    assert found(pure, "c") == ("need", ("b",))
    assert found(pure, "c", are_needs_done=True) == ()


def test_a_need_that_will_not_be_done_blocks() -> None:
    pure = made(tasks("a", "b", b=["a"]))
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    assert found(pure, "b") == ("blocked", ("a",))


def test_a_phase_that_has_not_started_comes_before_its_needs_but_not_before_what_blocks() -> None:
    pure = made(PHASES)
    assert found(pure, "b") == ("phase", ("p",))
    assert found(pure, "b", are_needs_done=True) == ("phase", ("p",))
    pure.run({"op": "cancel", "task": "a", "reason": ""})
    assert found(pure, "b") == ("blocked", ("a",))
