"""Show what records say by a code: setbacks, and escalations."""

from __future__ import annotations

from typing import Any

from gitcoord.core.model import Escalation, Setback
from gitcoord.core.sentences import answer_of, reason_of, text_of_escalation
from gitcoord.core.times import instant

__all__ = ["escalation_facts", "setback_facts"]


def setback_facts(setback: Setback) -> dict[str, Any]:
    """Return an earlier attempt as people and scripts see it."""
    return {
        "attempt": setback["attempt"],
        "agent": setback["agent"],
        "kind": setback["code"],
        "reason": reason_of(setback),
        "at": instant(setback["at"]),
    }


def escalation_facts(escalation: Escalation) -> dict[str, Any]:
    """Return an escalation as people and scripts see it."""
    return {
        "id": escalation["id"],
        "kind": escalation["code"],
        "task": escalation["task"],
        "agent": escalation["agent"],
        "text": text_of_escalation(escalation),
        "state": escalation["state"],
        "answer": answer_of(escalation),
        "at": instant(escalation["at"]),
    }
