"""What the answers of ``--json`` are made of, typed."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId, Token

__all__ = [
    "AgentFacts",
    "Answer",
    "AttentionFacts",
    "Behind",
    "BlockerFacts",
    "Blocking",
    "ChangedFile",
    "CheckFacts",
    "ClaimFacts",
    "CommandFacts",
    "CommitFacts",
    "ConflictFacts",
    "DiffFacts",
    "Earlier",
    "EntryFacts",
    "EscalationFacts",
    "FailedGateFacts",
    "FindingFacts",
    "GateFacts",
    "HeldClaim",
    "HeldPaths",
    "HeldReview",
    "LeaseFacts",
    "LockFacts",
    "NoteFacts",
    "PendingMove",
    "PhaseFacts",
    "Progress",
    "ResultFacts",
    "ReviewFacts",
    "SetbackFacts",
    "ShownTask",
    "TaskFacts",
    "WaitingFacts",
    "WaitingReview",
    "WaitingTask",
    "Wave",
    "WhyStep",
]

TaskState = Literal[
    "ready",
    "waiting",
    "blocked",
    "claimed",
    "review",
    "done",
    "landed",
    "failed",
    "cancelled",
]


class LeaseFacts(TypedDict):
    """A lease, by this machine's clock."""

    expires_at: str
    lease_left_ms: int
    is_over: bool
    is_late: bool


class Progress(TypedDict):
    """The newest report of a claim."""

    at: str
    message: str
    percent: int | None


class ClaimFacts(LeaseFacts):
    """One agent's exclusive right to a task."""

    token: Token
    agent: AgentId
    attempt: int
    branch: str
    base: Oid
    since: str
    progress: Progress | None


class HeldClaim(ClaimFacts):
    """A claim in a list, with its task."""

    task: TaskId
    title: str


class ReviewFacts(TypedDict):
    """A review of one result; token and lease while it is at work."""

    agent: AgentId
    result: Oid | None
    verdict: str | None
    message: str
    is_verifier: bool
    at: str
    token: NotRequired[Token]
    expires_at: NotRequired[str]
    lease_left_ms: NotRequired[int]
    is_over: NotRequired[bool]
    is_late: NotRequired[bool]


class CommitFacts(TypedDict):
    """The commit that is handed in, what it is built on, and the boundary that it keeps."""

    base: Oid
    boundary: dict[str, Any]
    built_on: dict[TaskId, Oid]
    commits: int
    files: int
    oid: Oid | None
    tree: Oid | None


class ResultFacts(CommitFacts):
    """What was handed in for a task."""

    agent: AgentId
    at: str | int
    attempt: int
    token: Token
    makers: NotRequired[list[str]]


class SetbackFacts(TypedDict):
    """How an earlier attempt ended."""

    agent: AgentId
    at: str
    attempt: int
    kind: str
    reason: str


class TaskFacts(TypedDict):
    """A task, with its state as of one entry."""

    id: str
    title: str
    description: str
    phase: PhaseId
    pool: str
    paths: list[str] | None
    widened: list[str]
    reads: list[str]
    needs: list[TaskId]
    priority: int
    estimate_ms: int | None
    state: TaskState
    assigned: AgentId | None
    attempt: int
    failures: int
    branch: str | None
    claim: ClaimFacts | None
    result: ResultFacts | None
    setbacks: list[SetbackFacts]
    approvals: int
    verify_by: str | None
    reviews: list[ReviewFacts]


class Behind(TypedDict):
    """Who needs a task: directly, in all, and the first of them."""

    task: TaskId
    direct: int
    count: int
    tasks: list[TaskId]


class Blocking(Behind):
    """What failed or was cancelled, and whom it blocks."""

    state: str


class EntryFacts(TypedDict):
    """One entry of the ledger."""

    entry: Oid
    at: str
    subject: str
    op: str
    agent: AgentId | None
    tasks: list[TaskId]
    text: str


class NoteFacts(TypedDict):
    """A finding that an agent left."""

    agent: AgentId
    at: str
    id: str
    path: str | None
    task: TaskId | None
    text: str


class EscalationFacts(TypedDict):
    """A matter handed to the orchestrator."""

    agent: AgentId
    answer: str
    at: str
    id: str
    kind: str
    state: str
    task: TaskId | None
    text: str


class LockFacts(TypedDict):
    """Paths that an agent reserved."""

    id: str
    agent: AgentId
    paths: list[str]
    shared: bool
    reason: str
    task: TaskId | None
    since: str
    expires_at: str | None
    left_ms: int | None
    is_over: bool


class FailedGateFacts(TypedDict):
    """A gate whose last run failed."""

    gate: str
    reason: str
    commit: Oid
    log: str
    show: NotRequired[str]


class GateFacts(TypedDict):
    """What a gate runs, whether it may, and whether it passed on this tree."""

    name: str
    run: str
    timeout_ms: int
    retry: int
    passed: bool
    trusted: bool


class PhaseFacts(TypedDict):
    """A phase with its counts and the command that it waits for."""

    id: str
    state: str
    is_started: bool
    is_stream: bool
    is_closed: bool
    counts: dict[str, int]
    next: str | None
    is_landable: bool
    failed: list[str]
    failed_gates: list[FailedGateFacts]


class OverlapFacts(TypedDict):
    """Work of another's that touches a task's: ``reads``, ``writes``, ``folder`` or ``result``."""

    kind: str
    task: TaskId
    other: TaskId
    agent: AgentId
    paths: list[str]


class ChangedReads(TypedDict):
    """A held task, and the files it reads that changed on the target since its base."""

    task: TaskId
    agent: AgentId
    files: list[str]


class ClashFacts(TypedDict):
    """Two branches that do not merge; ``other`` is None for the target."""

    task: TaskId
    other: TaskId | None
    files: list[str]


class AgentFacts(TypedDict):
    """An agent in a list."""

    id: str
    pools: list[str]
    capacity: int
    claims: list[str]
    worktree: NotRequired[str | None]


class AttentionFacts(TypedDict):
    """What waits for a person, and the command that helps."""

    kind: str
    task: TaskId | None
    phase: PhaseId | None
    agent: AgentId | None
    since: str | None
    text: str
    command: str


class Earlier(TypedDict):
    """The branch of an earlier attempt."""

    branch: str
    tip: Oid
    is_resumed: bool


class Answer(TypedDict):
    """An answer to an escalation about a task."""

    id: str
    text: str
    answer: str


class Wave(TypedDict):
    """Tasks of a phase that can run at once."""

    phase: PhaseId
    number: int
    tasks: list[TaskId]
    width: int
    limits: list[str]


class WaitingFacts(TypedDict):
    """One thing that a task waits for, and the command that helps."""

    kind: str
    names: list[str]
    text: str
    command: str | None


class WhyStep(WaitingFacts):
    """One thing that is waited for, below what waits for it, which has a lower depth."""

    depth: int


class ShownTask(TaskFacts):
    """A task with everything that is known of it."""

    needed_by: list[TaskId]
    would_block: Behind
    blocked_by: list[TaskId]
    logs: list[str]
    check: dict[str, Any] | None
    notes: list[NoteFacts]
    escalations: list[EscalationFacts]
    waiting_for: list[WaitingFacts]
    history: list[EntryFacts]


class CommandFacts(TypedDict):
    """A command of the command line."""

    name: str
    help: str
    options: list[str]


class HeldReview(ReviewFacts):
    """A review in a list, with its task."""

    task: TaskId
    title: str


class HeldPaths(TypedDict):
    """The paths that a claim keeps from others."""

    task: TaskId
    agent: AgentId
    paths: list[str] | None
    lease_left_ms: int


class BlockerFacts(TypedDict):
    """Who holds a path that a task waits for: the wanted pattern, and the held one."""

    agent: AgentId
    task: TaskId | None
    lock: str | None
    paths: list[str]


WaitingTask = TypedDict("WaitingTask", {"task": str, "title": str, "for": list[BlockerFacts]})
WaitingTask.__doc__ = "A ready task whose paths others hold."


class PendingMove(TypedDict):
    """The one move of the target that may be under way; ``phase`` is null for a rollback."""

    kind: Literal["landing", "rollback"]
    phase: PhaseId | None
    target: str
    old: Oid
    new: Oid


class ConflictFacts(TypedDict):
    """Two results that do not merge."""

    task: TaskId
    other: str
    files: list[str]
    is_moved: bool


class ChangedFile(TypedDict):
    """A file of a result, with how many lines it adds and removes; null for binary ones."""

    path: str
    added: int | None
    removed: int | None


class DiffFacts(TypedDict):
    """The changes of a result, up to a size."""

    old: Oid
    new: Oid
    files: list[ChangedFile]
    text: str
    is_cut: bool


class CheckFacts(TypedDict):
    """The last run of a task's check, with the end of its output."""

    run: str
    verdict: str
    millis: int
    log: str


class WaitingReview(TypedDict):
    """A result that waits for reviews."""

    task: TaskId
    title: str
    author: str
    result: Oid | None
    at: str
    needed: int
    verify_by: str | None
    approved: int
    reviews: list[ReviewFacts]


class FindingFacts(TypedDict):
    """One thing that was looked at."""

    check: str
    state: Literal["ok", "fixed", "problem"]
    text: str
    advice: str
