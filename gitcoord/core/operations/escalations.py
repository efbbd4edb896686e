"""Own the rules of escalations: what waits for the orchestrator's answer."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import codec, ids
from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.layout import escalation_path
from gitcoord.core.leases import Context
from gitcoord.core.model import MAX_MESSAGE_BYTES, Escalation, Said
from gitcoord.core.operation import WORDS, LineKey, Operation, has_reason, keys, why_of
from gitcoord.core.operations.changes import escalate
from gitcoord.core.operations.preconditions import require_author
from gitcoord.core.operations.widenings import KIND
from gitcoord.core.sentences import answer_of
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = ["OPERATIONS", "PROPOSAL"]

PROPOSAL = "proposal"
"""The code of an escalation in which an agent proposes a task."""
_GRANTED = frozenset({KIND, PROPOSAL})


def decide_escalate(_snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Take the matter as it was put; it is a question unless another kind is named."""
    kind = command.get("kind", "question")
    return {"task": command["task"], "kind": kind, "reason": command["reason"]}


def check_escalate(snapshot: Snapshot, event: Event) -> None:
    """Refuse an escalation without a text, or about a task that is not there."""
    require_author(snapshot, event)
    if event["task"]:
        snapshot.require_task(event["task"])
    if not has_reason(event):
        raise UsageError("an escalation needs a text")


def apply_escalate(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record an escalation."""
    escalate(changes, event, event["kind"], event["task"] or None, {"reason": why_of(event)})


def decide_resolve(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Answer an escalation, and name the task that it is about."""
    name = command["escalation"]
    found = _escalation(snapshot, name)
    return {
        "escalation": name,
        "task": found and found["task"],
        "answer": command["answer"],
        "granted": command.get("granted", False),
    }


def _escalation(snapshot: Snapshot, name: object) -> Escalation | None:
    if not ids.is_id(name):
        return None
    return snapshot.escalation(str(name))


def check_resolve(snapshot: Snapshot, event: Event) -> None:
    """Refuse to resolve what is not open."""
    name = event["escalation"]
    found = _escalation(snapshot, name)
    if found is None:
        raise NotFoundError(
            f"there is no escalation {codec.printable(str(name))!r}",
            hint="`gitcoord inbox` lists them",
        )
    if found["state"] != "open":
        raise RefusedError(
            f"escalation {name} is resolved already: {answer_of(found)}",
            reason="resolved",
            hint="`gitcoord inbox` lists what is open",
        )
    if event["task"] != found["task"]:
        raise UsageError("the event names another task than the escalation")
    if event["granted"] and found["code"] not in _GRANTED:
        raise UsageError(
            "only a widening or a proposed task is granted", hint="answer without --grant"
        )
    if not event["answer"].strip() or len(event["answer"].encode()) > MAX_MESSAGE_BYTES:
        raise UsageError("an answer has between one character and 4 KiB")


def apply_resolve(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Keep the answer with its escalation."""
    found = cast("Escalation", snapshot.escalation(event["escalation"]))
    code = "answered"
    if event["granted"]:
        code = "granted"
    answer: Said = {"code": code, "values": {"reason": event["answer"]}}
    resolved: Escalation = {**found, "state": "resolved", "answer": answer}
    changes[escalation_path(found["id"])] = cast("dict[str, Any]", resolved)


OPERATIONS = {
    "escalate": Operation(
        fields=keys("kind"),
        optional={**WORDS, "task": ""},
        decide=decide_escalate,
        check=check_escalate,
        apply=apply_escalate,
        subject="escalate[ {task}] by {agent}: {reason}",
        body="reason",
        batchable=True,
        command="escalate",
        line={"task": LineKey("task", "task"), "text": LineKey("text", "reason", is_required=True)},
        is_for_agents=True,
    ),
    "resolve": Operation(
        fields=keys("escalation answer"),
        optional={"task": None, "granted": False},
        decide=decide_resolve,
        check=check_resolve,
        apply=apply_resolve,
        subject="resolve {escalation} by {agent}[, {granted}]: {answer}",
        body="answer",
        batchable=True,
        command="resolve",
        line={
            "escalation": LineKey("escalation", "escalation", is_required=True),
            "answer": LineKey("text", "answer", is_required=True),
        },
    ),
}
