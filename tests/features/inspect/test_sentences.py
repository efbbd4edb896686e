"""What records say by a code, as people and scripts see it."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.model import Escalation, Setback
from gitcoord.features.inspect.sentences import escalation_facts, setback_facts


def test_a_setback_is_told_in_words_with_its_code_beside_them() -> None:
    setback: Any = {
        "attempt": 2,
        "agent": "x",
        "code": "expired",
        "values": {"holder": "x", "by": "y"},
        "at": 0,
    }
    assert setback_facts(cast("Setback", setback)) == {
        "attempt": 2,
        "agent": "x",
        "kind": "expired",
        "reason": "the lease of x ran out, and y took the task over",
        "at": "1970-01-01T00:00:00Z",
    }


def test_an_escalation_is_told_with_its_answer_if_it_has_one() -> None:
    opened: Any = {
        "id": "12345678",
        "task": "a",
        "agent": "x",
        "code": "question",
        "values": {"reason": "which way?"},
        "state": "open",
        "at": 60,
    }
    facts = escalation_facts(cast("Escalation", opened))
    assert (facts["text"], facts["kind"], facts["state"]) == ("which way?", "question", "open")
    assert not facts["answer"]
    answered = {
        **opened,
        "state": "resolved",
        "answer": {"code": "answered", "values": {"reason": "left"}},
    }
    assert escalation_facts(cast("Escalation", answered))["answer"] == "left"
