"""A phase lands whole or not at all."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import (
    InvalidPlanError,
    NothingReadyError,
    RefusedError,
)
from tests.support.builders import PureLedger, tasks
from tests.support.pure import land, ledger, refused


def test_a_phase_lands_whole_or_not_at_all_and_freezes_its_tasks() -> None:
    pure = ledger("a", "b")
    pure.complete(pure.claim("x0", "a"))
    assert refused(pure, RefusedError, **land(pure)).facts["reason"] == "not-whole"
    pure.complete(pure.claim("x0", "b"))
    begin = land(pure)
    pure.run(begin)
    assert (
        refused(pure, RefusedError, op="reopen", task="a", kind="gate", reason="x").facts["reason"]
        == "landing"
    )
    assert (
        refused(pure, RefusedError, op="cancel", task="a", reason="").facts["reason"] == "landing"
    )
    ends = {key: begin[key] for key in ("phase", "target", "old", "new")}
    pure.run({"op": "land-done", **ends})
    assert refused(pure, RefusedError, op="land-done", **ends).facts["reason"] == "pending"
    with pytest.raises(InvalidPlanError):
        pure.plan(tasks("a", "b", "z"))


def test_a_landing_of_results_that_changed_meanwhile_is_refused() -> None:
    pure = ledger("a")
    pure.complete(pure.claim("x0", "a"))
    begin = land(pure)
    pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    pure.complete(pure.claim("x0", "a"))
    assert refused(pure, RefusedError, **begin).facts["reason"] == "results-changed"
    assert (
        refused(pure, RefusedError, **{**land(pure), "count": 2}).facts["reason"]
        == "results-changed"
    )
    pure.run(land(pure))


def test_an_aborted_landing_opens_the_phase_again_and_escalates() -> None:
    pure = ledger("a")
    pure.complete(pure.claim("x0", "a"))
    begin = land(pure)
    pure.run(begin)
    pure.run(
        {
            "op": "land-abort",
            **{key: begin[key] for key in ("phase", "target", "old", "new")},
            "reason": "main moved",
        }
    )
    assert pure.snapshot.settings()["pending"] is None
    assert [one["code"] for one in pure.snapshot.escalations()] == ["landing-aborted"]
    pure.run(land(pure))


def test_a_second_phase_starts_when_the_first_has_landed() -> None:
    text = (
        '[[phase]]\nname="p"\n[[phase]]\nname="q"\nafter=["p"]\n'
        '[[task]]\nid="a"\ntitle="A"\nphase="p"\npaths=["a/"]\n'
        '[[task]]\nid="b"\ntitle="B"\nphase="q"\npaths=["b/"]\nneeds=["a"]\n'
    )
    pure = PureLedger()
    pure.init()
    pure.plan(text)
    pure.agent("x0")
    pure.complete(pure.claim("x0", "a"))
    error = refused(
        pure, NothingReadyError, op="claim", agent="x0", task="b", session="s", base="", built_on={}
    )
    assert "phase p" in error.message
    begin = land(pure, "p")
    pure.run(begin)
    pure.run({"op": "land-done", **{key: begin[key] for key in ("phase", "target", "old", "new")}})
    pure.claim("x0", "b")
