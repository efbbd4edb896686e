"""Find what a user named: exactly, by an unmistakable beginning, or not at all.

A beginning is unmistakable where one name alone begins so and no number is
cut in two: ``lex`` may stand for ``lexer``, ``2`` never for ``25``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gitcoord.core import ids
from gitcoord.core.errors import NotFoundError
from gitcoord.core.model import AgentRecord, PhaseRecord, TaskRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace

__all__ = [
    "beginning_of",
    "existing_agent",
    "named_agent",
    "named_phase",
    "named_pool",
    "named_task",
]

MIN_CHARS = 2


def beginning_of(word: str, known: Iterable[str]) -> str | None:
    """Return the one name that a word is the beginning of, or None."""
    if len(word) < MIN_CHARS:
        return None
    start = word.casefold()
    found = [name for name in known if name.casefold().startswith(start)]
    if len(found) != 1:
        return None
    rest = found[0][len(word) :]
    if rest[:1].isdigit() and word[-1].isdigit():
        return None
    return found[0]


def _missing(what: str, word: str, known: Sequence[str], listing: str) -> NotFoundError:
    near = ids.nearest(word, known)
    hint = f"`{listing}` lists them"
    if near:
        hint = f"did you mean {', '.join(near)}?"
    shown = word[:80]
    return NotFoundError(f"there is no {what} {shown!r}", hint=hint, **{what: shown})


def named_task(work: Workspace, snapshot: Snapshot, word: str) -> TaskRecord:
    """Return a task.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.

    """
    record = None
    if ids.is_id(word):
        record = snapshot.task(word)
    if record is not None:
        return record
    work.index.update(work.store, snapshot.oid)
    known = work.index.all_ids()
    meant = beginning_of(word, known)
    if meant is None:
        raise _missing("task", word, known, "gitcoord tasks")
    return snapshot.require_task(meant)


def named_phase(snapshot: Snapshot, word: str) -> PhaseRecord:
    """Return a phase.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.

    """
    known = {phase["id"]: phase for phase in snapshot.phases()}
    if word in known:
        return known[word]
    meant = beginning_of(word, known)
    if meant is None:
        raise _missing("phase", word, list(known), "gitcoord phase list")
    return known[meant]


def named_pool(snapshot: Snapshot, word: str) -> str:
    """Return the name of a pool of the plan.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.

    """
    plan = snapshot.plan()
    known = []
    if plan:
        known = list(plan["pools"])
    if word in known:
        return word
    meant = beginning_of(word, known)
    if meant is None:
        raise _missing("pool", word, known, "gitcoord tasks")
    return meant


def existing_agent(snapshot: Snapshot, word: str) -> AgentRecord:
    """Return the agent of exactly this id.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.

    """
    record = None
    if ids.is_id(word):
        record = snapshot.agent(word)
    if record is None:
        known = [agent["id"] for agent in snapshot.agents()]
        raise _missing("agent", word, known, "gitcoord agent list")
    return record


def named_agent(snapshot: Snapshot, word: str) -> AgentRecord:
    """Return an agent.

    Raises:
        NotFoundError: There is none; the hint has the nearest ids.

    """
    known = {agent["id"]: agent for agent in snapshot.agents()}
    if word in known:
        return known[word]
    meant = beginning_of(word, known)
    if meant is None:
        raise _missing("agent", word, list(known), "gitcoord agent list")
    return known[meant]
