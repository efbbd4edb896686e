"""Define the records of the ledger, as they stand in its tree.

Records are plain JSON objects with declared keys: what is read from a tree
is used as it is, and defining these types costs a one-shot command next to
nothing (forty frozen dataclasses cost 27 ms). Nobody changes a record in
place: a changed record is a new object. ``docs/format.md`` is the page
that describes every key to a second implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId, Token
from gitcoord.core.model_gates import GateRun, GateSpec, Landing, Proof
from gitcoord.core.model_leases import Evidence, Lapse, Lease, LockRecord, RetryDelay, Review
from gitcoord.core.model_said import Said, Why
from gitcoord.core.model_usage import Budget, Resume, Usage
from gitcoord.core.shapes import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired

__all__ = [
    "FORMAT",
    "MAX_LOG_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_NOTES",
    "MAX_NOTE_BYTES",
    "MAX_PLAN_BYTES",
    "MAX_RECORD_BYTES",
    "MAX_TITLE_CHARS",
    "AgentRecord",
    "BatchSpec",
    "Budget",
    "CheckpointRecord",
    "Claim",
    "Escalation",
    "Evidence",
    "GateRun",
    "GateSpec",
    "LandedTask",
    "Landing",
    "Lapse",
    "Lease",
    "LockRecord",
    "NoteRecord",
    "Pause",
    "Pending",
    "PhaseRecord",
    "PhaseSpec",
    "PlanDocument",
    "PlanRecord",
    "PoolSpec",
    "Progress",
    "Proof",
    "Result",
    "Resume",
    "RetryDelay",
    "Review",
    "Said",
    "Setback",
    "Settings",
    "State",
    "Survivor",
    "TaskRecord",
    "TaskSpec",
    "Usage",
    "Why",
    "WorktreeSpec",
]

FORMAT = 2
MAX_TITLE_CHARS = 200
MAX_MESSAGE_BYTES = 4 * 1024
MAX_RECORD_BYTES = 16 * 1024
MAX_PLAN_BYTES = 64 * 1024 * 1024
MAX_LOG_BYTES = 64 * 1024
MAX_NOTE_BYTES = 1024
MAX_NOTES = 200

State = Literal["open", "claimed", "review", "done", "failed", "cancelled"]


class BatchSpec(TypedDict):
    """How a stream is cut into batches: ``max`` tasks at most, 0 for any number.

    What is done waits ``wait_ms`` for more, unless a batch is full before.
    """

    max: int
    wait_ms: int


class PhaseSpec(TypedDict):
    """What the plan says of a phase; ``paths`` bounds its tasks, None does not.

    A ``stream`` never ends by itself: what is done lands in batches. With
    ``reviewers`` no assistant reviews what the same assistant wrote.
    """

    id: PhaseId
    title: str
    paths: list[str] | None
    after: list[PhaseId]
    reviews: int
    gates: list[GateSpec]
    stream: NotRequired[bool]
    batch: NotRequired[BatchSpec]
    reviewers: NotRequired[Literal["other-assistants"]]


class TaskSpec(TypedDict):
    """What the plan says of a task.

    ``paths`` is None where the plan says nothing (only in an ``open``
    plan: may write anywhere), ``[]`` where the task may write nothing.
    ``needs`` holds expanded ids. ``result`` is ``required`` or ``optional``.
    """

    id: TaskId
    title: str
    description: str
    phase: PhaseId
    pool: str
    paths: list[str] | None
    reads: list[str]
    needs: list[TaskId]
    estimate_ms: int | None
    priority: int
    result: str
    check: str | None
    verify_by: str | None
    context: NotRequired[str]


class PoolSpec(TypedDict):
    """What the plan says of a pool.

    None means no limit, the plan's selection, no bound on its tasks' paths.
    ``command`` is what a run starts for its tasks, in place of the run's own.
    """

    limit: int | None
    selection: str | None
    paths: list[str] | None
    context: NotRequired[str]
    command: NotRequired[str]


class WorktreeSpec(TypedDict):
    """What a new worktree needs: untracked files, and a command run once."""

    copy: list[str]
    setup: str | None


class PlanRecord(TypedDict):
    """``plan.json``: what holds for the whole plan.

    ``widening`` is ``free`` or ``never``; where it is absent the orchestrator is asked.
    ``limit_wait_ms`` is 15 minutes where it is absent.
    ``hung_ms`` is for how long a holder may leave no trace of work before it counts as hung.
    ``landing_push`` names the remote to which the target is pushed after a landing.
    """

    name: str
    target: str
    lease_ms: int
    heartbeat_ms: int
    max_attempts: int
    selection: str
    boundaries: str
    gates_required: bool
    landing: str
    worktree: WorktreeSpec
    pools: dict[str, PoolSpec]
    widening: NotRequired[str]
    limit_wait_ms: NotRequired[int]
    budget: NotRequired[Budget]
    hung_ms: NotRequired[int]
    landing_push: NotRequired[str]


class PlanDocument(TypedDict):
    """A whole parsed plan: the input of ``plan apply``, as one blob."""

    plan: PlanRecord
    phases: list[PhaseSpec]
    tasks: list[TaskSpec]


class Progress(TypedDict):
    """The last progress message of a claim."""

    message: str
    percent: int | None
    at: int


class Claim(TypedDict):
    """One agent's exclusive right to a task.

    ``boot_id`` and ``monotonic_ns`` say when the lease was last renewed by
    an entry; ``at`` is that entry's time in seconds, for reading only.
    ``built_on`` maps tasks to the results that ``base`` contains.
    """

    token: Token
    agent: AgentId
    attempt: int
    session: str
    boot_id: str
    monotonic_ns: int
    lease_ms: int
    at: int
    since: int
    base: Oid
    branch: str
    built_on: dict[TaskId, Oid]
    progress: Progress | None


class Result(TypedDict):
    """The commit that an agent handed in; ``oid`` is None for no commit.

    ``boundary`` holds the layers beside the task's own paths that it was
    held to (``pool P``, ``phase P``, ``agent A``): landing asks them again,
    and the agent may be gone by then. ``makers`` are the assistants in
    whose session it was written; it is absent where nothing told of one.
    """

    oid: Oid | None
    tree: Oid | None
    base: Oid
    built_on: dict[TaskId, Oid]
    boundary: dict[str, list[str]]
    commits: int
    files: int
    agent: AgentId
    attempt: int
    token: Token
    at: int
    makers: NotRequired[list[str]]


class Setback(TypedDict):
    """One earlier attempt that did not succeed, for the agent that tries next."""

    attempt: int
    agent: AgentId
    code: str
    values: dict[str, Any]
    at: int


class Pause(TypedDict):
    """Who asked, and why, that nobody begins with a task."""

    agent: AgentId
    reason: str
    at: int


class LandedTask(TypedDict):
    """The target's commit with which a task of a stream landed, and when."""

    oid: Oid
    at: int


class TaskRecord(TypedDict):
    """``tasks/<h1>/<h2>/<id>.json``: a task and where it stands.

    ``approvals`` says how many its result needs: as many as the plan asked
    for when it was handed in. ``widened`` has the paths that were added to
    the task's own while it was at work. ``resume`` is there while a usage
    limit keeps a session from its task. ``landed`` stands in tasks of a
    stream alone; those of other phases land with their phase.
    """

    id: TaskId
    order: int
    spec: TaskSpec
    approvals: int
    state: State
    assigned: AgentId | None
    attempt: int
    failures: int
    claim: Claim | None
    reviews: list[Review]
    result: Result | None
    branch: str | None
    retry: RetryDelay | None
    setbacks: list[Setback]
    paused: NotRequired[Pause]
    widened: NotRequired[list[str]]
    resume: NotRequired[Resume]
    landed: NotRequired[LandedTask]


class PhaseRecord(TypedDict):
    """``phases/<id>.json``: a phase and how far its landing is.

    A stream has its last batch as ``landing``. ``closed`` says that nothing
    is added to it any more.
    """

    id: PhaseId
    order: int
    spec: PhaseSpec
    state: Literal["open", "landing", "landed"]
    landing: Landing | None
    closed: NotRequired[bool]


class AgentRecord(TypedDict):
    """``agents/<id>.json``: a worker; empty ``pools`` means every pool."""

    id: AgentId
    pools: list[str]
    capacity: int
    paths: list[str] | None
    worktree: str | None
    at: int


class Escalation(TypedDict):
    """``escalations/<id>.json``: a matter for the orchestrator.

    ``answer`` is there once it is resolved.
    """

    id: str
    task: TaskId | None
    agent: AgentId
    code: str
    values: dict[str, Any]
    state: Literal["open", "resolved"]
    at: int
    answer: NotRequired[Said]


class NoteRecord(TypedDict):
    """``notes/<id>.json``: a finding that others should know.

    It is about a task, about a path, or, with neither, about the plan.
    """

    id: str
    task: TaskId | None
    path: str | None
    agent: AgentId
    text: str
    at: int


class CheckpointRecord(TypedDict):
    """``checkpoints/<name>.json``: a name for the entry that made it."""

    name: str
    agent: AgentId
    at: int


class Survivor(TypedDict):
    """A claim, review or lock that both sides of a rollback hold.

    ``token`` is the claim's or review's token, or the lock's id. ``renewed``
    stands where the abandoned tip holds a later sign of life of the holder.
    """

    kind: Literal["claim", "review", "lock"]
    name: str
    token: Token
    renewed: NotRequired[Renewal]


class Renewal(TypedDict):
    """When an entry last renewed a lease, as the lease has it."""

    boot_id: str
    monotonic_ns: int
    at: int


class Pending(TypedDict):
    """The one target move that may be under way in a ledger.

    ``phase`` is None for the move of a rollback.
    """

    kind: Literal["landing", "rollback"]
    phase: PhaseId | None
    target: str
    old: Oid
    new: Oid


class Settings(TypedDict):
    """``settings.json``: what belongs to the ledger itself.

    ``target_tip`` is the target's tip after the last finished move, at
    first the one that ``init`` saw; ``epoch`` counts rollbacks. ``needs`` is
    the least version of gitcoord that reads the ledger, where that matters.
    """

    format: int
    ledger: str
    epoch: int
    task_prefix: str
    target: str
    target_tip: Oid
    next_order: int
    pending: Pending | None
    needs: NotRequired[str]
