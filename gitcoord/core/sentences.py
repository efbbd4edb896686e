"""Put into words what records say by a code and its values.

The ledger holds no sentences: these may be written better, or in another
language, and every older entry still replays byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitcoord.core.model import Escalation, Said, Setback
from gitcoord.core.texts import fill

__all__ = ["SENTENCES", "answer_of", "reason_of", "sentence", "text_of_escalation"]

SENTENCES = {
    # setbacks
    "expired": "the lease of {holder} ran out[, and {by} took the task over]",
    "rejected": "{by} rejected the result: {reason}",
    "base-redone": "task {task}, which it was built on, is no longer done ({by})",
    "left-out": "phase {phase} landed without it",
    # escalations
    "task-failed": "task {task} failed (failures: {failures}): {last}",
    "landing-aborted": "the landing of phase {phase} was given up: {reason}",
    "rollback-aborted": "the target was not rolled back: {reason}",
    # answers
    "granted": "granted: {reason}",
    "retried": "retried[: {reason}]",
    "cancelled": "cancelled[: {reason}]",
}
"""The sentence of each code; what has none was said by somebody: ``reason``."""


def sentence(code: str, values: Mapping[str, Any]) -> str:
    """Return what a code and its values say, in full."""
    told = {key: _told(value) for key, value in values.items()}
    template = SENTENCES.get(code)
    if template is None:
        return str(told.get("reason", ""))
    return fill(template, told, is_cut=False)


def _told(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sentence(str(value.get("code", "")), value.get("values", {}))
    return value


def reason_of(setback: Setback) -> str:
    """Return why an earlier attempt did not make it."""
    return sentence(setback["code"], setback["values"])


def text_of_escalation(escalation: Escalation) -> str:
    """Return what an escalation is about."""
    return sentence(escalation["code"], escalation["values"])


def answer_of(escalation: Escalation) -> str:
    """Return what was answered, nothing while it is open."""
    said: Said | None = escalation.get("answer")
    if said is None:
        return ""
    return sentence(said["code"], said["values"])
