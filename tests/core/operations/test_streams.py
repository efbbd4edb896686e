"""A stream is closed and opened again, and lands what it holds."""

from __future__ import annotations

from gitcoord.core.errors import RefusedError, UsageError
from tests.support.builders import PureLedger, tasks
from tests.support.pure import land, refused

STREAM = '[[phase]]\nname = "default"\nstream = true\n'
LATER = '[[phase]]\nname = "later"\nafter = ["default"]\n'
ROW = '[[task]]\nid = "z"\ntitle = "Z"\nphase = "later"\npaths = ["z/"]\n'


def stream(*names: str, more: str = "") -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks(*names, head=STREAM) + more)
    for number, _ in enumerate(names):
        pure.agent(f"x{number}")
    return pure


def done(pure: PureLedger, task: str, agent: str = "x0") -> None:
    pure.complete(pure.claim(agent, task))


def landed(pure: PureLedger) -> None:
    begin = land(pure)
    pure.run(begin)
    pure.run({"op": "land-done", **{key: begin[key] for key in ("phase", "target", "old", "new")}})


def state(pure: PureLedger, phase: str = "default") -> tuple[str, bool]:
    record = pure.snapshot.phase(phase)
    assert record is not None
    return record["state"], record.get("closed", False)


def change(word: str, phase: str = "default") -> dict[str, str]:
    return {"op": f"phase-{word}", "phase": phase, "reason": ""}


def test_a_closed_stream_has_landed_when_nothing_is_left_of_it() -> None:
    pure = stream("a", "b", "c")
    done(pure, "a")
    landed(pure)
    pure.run(change("close"))
    assert state(pure) == ("open", True)
    done(pure, "b")
    landed(pure)
    assert state(pure) == ("open", True)
    pure.run({"op": "cancel", "task": "c", "reason": ""})
    assert state(pure) == ("landed", True)
    pure.run(change("open"))
    assert state(pure) == ("open", False)
    assert refused(pure, RefusedError, op="cancel", task="a", reason="").facts["reason"] == "landed"


def test_what_is_no_stream_is_neither_closed_nor_opened() -> None:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a"))
    for word in ("close", "open"):
        refused(pure, UsageError, **change(word))


def test_a_stream_is_closed_once_and_opened_once() -> None:
    pure = stream("a")
    assert refused(pure, RefusedError, **change("open")).facts["reason"] == "nothing-to-do"
    pure.run(change("close"))
    assert refused(pure, RefusedError, **change("close")).facts["reason"] == "nothing-to-do"
    spec = {**pure.snapshot.require_task("a")["spec"], "id": "n"}
    assert refused(pure, RefusedError, op="task-add", spec=spec).facts["reason"] == "closed"


def test_an_agent_adds_tasks_to_adhoc_alone() -> None:
    pure = stream("a")
    spec = {**pure.snapshot.require_task("a")["spec"], "id": "n"}
    assert (
        refused(pure, RefusedError, op="task-add", agent="x0", spec=spec).facts["reason"] == "role"
    )


def test_a_batch_that_lands_freezes_its_own_tasks_alone() -> None:
    pure = stream("a", "b")
    done(pure, "a")
    begin = land(pure)
    pure.run(begin)
    assert (
        refused(pure, RefusedError, op="cancel", task="a", reason="").facts["reason"] == "landing"
    )
    claim = pure.claim("x1", "b")
    pure.complete(claim)
    ends = {key: begin[key] for key in ("phase", "target", "old", "new")}
    pure.run({"op": "land-done", **ends})
    assert "landed" in pure.snapshot.require_task("a")
    assert "landed" not in pure.snapshot.require_task("b")


def test_an_aborted_batch_lands_with_the_next_one() -> None:
    pure = stream("a")
    done(pure, "a")
    begin = land(pure)
    pure.run(begin)
    ends = {key: begin[key] for key in ("phase", "target", "old", "new")}
    pure.run({"op": "land-abort", **ends, "reason": "main moved"})
    assert "landed" not in pure.snapshot.require_task("a")
    landed(pure)
    assert "landed" in pure.snapshot.require_task("a")
