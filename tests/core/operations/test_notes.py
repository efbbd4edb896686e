"""Notes and checkpoints: what is written down for others."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import GitcoordError, NotFoundError, RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.model import MAX_NOTE_BYTES, MAX_NOTES
from tests.support.builders import PureLedger
from tests.support.pure import ledger, refused


def note(pure: PureLedger, text: str = "mind the gap", agent: str = "x0", **about: Any) -> str:
    command = {"op": "note", "agent": agent, "message": text, "task": None, "path": None, **about}
    return pure.run(command)["id"][:8]


def drop(pure: PureLedger, name: str, agent: str) -> dict[str, Any]:
    return {"op": "note-drop", "agent": agent, "note": name, "reason": ""}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"message": "  "}, UsageError),
        ({"message": "x" * (MAX_NOTE_BYTES + 1)}, UsageError),
        ({"message": "\u00e9" * (MAX_NOTE_BYTES // 2 + 1)}, UsageError),
        ({"task": "none"}, NotFoundError),
        ({"path": "../up"}, UsageError),
        ({"task": "a", "path": "src/"}, UsageError),
        ({"agent": "nobody"}, NotFoundError),
    ],
)
def test_a_note_that_is_none_is_refused(more: dict[str, Any], error: type[GitcoordError]) -> None:
    command = {"op": "note", "agent": "x0", "message": "m", "task": None, "path": None}
    refused(ledger(), error, **{**command, **more})


def test_a_note_is_dropped_by_its_author_or_the_orchestrator() -> None:
    pure = ledger()
    one, other = note(pure), note(pure, task="a")
    assert refused(pure, RefusedError, **drop(pure, one, "x1")).facts["reason"] == "role"
    refused(pure, NotFoundError, **drop(pure, "none", "x0"))
    pure.run(drop(pure, one, "x0"))
    pure.run(drop(pure, other, ORCHESTRATOR))
    assert pure.snapshot.notes() == []
    refused(pure, NotFoundError, **drop(pure, one, "x0"))


def test_the_ledger_holds_so_many_notes() -> None:
    pure = ledger()
    template = dict(pure.files)
    name = note(pure)
    (path,) = set(pure.files) - set(template)
    record = pure.files[path]
    for number in range(MAX_NOTES - 1):
        other = f"{number:08x}"
        pure.files[path.replace(name, other)] = record.replace(name.encode(), other.encode())
    error = refused(pure, RefusedError, op="note", agent="x0", message="more", task=None, path=None)
    assert error.facts["reason"] == "notes-full"
    pure.run(drop(pure, name, "x0"))
    note(pure, "there is room again")


def test_a_checkpoint_has_a_name_of_its_own() -> None:
    pure = ledger()
    pure.run({"op": "checkpoint", "agent": ORCHESTRATOR, "name": "Before"})
    assert [one["name"] for one in pure.snapshot.checkpoints()] == ["Before"]
    for name in ("Before", "before"):
        error = refused(pure, RefusedError, op="checkpoint", agent=ORCHESTRATOR, name=name)
        assert error.facts["reason"] == "exists"
    refused(pure, UsageError, op="checkpoint", agent=ORCHESTRATOR, name="../x")
