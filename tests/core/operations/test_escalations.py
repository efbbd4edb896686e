"""Escalations: opened by agents, answered once."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR
from tests.support.builders import PureLedger
from tests.support.pure import ledger, refused


def opened(pure: PureLedger, reason: str = "which way?", task: str = "a") -> str:
    pure.run({"op": "escalate", "agent": "x0", "task": task, "kind": "question", "reason": reason})
    return next(one["id"] for one in pure.snapshot.escalations() if one["state"] == "open")


def test_an_escalation_is_open_until_it_is_answered_once() -> None:
    pure = ledger()
    name = opened(pure)
    (found,) = pure.snapshot.escalations()
    assert (found["task"], found["agent"], found["state"]) == ("a", "x0", "open")
    answer = {"op": "resolve", "agent": ORCHESTRATOR, "escalation": name, "answer": "left"}
    pure.run(answer)
    (found,) = pure.snapshot.escalations()
    assert found["state"] == "resolved"
    error = refused(pure, RefusedError, **answer)
    assert error.facts["reason"] == "resolved"
    assert "left" in error.message


def test_an_escalation_may_be_about_no_task() -> None:
    pure = ledger()
    opened(pure, task="")
    assert [one["task"] for one in pure.snapshot.escalations()] == [None]


def test_what_says_nothing_or_is_about_nothing_is_refused() -> None:
    pure = ledger()
    command = {"op": "escalate", "agent": "x0", "task": "a", "kind": "question", "reason": "why?"}
    refused(pure, UsageError, **{**command, "reason": " \n"})
    refused(pure, NotFoundError, **{**command, "task": "none"})
    refused(pure, NotFoundError, **{**command, "agent": "nobody"})


@pytest.mark.parametrize("name", ["none", "../x", "\x1b[2J"])
def test_an_answer_to_nothing_is_refused(name: str) -> None:
    pure = ledger()
    error = refused(
        pure, NotFoundError, op="resolve", agent=ORCHESTRATOR, escalation=name, answer="left"
    )
    assert "\x1b" not in error.message


@pytest.mark.parametrize("answer", ["", "  ", "x" * 5000])
def test_an_answer_has_a_text_of_a_bounded_length(answer: str) -> None:
    pure = ledger()
    name = opened(pure)
    refused(pure, UsageError, op="resolve", agent=ORCHESTRATOR, escalation=name, answer=answer)
    assert pure.snapshot.escalations()[0]["state"] == "open"
