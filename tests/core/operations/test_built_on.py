"""What a result was built on is done again with it."""

from __future__ import annotations

from gitcoord.core.errors import (
    RefusedError,
)
from tests.support.pure import ledger, refused


def test_what_was_built_on_a_reopened_task_is_done_again_transitively() -> None:
    pure = ledger(b=["a"], c=["b"])
    one = str(pure.complete(pure.claim("x0", "a"))["result"]["oid"])
    two = str(pure.complete(pure.claim("x0", "b", {"a": one}), {"a": one})["result"]["oid"])
    pure.complete(pure.claim("x0", "c", {"a": one, "b": two}), {"a": one, "b": two})
    event = pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    assert [redone["task"] for redone in event["redone"]] == ["b", "c"]
    assert [pure.state(name) for name in "abc"] == ["open", "open", "open"]
    assert pure.snapshot.require_task("a")["failures"] == 1
    assert pure.snapshot.require_task("b")["failures"] == 0


def test_redoing_goes_through_results_that_name_only_the_one_before() -> None:
    pure = ledger(b=["a"], c=["b"])
    one = str(pure.complete(pure.claim("x0", "a"))["result"]["oid"])
    two = str(pure.complete(pure.claim("x0", "b", {"a": one}), {"a": one})["result"]["oid"])
    pure.complete(pure.claim("x0", "c", {"b": two}), {"b": two})
    event = pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    assert [redone["task"] for redone in event["redone"]] == ["b", "c"]


def test_a_completion_on_a_base_that_moved_is_refused() -> None:
    pure = ledger(b=["a"])
    one = str(pure.complete(pure.claim("x0", "a"))["result"]["oid"])
    claim = pure.claim("x1", "b", {"a": one})
    pure.run({"op": "reopen", "task": "a", "kind": "conflict", "reason": "it conflicts"})
    result = {
        "oid": "2" * 40,
        "tree": "2" * 40,
        "base": "",
        "built_on": {"a": one},
        "commits": 1,
        "files": 1,
    }
    error = refused(
        pure, RefusedError, op="complete", agent="x1", task="b", token=claim["token"], result=result
    )
    assert error.facts["reason"] == "base-moved"
    assert pure.state("b") == "claimed"
