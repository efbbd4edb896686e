"""Notes, as those they are about are shown them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gitcoord.core import paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.ids import TaskId
from gitcoord.core.model import NoteRecord, TaskRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.times import instant

__all__ = ["note_facts", "notes_about"]


def notes_about(snapshot: Snapshot, task: TaskRecord) -> list[NoteRecord]:
    """List the notes that matter to a task: its own, its paths', the plan's."""
    spec = task["spec"]
    touched = [*(paths_of(task) or []), *spec["reads"]] or ["**"]
    return [one for one in snapshot.notes() if _matters(one, task["id"], touched)]


def _matters(note: NoteRecord, task: TaskId, touched: Iterable[str]) -> bool:
    if note["path"] is not None:
        return paths.overlaps([note["path"]], list(touched)) is not None
    return note["task"] in {None, task}


def note_facts(note: NoteRecord) -> dict[str, Any]:
    """Return a note as ``--json`` shows it."""
    return {**note, "at": instant(note["at"])}
