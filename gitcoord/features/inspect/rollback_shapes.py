"""The shapes of what goes back: rollbacks, their previews, moves of the target."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId
from gitcoord.features.inspect.shapes import PendingMove

__all__ = [
    "ChangedPhase",
    "ChangedTask",
    "CodeMoveFacts",
    "NamedClaim",
    "RollbackChanges",
    "RollbackFacts",
    "RollbackPreview",
]


class ChangedTask(TypedDict):
    """A task's state before and after; null where there is no such task."""

    task: TaskId
    now: str | None
    then: str | None


class ChangedPhase(TypedDict):
    """A phase's state before and after; null where there is no such phase."""

    phase: PhaseId
    now: str
    then: str | None


class NamedClaim(TypedDict):
    """A claim by its task and holder."""

    task: TaskId
    agent: AgentId


class RollbackChanges(TypedDict):
    """What going back would change."""

    tasks: list[ChangedTask]
    claims_ended: list[NamedClaim]
    claims_kept: list[NamedClaim]
    reviews_ended: list[str]
    locks_ended: list[str]
    phases: list[ChangedPhase]
    escalations: list[str]
    notes: list[str]
    is_plan_changed: bool


class CodeMoveFacts(TypedDict):
    """Where the target would go: by a reset, or by one revert for each of ``reverts``."""

    target: str
    old: Oid
    new: Oid
    reverts: list[Oid]
    is_reset: bool


class RollbackPreview(TypedDict):
    """What a rollback would do, with nothing done."""

    onto: Oid
    abandoned: Oid
    changes: RollbackChanges
    code: CodeMoveFacts | None
    dry_run: NotRequired[bool]


class RollbackFacts(TypedDict):
    """A rollback of the past; ``is_current`` is false where it was abandoned itself."""

    entry: Oid
    at: str
    onto: Oid | None
    abandoned: Oid
    epoch: int
    reason: str
    code: PendingMove | None
    reverts: list[Oid]
    is_current: bool
