"""Events that nobody decided are refused by ``check`` alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from gitcoord.core.errors import GitcoordError
from gitcoord.core.machine import check
from gitcoord.core.model import FORMAT
from tests.support.builders import PureLedger, tasks

Meddle = Callable[[Any], object]


def changed(event: Any, meddle: Meddle) -> Any:
    forged = copy.deepcopy(event)
    meddle(forged)
    return forged


def put(**fields: object) -> Meddle:
    return lambda event: event.update(fields)


CASES: dict[str, list[Meddle]] = {
    "claim": [
        put(attempt=5),
        put(lease_ms=0),
        put(token=""),
        put(branch="task/a/1-ffffff"),
        put(title="Another"),
        put(task="zz"),
        put(agent="nobody"),
        put(agent="../x"),
        put(format=FORMAT + 1),
        put(extra=1),
        put(built_on={"b": "1" * 40}),
        put(expired=[{"task": "a"}]),
        lambda event: event.pop("title"),
        lambda event: event.update(attempt=5, branch=event["branch"].replace("/1-", "/5-")),
    ],
    "progress": [
        put(percent=101),
        put(percent=-1),
        put(message="x" * 5000),
        put(attempt=9),
        put(agent="y"),
        put(token="f" * 32),
    ],
    "complete": [
        lambda event: event["result"].update(token="f" * 32),
        lambda event: event["result"].update(agent="y"),
        lambda event: event["result"].update(oid=None),
        lambda event: event["result"].update(built_on={"b": "1" * 40}),
        put(title="Another"),
    ],
    "fail": [put(kind="odd"), put(reason=" "), put(token="f" * 32)],
    "release": [put(attempt=3), put(agent="y")],
    "reissue": [put(old="f" * 32), put(attempt=2), put(branch="task/a/9-aaaaaa"), put(agent="y")],
    "agent-add": [
        put(name="x"),
        put(name="orchestrator"),
        put(name="a/b"),
        put(capacity=0),
        put(pools=["nope"]),
    ],
    "plan": [put(added=7), put(changed=7)],
    "cancel": [put(redone=[{"task": "b", "was": "done"}]), put(title="Another")],
    "assign": [put(to="nobody")],
    "escalate": [put(reason=""), put(task="zz")],
    "lock": [
        put(token="f" * 32),
        put(task="b"),
        put(task=""),
        put(agent="y"),
        put(agent="nobody"),
        put(paths=["b/", "/x"]),
        put(for_ms=-1),
        put(expired=[{"task": "a"}]),
        put(lapsed=[{"lock": "0" * 12}]),
        put(extra=1),
    ],
    "unlock": [put(name="y"), put(agent="y"), put(paths=["q/"]), put(paths=[]), put(tokens=[])],
}


def honest(op: str) -> tuple[PureLedger, Any]:
    """Return a ledger just before an honest event, and the event."""
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a", "b"))
    pure.agent("x")
    pure.agent("y")
    if op not in {"claim", "agent-add", "plan", "cancel", "assign", "escalate"}:
        claim = pure.claim("x", "a")
        held = {"agent": "x", "task": "a", "token": claim["token"]}
    locked = {"paths": ["p/"], "shared": False, "for_ms": 1000, "reason": "because"}
    if op == "unlock":
        pure.run({"op": "lock", **held, **locked})
    before = dict(pure.files)
    if op in {"lock", "unlock"}:
        event: Any = pure.run({"op": op, **held, **locked, "name": "x", "tokens": [claim["token"]]})
    elif op == "claim":
        event = pure.claim("x", "a")
    elif op == "agent-add":
        pure.agent("z")
        event = pure.events[-1]
    elif op == "plan":
        pure.plan(tasks("b", "c"))
        event = pure.events[-1]
    elif op == "complete":
        event = pure.complete(claim)
    elif op == "reissue":
        event = pure.run(
            {"op": op, "agent": "x", "task": "a", "session": "t", "old": claim["token"]}
        )
    elif op in {"cancel", "assign", "escalate"}:
        event = pure.run({"op": op, "task": "a", "reason": "because", "to": "y", "kind": "odd"})
    else:
        event = pure.run(
            {
                "op": op,
                **held,
                "message": "on",
                "percent": 5,
                "kind": "transient",
                "reason": "because",
            }
        )
    pure.files = before
    check(pure.snapshot, event)
    return pure, event


@pytest.mark.parametrize(
    ("op", "index"), [(op, index) for op, meddles in CASES.items() for index in range(len(meddles))]
)
def test_a_forged_event_is_refused(op: str, index: int) -> None:
    pure, event = honest(op)
    with pytest.raises((GitcoordError, KeyError)):
        check(pure.snapshot, changed(event, CASES[op][index]))


def test_nothing_comes_before_init_and_init_comes_once() -> None:
    pure = PureLedger()
    with pytest.raises(GitcoordError):
        pure.run({"op": "escalate", "task": "", "kind": "x", "reason": "y"})
    pure.init()
    with pytest.raises(GitcoordError):
        pure.init()
