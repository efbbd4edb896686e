"""What the commands for orchestrators, and those that audit, answer with ``--json``."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId, Token
from gitcoord.features.inspect.agent_answers import (
    Written,
    WrittenTask,
)
from gitcoord.features.inspect.rollback_shapes import (
    RollbackFacts,
    RollbackPreview,
)
from gitcoord.features.inspect.shapes import (
    AgentFacts,
    AttentionFacts,
    Blocking,
    ChangedReads,
    ClashFacts,
    ConflictFacts,
    EntryFacts,
    EscalationFacts,
    FailedGateFacts,
    GateFacts,
    HeldClaim,
    HeldReview,
    LockFacts,
    OverlapFacts,
    PendingMove,
    PhaseFacts,
    ShownTask,
    TaskFacts,
    TaskState,
    WaitingTask,
    WhyStep,
)

__all__ = [
    "AssignAnswer",
    "BatchAnswer",
    "BatchResult",
    "CancelAnswer",
    "CheckpointAnswer",
    "Eta",
    "ImpactAnswer",
    "InboxAnswer",
    "LogAnswer",
    "OverlapsAnswer",
    "PhaseCheckAnswer",
    "PhaseLandAnswer",
    "PhaseLandTrial",
    "PhaseListAnswer",
    "PhaseMarkAnswer",
    "PushedTarget",
    "ReapAnswer",
    "ResolveAnswer",
    "RollbackAnswer",
    "RollbackListAnswer",
    "Share",
    "SharedOutAnswer",
    "ShowAnswer",
    "ShowLogAnswer",
    "StatusAllAnswer",
    "StatusAnswer",
    "TasksAnswer",
    "VerifyAnswer",
    "WhyAnswer",
]


Eta = TypedDict("Eta", {"from": str | None, "to": str | None, "basis": str})
Eta.__doc__ = "Between when and when the rest will probably be done, and what that rests on."


class StatusAnswer(TypedDict):
    """A summary of the ledger; ``git`` lists who holds what."""

    ledger: str
    tip: Oid
    git: str
    epoch: int
    plan: str | None
    target: str
    pending: PendingMove | None
    counts: dict[str, int]
    phases: list[PhaseFacts]
    agents: list[AgentFacts]
    claims: list[HeldClaim]
    reviews: list[HeldReview]
    locks: list[LockFacts]
    waiting: list[WaitingTask]
    blocked: list[Blocking]
    escalations: list[EscalationFacts]
    behind: list[str]
    needs_you: list[AttentionFacts]
    stuck: list[AttentionFacts]
    running: list[AttentionFacts]
    next: list[AttentionFacts]
    eta: Eta


class LedgerStanding(TypedDict):
    """How one ledger of a repository stands; ``problem`` says why it could not be read.

    ``needs_you`` and ``stuck`` are counts; ``remote`` is where it lives, null: on this machine.
    """

    ledger: str
    remote: str | None
    plan: str | None
    target: str | None
    counts: dict[str, int]
    needs_you: int
    stuck: int
    problem: str


class StatusAllAnswer(TypedDict):
    """Every ledger of the repository."""

    ledgers: list[LedgerStanding]


class OverlapsAnswer(TypedDict):
    """What touches what, and whose ``reads`` changed."""

    tip: Oid
    overlaps: list[OverlapFacts]
    changed: list[ChangedReads]


class TasksAnswer(TypedDict):
    """Tasks in plan order; ``git`` lists their records, or those of a derived state and more."""

    tip: Oid
    tasks: list[TaskFacts]
    git: str


class ShowAnswer(TypedDict):
    """A task with everything that is known of it; ``git`` prints its record."""

    tip: Oid
    task: ShownTask
    git: str


class ShowLogAnswer(TypedDict):
    """A log of a task, by its name; with ``--log``."""

    task: TaskId
    log: str
    text: str


class ImpactAnswer(TypedDict):
    """Who waits for a task."""

    tip: Oid
    task: TaskId
    direct: list[str]
    transitive: list[str]
    phases_waiting: list[str]
    git: str


class WhyAnswer(TypedDict):
    """Everything that a task waits for, down to its roots; none where it is ready."""

    tip: Oid
    task: TaskId
    title: str
    state: TaskState
    steps: list[WhyStep]
    is_cut: bool
    git: str


class LogAnswer(TypedDict):
    """The newest entries, and the git command that lists the same."""

    tip: Oid
    entries: list[EntryFacts]
    git: str


class VerifyAnswer(TypedDict):
    """How much was replayed, and up to where."""

    entries: int
    tip: Oid
    since: Oid | None


class PhaseListAnswer(TypedDict):
    """The phases, in the order of the plan."""

    phases: list[PhaseFacts]
    git: str


class PhaseCheckAnswer(TypedDict):
    """Whether a phase could land, and what is missing."""

    phase: PhaseId
    state: str
    ready: bool
    results: list[list[str]]
    missing: list[dict[str, str]]
    conflict: ConflictFacts | None
    in_the_way: list[str]
    new: Oid | None
    gates: list[GateFacts]
    without: list[str]
    problem: str | None
    failed_gates: list[FailedGateFacts]
    rollback: NotRequired[RollbackPreview | None]
    clashes: NotRequired[list[ClashFacts]]
    tried: NotRequired[list[TaskId]]
    is_cut: NotRequired[bool]


class PhaseLandTrial(PhaseCheckAnswer):
    """What ``phase land --dry-run`` found."""

    dry_run: Literal[True]


class PushedTarget(TypedDict):
    """What came of pushing the target after a landing; ``problem``: why it is not there."""

    remote: str
    problem: str | None


class PhaseLandAnswer(Written):
    """A phase that landed, or a batch of a stream."""

    phase: PhaseId
    target: str
    old: Oid
    new: Oid
    results: int
    already: bool
    gates: list[str]
    without: list[str]
    given_back: list[TaskId]
    push: PushedTarget | None


class PhaseMarkAnswer(Written):
    """A stream that was closed or opened."""

    phase: PhaseId
    state: str


class AssignAnswer(WrittenTask):
    """For whom a task is now."""

    assigned: AgentId | None


class Share(TypedDict):
    """Which tasks are for an agent now."""

    agent: AgentId
    tasks: list[TaskId]


class SharedOutAnswer(Written):
    """How the open tasks were shared out; with ``--by``."""

    by: str
    shares: list[Share]


class CancelAnswer(WrittenTask):
    """A task that was cancelled, and what has to be redone."""

    redone: list[TaskId]


class ReapAnswer(TypedDict):
    """The claims and locks that were ended."""

    entry: Oid | None
    expired: list[dict[str, str]]
    lapsed: list[dict[str, str]]


class InboxAnswer(TypedDict):
    """The escalations that wait for an answer."""

    escalations: list[EscalationFacts]
    git: str


class ResolveAnswer(Written):
    """An escalation that was answered; ``task`` is the proposed one that this added."""

    escalation: str
    task: NotRequired[TaskId]


class CheckpointAnswer(Written):
    """The entry that has a name now."""

    name: str


class RollbackAnswer(Written):
    """A rollback: the entry that it went back to, and the tip that it left."""

    onto: Oid
    abandoned: Oid
    epoch: int
    code: PendingMove | None


class RollbackListAnswer(TypedDict):
    """The rollbacks, newest first."""

    rollbacks: list[RollbackFacts]
    git: str


class BatchResult(TypedDict):
    """What became of one line; ``token`` and ``branch`` of a claim."""

    line: int
    op: str
    task: TaskId | None
    token: NotRequired[Token]
    branch: NotRequired[str]


class BatchAnswer(Written):
    """The entry of a batch, and its lines in order."""

    results: list[BatchResult]
