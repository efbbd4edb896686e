"""Own every deliberate error: its code, its exit status and its next step.

An error that is not in this file is a bug. The classes are split by what
the caller can do about it; ``ERRORS`` is the table that the documentation
prints. Nothing here knows how an error is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

__all__ = [
    "ERRORS",
    "ClaimLostError",
    "ConflictError",
    "CorruptError",
    "GitcoordError",
    "IncompleteError",
    "InternalError",
    "InvalidPlanError",
    "NotFoundError",
    "NothingReadyError",
    "PlanFinishedError",
    "Reason",
    "RefusedError",
    "UnavailableError",
    "UnknownError",
    "UsageError",
]

Reason = Literal[
    "assigned",
    "author",
    "bare",
    "base-conflict",
    "base-moved",
    "blocked",
    "boundary",
    "boundary-moved",
    "branch",
    "branch-in-the-way",
    "broken-objects",
    "budget",
    "capacity",
    "check",
    "closed",
    "commit",
    "conflict",
    "elsewhere",
    "empty-result",
    "evidence",
    "exhausted",
    "exists",
    "gate",
    "gate-changed",
    "gate-missing",
    "gates-required",
    "holds-claims",
    "hook",
    "landed",
    "landing",
    "newer-format",
    "not-whole",
    "notes-full",
    "nothing-expired",
    "nothing-to-do",
    "older-format",
    "pending",
    "phase",
    "pool",
    "rebase",
    "remote",
    "reserved",
    "resolved",
    "result-changed",
    "results-changed",
    "review-command",
    "reviewed",
    "role",
    "sandbox",
    "several-claims",
    "standing-here",
    "state",
    "target",
    "target-moved",
    "too-many-locks",
    "tracked",
    "trust",
    "uncommitted",
    "unfinished",
    "unmerged",
    "widening",
    "worktree",
]
"""Why a request is refused; ``REASONS`` says what each means."""

Fact = str | int | float | bool | None | list["Fact"] | dict[str, "Fact"]


class GitcoordError(Exception):
    """Carry a message, a next step and facts for machines.

    ``message`` says what is wrong and where; ``hint`` is the next step;
    ``facts`` are further keys of the JSON error (``reason``, ``holder`` ...).
    """

    code: ClassVar[str] = "internal"
    exit_status: ClassVar[int] = 1
    meaning: ClassVar[str] = "a bug; nothing changed"

    def __init__(self, message: str, *, hint: str = "", **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts


class InternalError(GitcoordError):
    """Raised when gitcoord itself is at fault."""


class UsageError(GitcoordError):
    """Raised when the request is malformed."""

    code = "usage"
    exit_status = 2
    meaning = "the request is wrong; nothing changed"


class InvalidPlanError(GitcoordError):
    """List every problem of a plan, each with its place."""

    code = "invalid-plan"
    exit_status = 2
    meaning = "the plan breaks a rule; every problem is listed with its line"

    def __init__(self, message: str, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__(message, hint=hint, problems=list(problems))
        self.problems = tuple(problems)


class NotFoundError(GitcoordError):
    """Raised when something named does not exist."""

    code = "not-found"
    exit_status = 2
    meaning = "what was named does not exist; nothing changed"


class NothingReadyError(GitcoordError):
    """Raised when no task can be had now; it tells when to ask again.

    Facts: ``retry_after`` in seconds, ``waiting_for``; ``changes_after`` in
    seconds, until a lease, a timed lock or a delay ends, where one runs:
    nothing else changes the answer but an entry.
    """

    code = "nothing-ready"
    exit_status = 10
    meaning = "no task for this agent now; ask again after `retry_after` seconds"


class PlanFinishedError(GitcoordError):
    """Raised when no task will ever come for this agent: a loop may stop."""

    code = "plan-finished"
    exit_status = 11
    meaning = "every task that this agent may take is over: a loop may stop"


class ConflictError(GitcoordError):
    """Raised when a holder stands in the way; it names the holder."""

    code = "conflict"
    exit_status = 12
    meaning = "held by another; `holder` names who"


class ClaimLostError(GitcoordError):
    """Raised when a token is stale: its holder must stop working."""

    code = "claim-lost"
    exit_status = 13
    meaning = "the token is stale: stop working on the task"


class RefusedError(GitcoordError):
    """Raised when a rule forbids the request; ``reason`` is its short name."""

    code = "refused"
    exit_status = 14
    meaning = "boundary, gate, trust, role or state forbids it; `reason` says which"

    def __init__(self, message: str, *, reason: Reason, hint: str = "", **facts: Fact) -> None:
        super().__init__(message, hint=hint, reason=reason, **facts)
        self.reason: Reason = reason


class UnavailableError(GitcoordError):
    """Raised when a lock, the disk or a remote was not reached in time."""

    code = "unavailable"
    exit_status = 15
    meaning = "lock, disk or remote not reached before the deadline; nothing changed"


_DAMAGED = (
    "`gitcoord verify` names the first bad entry, and the reflog of the ledger's branch its "
    "earlier values"
)


class CorruptError(GitcoordError):
    """Raised when an entry or a record breaks a rule of the ledger."""

    code = "corrupt"
    exit_status = 16
    meaning = "the ledger does not verify; `entry` names where"

    def __init__(self, message: str, *, hint: str = "", **facts: Fact) -> None:
        super().__init__(message, hint=hint or _DAMAGED, **facts)


class UnknownError(GitcoordError):
    """Raised when the outcome is not known; ``entry_id`` settles it later."""

    code = "unknown"
    exit_status = 17
    meaning = "cut off in mid-swap or mid-push; this agent's next command settles `entry_id` first"


class IncompleteError(GitcoordError):
    """Raised when the command did its work and the answer is no."""

    code = "incomplete"
    exit_status = 18
    meaning = "the command did its work and the answer is no"


ERRORS: tuple[type[GitcoordError], ...] = (
    InternalError,
    UsageError,
    InvalidPlanError,
    NotFoundError,
    NothingReadyError,
    PlanFinishedError,
    ConflictError,
    ClaimLostError,
    RefusedError,
    UnavailableError,
    CorruptError,
    UnknownError,
    IncompleteError,
)
