"""A task is given back by its holder, at a usage limit with a delay and a session."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import ClaimLostError, GitcoordError, NothingReadyError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.machine import check
from gitcoord.core.sentences import reason_of, said
from tests.support.builders import PureLedger, tasks

SESSION = {"assistant": "claude", "session": "s-1"}


def ledger() -> PureLedger:
    pure = PureLedger()
    pure.init()
    pure.plan(tasks("a"))
    for agent in ("x", "y"):
        pure.agent(agent)
    return pure


def at_limit(claim: Event, **more: Any) -> dict[str, Any]:
    held = {"agent": claim["agent"], "task": claim["task"], "token": claim["token"]}
    why = said("usage-limit", assistant="claude", until="2026-11-26T09:00:00Z")
    return {
        "op": "release",
        **held,
        "reason": "",
        "said": why,
        "kind": "limit",
        "delay_ms": 60_000,
        "resume": SESSION,
        **more,
    }


def test_a_limit_is_no_failure_and_keeps_branch_and_session() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    pure.run(at_limit(claim))
    task = pure.snapshot.require_task("a")
    assert (task["state"], task["failures"], task["branch"]) == ("open", 0, claim["branch"])
    assert task["resume"] == SESSION
    assert "reached its usage limit, until 2026" in reason_of(task["setbacks"][-1])


def test_the_task_waits_for_as_long_as_was_said() -> None:
    pure = ledger()
    pure.run(at_limit(pure.claim("x", "a")))
    with pytest.raises(NothingReadyError) as raised:
        pure.claim("y", "a")
    assert raised.value.facts["retry_after"] == 60.0
    pure.now_ns += 61 * 10**9
    pure.claim("y", "a")
    assert pure.snapshot.require_task("a")["resume"] == SESSION, "the holder may go on with it"


@pytest.mark.parametrize("end", ["complete", "fail", "release", "takeover"])
def test_the_session_is_kept_no_longer_than_the_next_attempt(end: str) -> None:
    pure = ledger()
    pure.run(at_limit(pure.claim("x", "a"), delay_ms=0))
    claim = pure.claim("x", "a")
    held = {"agent": "x", "task": "a", "token": claim["token"], "reason": "no"}
    if end == "complete":
        pure.complete(claim)
    elif end == "takeover":
        pure.now_ns += 10**13
        pure.claim("y", "a")
    else:
        pure.run({"op": end, **held})
    assert "resume" not in pure.snapshot.require_task("a")


def test_a_plain_release_is_as_before() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    event = pure.run(
        {"op": "release", "agent": "x", "task": "a", "token": claim["token"], "reason": ""}
    )
    assert event["kind"] == ""
    assert pure.snapshot.require_task("a")["retry"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "other"},
        {"kind": ""},
        {"delay_ms": -1},
        {"delay_ms": 10**12},
        {"delay_ms": True},
        {"resume": {"assistant": "claude"}},
        {"resume": {"assistant": "", "session": "s"}},
        {"resume": {"assistant": "claude", "session": "a\nb"}},
        {"resume": {"assistant": "claude", "session": "x" * 201}},
        {"resume": "s"},
    ],
)
def test_what_is_no_limit_is_refused(wrong: dict[str, Any]) -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    from gitcoord.core.machine import decide

    event = decide(pure.snapshot, at_limit(claim), pure.context())
    with pytest.raises(UsageError):
        check(pure.snapshot, {**event, **wrong})  # type: ignore[typeddict-item]


def test_nobody_but_the_holder_gives_back() -> None:
    pure = ledger()
    claim = pure.claim("x", "a")
    with pytest.raises(ClaimLostError):
        pure.run(at_limit(claim, token="f" * 32))
    with pytest.raises(GitcoordError):
        pure.run(at_limit(claim, agent="y"))
