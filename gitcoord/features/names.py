"""Find what a user named: exactly, by a unique prefix, or not at all.

A prefix is unique where one name alone begins so. In names that people
chose no number is cut in two: ``lex`` may stand for ``lexer``, ``2`` never
for ``25``. Who acts is named in full: an agent's id after ``--agent`` is
never looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

from gitcoord.core import ids, messages
from gitcoord.core.errors import CorruptError, NotFoundError, UsageError
from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.core.model import AgentRecord, PhaseRecord, TaskRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace
from gitcoord.store.protocol import MissingObjectError

__all__ = [
    "beginning_with",
    "named_actor",
    "named_agent",
    "named_checkpoint",
    "named_entry",
    "named_escalation",
    "named_note",
    "named_phase",
    "named_pool",
    "named_task",
]

MIN_CHARS = 2
MAX_LISTED = 10
_SHORT_OID = r"[0-9a-f]{4,64}"


def beginning_with(word: str, known: Iterable[str], *, is_random: bool = False) -> list[str]:
    """List the names that a word is a prefix of; only random ids are cut within a number."""
    if len(word) < MIN_CHARS:
        return []
    start = word.casefold()
    found = []
    for name in known:
        rest = name[len(word) :]
        cuts_number = not is_random and word[-1].isdigit() and rest[:1].isdigit()
        if name.casefold().startswith(start) and not cuts_number:
            found.append(name)
    return found


def _ambiguous(what: str, word: str, candidates: Sequence[str]) -> UsageError:
    named = ", ".join(candidates[:MAX_LISTED])
    if len(candidates) > MAX_LISTED:
        named += f" and {len(candidates) - MAX_LISTED} more"
    return UsageError(
        f"{what} {word!r} is ambiguous: it can be {named}",
        hint="add characters until it is one of them",
        candidates=cast("Any", list(candidates[:MAX_LISTED])),
        **{what: word},
    )


def _missing(what: str, word: str, known: Sequence[str], listing: str) -> NotFoundError:
    near = ids.nearest(word, known)
    hint = f"`{listing}` lists them"
    if near:
        hint = f"did you mean {', '.join(near)}?"
    shown = word[:80]
    return NotFoundError(f"there is no {what} {shown!r}", hint=hint, **{what: shown})


def _meant(
    what: str, word: str, known: Sequence[str], listing: str, *, is_random: bool = False
) -> str:
    """Return the known name that a word is, or is the unique prefix of."""
    if word in known:
        return word
    candidates = beginning_with(word, known, is_random=is_random)
    if not candidates:
        raise _missing(what, word, known, listing)
    if len(candidates) > 1:
        raise _ambiguous(what, word, candidates)
    return candidates[0]


def named_task(work: Workspace, snapshot: Snapshot, word: str) -> TaskRecord:
    """Return a task.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.
        UsageError: Several begin so; the fact ``candidates`` lists them.

    """
    record = None
    if ids.is_id(word):
        record = snapshot.task(TaskId(word))
    if record is not None:
        return record
    work.index.update(work.store, snapshot.oid)
    meant = _meant("task", word, work.index.all_ids(), "gitcoord tasks")
    return snapshot.require_task(TaskId(meant))


def named_phase(snapshot: Snapshot, word: str) -> PhaseRecord:
    """Return a phase.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.
        UsageError: Several begin so.

    """
    known: dict[str, PhaseRecord] = {phase["id"]: phase for phase in snapshot.phases()}
    return known[_meant("phase", word, list(known), "gitcoord phase list")]


def named_pool(snapshot: Snapshot, word: str) -> str:
    """Return the name of a pool of the plan.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.
        UsageError: Several begin so.

    """
    plan = snapshot.plan()
    known = []
    if plan:
        known = list(plan["pools"])
    return _meant("pool", word, known, "gitcoord tasks")


def named_agent(snapshot: Snapshot, word: str) -> AgentRecord:
    """Return an agent that a command is about, not the one that acts.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.
        UsageError: Several begin so.

    """
    record = None
    if ids.is_id(word):
        record = snapshot.agent(AgentId(word))
    if record is not None:
        return record
    known: dict[str, AgentRecord] = {agent["id"]: agent for agent in snapshot.agents()}
    return known[_meant("agent", word, list(known), "gitcoord agent list")]


def named_actor(snapshot: Snapshot, word: str) -> AgentId:
    """Return whose entries, tasks or locks are meant: an agent's, or the orchestrator's.

    Raises:
        NotFoundError: There is no such agent; the hint has the nearest ids.
        UsageError: Several begin so.

    """
    if word == ids.ORCHESTRATOR:
        return ids.ORCHESTRATOR
    return named_agent(snapshot, word)["id"]


def named_escalation(snapshot: Snapshot, word: str) -> str:
    """Return the id of an escalation, resolved ones too.

    Raises:
        NotFoundError: There is none.
        UsageError: Several begin so.

    """
    known = [name.removesuffix(".json") for name in snapshot.names("escalations")]
    return _meant("escalation", word, known, "gitcoord inbox", is_random=True)


def named_note(snapshot: Snapshot, word: str) -> str:
    """Return the id of a note.

    Raises:
        NotFoundError: There is none.
        UsageError: Several begin so.

    """
    known = [note["id"] for note in snapshot.notes()]
    return _meant("note", word, known, "gitcoord note", is_random=True)


def named_checkpoint(snapshot: Snapshot, word: str) -> str:
    """Return the name of a checkpoint.

    Raises:
        NotFoundError: There is none; the hint has the nearest names.
        UsageError: Several begin so.

    """
    known = [one["name"] for one in snapshot.checkpoints()]
    return _meant("checkpoint", word, known, "gitcoord log --op checkpoint")


def named_entry(work: Workspace, word: str) -> Oid:
    """Return the commit that git finds, or the one entry whose oid begins so.

    Raises:
        NotFoundError: There is none.
        UsageError: Several entries begin so.

    """
    from gitcoord.git.merges import objects_beginning, resolve

    try:
        return resolve(work.git, word)
    except NotFoundError:
        if not re.fullmatch(_SHORT_OID, word):
            raise
        entries = [oid for oid in objects_beginning(work.git, word) if _is_entry(work, oid)]
        if not entries:
            raise
    if len(entries) > 1:
        raise _ambiguous("entry", word, entries)
    return entries[0]


def _is_entry(work: Workspace, oid: Oid) -> bool:
    with suppress(MissingObjectError, CorruptError):
        messages.parse(work.store.read_entry(oid).message, oid)
        return True
    return False
