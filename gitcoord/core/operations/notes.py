"""Own the rules of notes and checkpoints: what is written down for others.

Neither changes what may be claimed: a note tells what was found, a
checkpoint names an entry.
"""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core import codec, ids, paths
from gitcoord.core.errors import NotFoundError, RefusedError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.layout import checkpoint_path, note_path
from gitcoord.core.model import MAX_NOTE_BYTES, MAX_NOTES, CheckpointRecord, NoteRecord
from gitcoord.core.operation import LineKey, Operation, copied, keys
from gitcoord.core.operations.preconditions import require_author
from gitcoord.core.snapshot import Changes, Snapshot

__all__ = ["OPERATIONS"]


def check_note(snapshot: Snapshot, event: Event) -> None:
    """Refuse a note that is too large, about nothing, or one too many."""
    require_author(snapshot, event)
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
    changes[note_path(note["id"])] = cast("dict[str, Any]", note)


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
    changes[note_path(event["note"])] = None


def check_checkpoint(snapshot: Snapshot, event: Event) -> None:
    """Refuse what is not a name, or is taken."""
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
    changes[checkpoint_path(event["name"])] = cast("dict[str, Any]", checkpoint)


OPERATIONS = {
    "note": Operation(
        fields=keys("message"),
        optional={"task": None, "path": None},
        decide=copied("task", "path", "message"),
        check=check_note,
        apply=apply_note,
        subject="note[ on {task}][ on {path}] by {agent}: {message}",
        body="message",
        batchable=True,
        command="note",
        line={
            "task": LineKey("task", "task"),
            "path": LineKey("word", "path"),
            "text": LineKey("text", "message", is_required=True),
        },
        is_for_agents=True,
    ),
    "note-drop": Operation(
        fields=keys("note"),
        optional={"reason": ""},
        decide=copied("note", "reason"),
        check=check_note_drop,
        apply=apply_note_drop,
        subject="note-drop {note} by {agent}",
        body="reason",
        batchable=True,
    ),
    "checkpoint": Operation(
        fields=keys("name"),
        decide=copied("name"),
        check=check_checkpoint,
        apply=apply_checkpoint,
        subject="checkpoint {name} by {agent}",
        batchable=True,
        command="checkpoint",
        line={"name": LineKey("word", "name", is_required=True)},
    ),
}
