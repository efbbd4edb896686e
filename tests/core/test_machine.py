from __future__ import annotations

import itertools
import re
from importlib import import_module
from typing import Any

import pytest

from gitcoord.core.errors import ClaimLostError, GitcoordError, UsageError
from gitcoord.core.machine import MAX_SAID_BYTES, TOPICS, apply, operation, operations
from gitcoord.core.model import State
from gitcoord.core.operation import STATES
from gitcoord.core.operations.gates import check_of, definition_of
from gitcoord.core.sentences import reason_of, said
from tests.support.builders import PureLedger
from tests.support.pure import LEASE_NS, ledger, refused

MOVING = [op for op, row in operations().items() if row.transitions]
REVIEWED = """
[[phase]]
name = "p"
reviews = 1
[[task]]
id = "a"
title = "A"
phase = "p"
paths = ["a/"]
check = "true"
"""


def in_state(state: State) -> tuple[PureLedger, str]:
    """Bring task a into a state; return the token of its last claim or review."""
    pure = PureLedger()
    pure.init()
    pure.plan('[plan]\nwidening = "free"\n' + REVIEWED)
    pure.agent("x0")
    pure.agent("x1")
    if state == "open":
        return pure, "f" * 32
    if state == "cancelled":
        pure.run({"op": "cancel", "task": "a", "reason": ""})
        return pure, "f" * 32
    claim = pure.claim("x0", "a")
    held = {"agent": "x0", "task": "a", "token": claim["token"]}
    if state == "failed":
        pure.run({"op": "fail", **held, "kind": "permanent", "reason": "no way"})
    if state in {"claimed", "failed"}:
        return pure, claim["token"]
    pure.run({"op": "check", **held, **check_run(pure)})
    pure.run({"op": "complete", **held, "result": RESULT})
    review = pure.run({"op": "review", "agent": "x1", "task": "a", "session": "s"})
    if state == "done":
        verdict = {"token": review["token"], "reviewed": RESULT["oid"], "reason": ""}
        pure.run({"op": "approve", "agent": "x1", "task": "a", **verdict})
    return pure, review["token"]


RESULT = {
    "oid": "1" * 40,
    "tree": "1" * 40,
    "base": "1" * 40,
    "built_on": {},
    "commits": 1,
    "files": 1,
}


def check_run(pure: PureLedger) -> dict[str, object]:
    spec = check_of(pure.snapshot.require_task("a")["spec"])
    assert spec is not None
    return {
        "definition": definition_of(spec),
        "tree": RESULT["tree"],
        "commit": RESULT["oid"],
        "verdict": "passed",
        "reason": "",
        "millis": 1,
        "log": None,
    }


def asked(op: str, pure: PureLedger, token: str) -> dict[str, object]:
    """A command that asks for an operation on task a, by whoever may."""
    command: dict[str, object] = {
        **check_run(pure),
        "op": op,
        "task": "a",
        "token": token,
        "session": "s",
        "base": "1" * 40,
        "built_on": {},
        "old": token,
        "message": "on",
        "result": RESULT,
        "kind": "transient",
        "reason": "because",
        "reviewed": RESULT["oid"],
        "to": "x1",
        "paths": ["more/"],
        "spec": {**pure.snapshot.require_task("a")["spec"], "title": "Another"},
    }
    if op in {"claim", "review", "approve", "reject", "review-release"}:
        command["agent"] = "x1"
    elif op in {"reissue", "progress", "complete", "fail", "release", "check", "widen"}:
        command["agent"] = "x0"
    if op == "check":
        command["reason"] = ""
    return command


@pytest.mark.parametrize(("op", "state"), list(itertools.product(MOVING, STATES)))
def test_every_operation_in_every_state_does_what_its_row_says(op: str, state: State) -> None:
    pure, token = in_state(state)
    assert pure.state("a") == state
    if (op, state) == ("complete", "claimed"):
        pure.run({**asked("check", pure, token)})
    if op == "claim":
        pure.now_ns += LEASE_NS + 1
    if op == "unpause" and state in {"open", "claimed"}:
        pure.run(asked("pause", pure, token))
    command, targets = asked(op, pure, token), operations()[op].transitions.get(state)
    if targets is None:
        error = refused(pure, GitcoordError, **command)
        assert error.facts.get("reason") == "state" or isinstance(error, ClaimLostError)
    else:
        # ``run`` holds the law: the state is one that the row names.
        pure.run(command)
        assert pure.state("a") in targets


def test_a_row_names_states_and_keys_that_there_are() -> None:
    for op, row in operations().items():
        for transitions in (row.transitions, *row.in_passing.values()):
            assert set(transitions) <= set(STATES), op
            assert {state for targets in transitions.values() for state in targets} <= set(STATES)
        assert set(row.in_passing) - {"*"} <= row.keys, op
        assert row.body in {"", *row.keys}, op
        assert not row.fields & row.optional.keys(), op
        assert not row.transitions or "task" in row.fields, op
        named = {place.partition("/")[0] for place in re.findall(r"\{([a-z_/]+)", row.subject)}
        assert named <= row.keys, op


def test_each_operation_is_looked_for_in_the_file_that_has_it() -> None:
    for topic, ops in TOPICS.items():
        rows = import_module(f"gitcoord.core.operations.{topic}").OPERATIONS
        assert sorted(rows) == sorted(ops.split())
        assert all(operation(op) is rows[op] for op in rows)
    assert len(operations()) == 1 + sum(len(ops.split()) for ops in TOPICS.values())


def test_apply_changes_nothing_that_it_is_given() -> None:
    pure = ledger()
    event = pure.claim("x0", "a")
    before = repr(event)
    apply(pure.snapshot, {**event})
    assert repr(event) == before


@pytest.mark.parametrize(
    "why",
    [
        {"reason": "too large", "said": said("interrupted")},
        {"said": "too large"},
        {"said": {"code": "interrupted"}},
        {"said": said("not-handed-in", reason="x" * MAX_SAID_BYTES)},
    ],
)
def test_a_reason_is_one_text_or_one_code_with_its_values(why: dict[str, Any]) -> None:
    pure = ledger()
    token = pure.claim("x0", "a")["token"]
    command = {"op": "release", "agent": "x0", "task": "a", "token": token}
    with pytest.raises(UsageError, match="a reason"):
        pure.run({**command, **why})
    pure.run({**command, "said": said("interrupted")})
    (setback,) = pure.snapshot.require_task("a")["setbacks"]
    assert setback["values"] == {"reason": said("interrupted")}
    assert reason_of(setback) == "the run was interrupted"
