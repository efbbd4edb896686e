"""Hold the rules of escalations, notes and checkpoints.

They are the ledger's paper: an escalation waits for the orchestrator's
answer, a note tells others what was found, a checkpoint names an entry.
None of them changes what may be claimed.
"""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import codec, ids, paths
from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.model import (
    MAX_MESSAGE_BYTES,
    MAX_NOTE_BYTES,
    MAX_NOTES,
    CheckpointRecord,
    Escalation,
    NoteRecord,
)
from gitcoord.core.operations.claims import require_agent
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = [
    "apply_checkpoint",
    "apply_escalate",
    "apply_note",
    "apply_note_drop",
    "apply_resolve",
    "check_checkpoint",
    "check_escalate",
    "check_note",
    "check_note_drop",
    "check_resolve",
    "close_escalations",
    "escalate",
]

MAX_ESCALATION_BYTES = 1024


def escalate(changes: Changes, event: Event, kind: str, task: str | None, text: str) -> None:
    """Open a matter for the orchestrator, as part of an entry."""
    number = sum(path.startswith("escalations/") for path in changes)
    escalation: Escalation = {
        "id": f"{event['id'][:8]}-{number}" if number else event["id"][:8],
        "kind": kind,
        "task": task,
        "agent": event["agent"],
        "text": codec.cut(text, MAX_ESCALATION_BYTES),
        "state": "open",
        "answer": "",
        "at": event["time"],
    }
    changes[f"escalations/{escalation['id']}.json"] = cast("dict[str, Any]", escalation)


def close_escalations(snapshot: Snapshot, event: Event, changes: Changes, answer: str) -> None:
    """Resolve what was open about the event's task: the event settles it."""
    for one in snapshot.escalations():
        if (
            one["task"] == event["task"]
            and one["state"] == "open"
            and one["kind"] in {"task-failed", "base-conflict"}
        ):
            changes[f"escalations/{one['id']}.json"] = {
                **one,
                "state": "resolved",
                "answer": answer,
            }


def _check_author(snapshot: Snapshot, event: Event) -> None:
    if event["agent"] != ids.ORCHESTRATOR:
        require_agent(snapshot, event["agent"])


def check_escalate(snapshot: Snapshot, event: Event) -> None:
    """Refuse an escalation without a text, or about a task that is none."""
    _check_author(snapshot, event)
    if event["task"]:
        snapshot.require_task(event["task"])
    if not event["reason"].strip():
        raise UsageError("an escalation needs a text")


def apply_escalate(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record an escalation."""
    escalate(changes, event, event["kind"], event["task"] or None, event["reason"])


def check_resolve(snapshot: Snapshot, event: Event) -> None:
    """Refuse to resolve what is not open."""
    name = event["escalation"]
    found = snapshot.escalation(name) if ids.is_id(name) else None
    if found is None:
        raise NotFoundError(
            f"there is no escalation {codec.printable(str(name))!r}",
            hint="`gitcoord inbox` lists them",
        )
    if found["state"] != "open":
        raise RefusedError(
            f"escalation {name} is resolved already: {found['answer']}",
            reason="resolved",
            hint="`gitcoord inbox` lists what is open",
        )
    if event["task"] != found["task"]:
        raise UsageError("the event names another task than the escalation")
    if not event["answer"].strip() or len(event["answer"].encode()) > MAX_MESSAGE_BYTES:
        raise UsageError("an answer has between one character and 4 KiB")


def apply_resolve(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Keep the answer with its escalation."""
    found = cast("Escalation", snapshot.escalation(event["escalation"]))
    resolved: Escalation = {**found, "state": "resolved", "answer": event["answer"]}
    changes[f"escalations/{found['id']}.json"] = cast("dict[str, Any]", resolved)


def check_note(snapshot: Snapshot, event: Event) -> None:
    """Refuse a note that is too large, about nothing, or one too many."""
    _check_author(snapshot, event)
    if not event["message"].strip() or len(event["message"].encode()) > MAX_NOTE_BYTES:
        raise UsageError(
            f"a note has between one character and {MAX_NOTE_BYTES} bytes",
            hint="say it shorter, and keep the rest in a file of the work",
        )
    if event["task"] is not None:
        snapshot.require_task(event["task"])
    if event["path"] is not None:
        problem = paths.problem_of(event["path"])
        if event["task"] is not None or problem:
            raise UsageError(
                problem or "a note is about a task or about a path",
                hint="give one path like src/lexer/",
            )
    if len(snapshot.names("notes")) >= MAX_NOTES:
        raise RefusedError(
            f"the ledger holds {MAX_NOTES} notes, which is the most",
            reason="notes-full",
            hint="`gitcoord note` lists them, and `gitcoord note --drop ID` takes one away",
        )


def apply_note(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record a note."""
    note: NoteRecord = {
        "id": event["id"][:8],
        "task": event["task"],
        "path": event["path"],
        "agent": event["agent"],
        "text": event["message"],
        "at": event["time"],
    }
    changes[f"notes/{note['id']}.json"] = cast("dict[str, Any]", note)


def check_note_drop(snapshot: Snapshot, event: Event) -> None:
    """Refuse to drop a note that is not there, or another agent's."""
    found = next((note for note in snapshot.notes() if note["id"] == event["note"]), None)
    if found is None:
        raise NotFoundError(
            f"there is no note {codec.printable(str(event['note']))!r}",
            hint="`gitcoord note` lists them",
        )
    if event["agent"] not in {found["agent"], ids.ORCHESTRATOR}:
        raise RefusedError(
            f"note {found['id']} is {found['agent']}'s",
            reason="role",
            hint="leave it to its author",
        )


def apply_note_drop(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Take a note out of the state; the history keeps it."""
    changes[f"notes/{event['note']}.json"] = None


def check_checkpoint(snapshot: Snapshot, event: Event) -> None:
    """Refuse a name that is none, or is taken."""
    name = ids.parse_id(event["name"], "checkpoint name")
    taken = [
        one["name"] for one in snapshot.checkpoints() if one["name"].casefold() == name.casefold()
    ]
    if taken:
        raise RefusedError(
            f"checkpoint {taken[0]} exists already", reason="exists", hint="choose another name"
        )


def apply_checkpoint(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Record a name for this entry."""
    checkpoint: CheckpointRecord = {
        "name": event["name"],
        "agent": event["agent"],
        "at": event["time"],
    }
    changes[f"checkpoints/{event['name']}.json"] = cast("dict[str, Any]", checkpoint)
