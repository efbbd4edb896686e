"""What the commands for agents answer with ``--json``."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.features.inspect.shapes import (
    Answer,
    Behind,
    CheckFacts,
    ClaimFacts,
    CommitFacts,
    DiffFacts,
    Earlier,
    HeldPaths,
    LockFacts,
    NoteFacts,
    OverlapFacts,
    ResultFacts,
    ReviewFacts,
    TaskFacts,
    WaitingReview,
    WaitingTask,
)

__all__ = [
    "BeatAnswer",
    "CheckVerdict",
    "ClaimAnswer",
    "CompleteAnswer",
    "CompleteTrial",
    "EscalateAnswer",
    "FailAnswer",
    "LockAnswer",
    "LocksAnswer",
    "NoteAnswer",
    "NoteDropAnswer",
    "NoteListAnswer",
    "ProposeAnswer",
    "ReviewApproveAnswer",
    "ReviewClaimAnswer",
    "ReviewListAnswer",
    "ReviewRejectAnswer",
    "UnlockAnswer",
    "WidenAnswer",
    "Written",
    "WrittenTask",
]


class Written(TypedDict):
    """The entry that a command made."""

    entry: Oid


class WrittenTask(Written):
    """The entry that a command made for a task."""

    task: TaskId


class ClaimAnswer(Written):
    """A claim, and all that its holder should know."""

    task: TaskFacts
    claim: ClaimFacts
    branch: str
    base: Oid
    worktree: str | None
    checkout: str
    already: bool
    reissued: bool
    held: str
    ledger: str
    notes: list[NoteFacts]
    answers: list[Answer]
    earlier: Earlier | None
    logs: list[str]
    would_block: Behind
    boundary: dict[str, list[str]]
    neighbours: list[OverlapFacts]


class BeatAnswer(TypedDict):
    """A lease that was renewed without an entry."""

    task: TaskId


class CompleteAnswer(WrittenTask):
    """What was handed in; ``approvals`` where other agents have to approve."""

    state: str
    already: bool
    result: ResultFacts | None
    approvals: NotRequired[int]


class FailAnswer(WrittenTask):
    """What became of a task whose attempt failed."""

    state: str
    failures: int
    would_block: NotRequired[Behind]
    blocked: NotRequired[Behind]
    retry_after: NotRequired[float]


class LockAnswer(Written):
    """A lock that was taken."""

    lock: LockFacts


class UnlockAnswer(Written):
    """Paths that were given back."""

    agent: AgentId
    paths: list[str]


class WidenAnswer(WrittenTask):
    """All that the claim may write beside the task's paths."""

    widened: list[str]
    neighbours: list[OverlapFacts]


class LocksAnswer(TypedDict):
    """What is locked, and who waits for whom; ``git`` lists who holds what."""

    tip: Oid
    git: str
    locks: list[LockFacts]
    claims: list[HeldPaths]
    waiting: list[WaitingTask]


class EscalateAnswer(Written):
    """An escalation that was made."""

    escalation: str
    task: TaskId | None


class ProposeAnswer(Written):
    """A task that was proposed: the escalation, and the id that it will have."""

    escalation: str
    task: TaskId


class CompleteTrial(TypedDict):
    """What ``complete --dry-run`` found: ``problems`` is empty where it would be handed in."""

    dry_run: Literal[True]
    task: TaskId
    inside: list[str]
    outside: list[str]
    check: CheckVerdict | None
    result: NotRequired[CommitFacts]
    problems: list[dict[str, Any]]


class CheckVerdict(TypedDict):
    """How a check ended."""

    verdict: str


class ReviewClaimAnswer(Written):
    """A review, and what its verdict is about."""

    task: TaskFacts
    result: ResultFacts
    diff: DiffFacts | None
    check: CheckFacts | None
    review: ReviewFacts
    already: bool
    ledger: str


class ReviewApproveAnswer(WrittenTask):
    """A result that was approved: how often, and how often it has to be."""

    state: str
    approved: int
    needed: int
    already: bool


class ReviewRejectAnswer(WrittenTask):
    """A result that was rejected, and what became of its task."""

    state: str
    failures: int


class ReviewListAnswer(TypedDict):
    """The results that wait for a review."""

    tip: Oid
    reviews: list[WaitingReview]
    git: str


class NoteAnswer(Written):
    """A note that was left; about the plan where neither task nor path is named."""

    note: str
    task: TaskId | None
    path: str | None


class NoteDropAnswer(Written):
    """A note that was taken away."""

    note: str
    dropped: Literal[True]


class NoteListAnswer(TypedDict):
    """The notes, all or about one task or path."""

    notes: list[NoteFacts]
