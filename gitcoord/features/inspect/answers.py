"""The answer of each command with ``--json``, by the command as typed.

``schema``, ``ok``, ``op`` and ``notices`` are in each of them. The reference
page and the JSON Schema that is shipped are written from here.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from gitcoord.features.inspect.shapes import (
    AgentFacts,
    Answer,
    AttentionFacts,
    Behind,
    Blocking,
    ClaimFacts,
    CommandFacts,
    Earlier,
    EntryFacts,
    EscalationFacts,
    FailedGateFacts,
    GateFacts,
    HeldClaim,
    LockFacts,
    NoteFacts,
    PhaseFacts,
    ResultFacts,
    ShownTask,
    TaskFacts,
    Wave,
)

__all__ = ["ANSWERS", "PlanAppliedAnswer"]


class Written(TypedDict):
    """The entry that a command made."""

    entry: str


class WrittenTask(Written):
    """The entry that a command made for a task."""

    task: str


class ClaimAnswer(Written):
    """A claim, and all that its holder should know."""

    task: TaskFacts
    claim: ClaimFacts
    branch: str
    base: str
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


class BeatAnswer(TypedDict):
    """A lease that was renewed without an entry."""

    task: str


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


class StatusAnswer(TypedDict):
    """A summary of the ledger."""

    ledger: str
    tip: str
    epoch: int
    plan: str | None
    target: str
    pending: dict[str, Any] | None
    counts: dict[str, int]
    phases: list[PhaseFacts]
    agents: list[AgentFacts]
    claims: list[HeldClaim]
    reviews: list[dict[str, Any]]
    locks: list[LockFacts]
    waiting: list[dict[str, Any]]
    blocked: list[Blocking]
    escalations: list[EscalationFacts]
    behind: list[str]
    needs_you: list[AttentionFacts]


class TasksAnswer(TypedDict):
    """Tasks in plan order."""

    tip: str
    tasks: list[TaskFacts]


class ShowAnswer(TypedDict):
    """A task; with ``--log`` its id, the log's name and its text."""

    tip: NotRequired[str]
    task: ShownTask | str
    log: NotRequired[str]
    text: NotRequired[str]


class ImpactAnswer(TypedDict):
    """Who waits for a task."""

    tip: str
    task: str
    direct: list[str]
    transitive: list[str]
    phases_waiting: list[str]


class LogAnswer(TypedDict):
    """The newest entries."""

    tip: str
    entries: list[EntryFacts]


class VerifyAnswer(TypedDict):
    """How much was replayed, and up to where."""

    entries: int
    tip: str
    since: str | None


class PhaseListAnswer(TypedDict):
    """The phases, in the order of the plan."""

    phases: list[PhaseFacts]


class PhaseCheckAnswer(TypedDict):
    """Whether a phase could land, and what is missing."""

    phase: str
    state: str
    ready: bool
    results: list[list[str]]
    missing: list[dict[str, str]]
    conflict: dict[str, Any] | None
    in_the_way: list[str]
    new: str | None
    gates: list[GateFacts]
    without: list[str]
    problem: str | None
    failed_gates: list[FailedGateFacts]
    rollback: dict[str, Any] | None


class PhaseLandAnswer(Written):
    """A phase that landed; with ``--dry-run`` what ``phase check`` gives."""

    phase: str
    target: str
    old: str
    new: str
    results: int
    already: bool
    gates: list[str]
    without: list[str]


class PlanAppliedAnswer(Written):
    """How a plan differs from what was there."""

    added: int
    changed: int
    changed_parts: list[str]
    kept: list[str]
    warnings: list[str]


class PlanCheckAnswer(TypedDict):
    """How large a plan is that has no mistake."""

    tasks: int
    phases: int
    warnings: list[str]


class PlanShowAnswer(TypedDict):
    """The plan's settings, and what can run at once."""

    plan: dict[str, Any]
    waves: list[Wave]


class InitAnswer(TypedDict):
    """A ledger that was made, or with ``--template`` the plan file that was written."""

    ledger: NotRequired[str]
    entry: NotRequired[str]
    target: NotRequired[str]
    plan: NotRequired[PlanAppliedAnswer]
    plan_file: NotRequired[str]


class AgentAddAnswer(Written):
    """An agent that was added."""

    agent: dict[str, Any]
    worktree: str | None
    setup: str


class AgentListAnswer(TypedDict):
    """The agents and what they hold."""

    agents: list[AgentFacts]


class AgentShowAnswer(TypedDict):
    """One agent, with its newest entries."""

    agent: dict[str, Any]
    history: list[EntryFacts]


class AgentRemoveAnswer(Written):
    """An agent that was removed."""

    agent: str


class AssignAnswer(WrittenTask):
    """For whom a task is now."""

    assigned: str | None


class CancelAnswer(WrittenTask):
    """A task that was cancelled, and what has to be redone."""

    redone: list[str]


class ReapAnswer(TypedDict):
    """The claims and locks that were ended."""

    entry: str | None
    expired: list[dict[str, str]]
    lapsed: list[dict[str, str]]


class InboxAnswer(TypedDict):
    """The escalations that wait for an answer."""

    escalations: list[EscalationFacts]


class EscalateAnswer(Written):
    """An escalation that was made."""

    escalation: str
    task: str | None


class ResolveAnswer(Written):
    """An escalation that was answered."""

    escalation: str


class TrustAnswer(TypedDict):
    """The commands that are trusted on this machine."""

    commands: list[str]


class CommandsAnswer(TypedDict):
    """Every command."""

    commands: list[CommandFacts]


class DoctorAnswer(TypedDict):
    """What was looked at, and how many problems there are."""

    findings: list[dict[str, str]]
    problems: int


class LockAnswer(Written):
    """A lock that was taken."""

    lock: LockFacts


class UnlockAnswer(Written):
    """Paths that were given back."""

    agent: str
    paths: list[str]


class LocksAnswer(TypedDict):
    """What is locked, and who waits for whom."""

    tip: str
    locks: list[LockFacts]
    claims: list[dict[str, Any]]
    waiting: list[dict[str, Any]]


class RunAnswer(TypedDict):
    """A plan of which everything landed."""

    counts: dict[str, int]


ANSWERS: dict[str, type] = {
    "agent add": AgentAddAnswer,
    "agent list": AgentListAnswer,
    "agent remove": AgentRemoveAnswer,
    "agent show": AgentShowAnswer,
    "assign": AssignAnswer,
    "beat": BeatAnswer,
    "cancel": CancelAnswer,
    "claim": ClaimAnswer,
    "commands": CommandsAnswer,
    "complete": CompleteAnswer,
    "doctor": DoctorAnswer,
    "escalate": EscalateAnswer,
    "fail": FailAnswer,
    "impact": ImpactAnswer,
    "inbox": InboxAnswer,
    "init": InitAnswer,
    "lock": LockAnswer,
    "locks": LocksAnswer,
    "log": LogAnswer,
    "phase check": PhaseCheckAnswer,
    "phase land": PhaseLandAnswer,
    "phase list": PhaseListAnswer,
    "plan apply": PlanAppliedAnswer,
    "plan check": PlanCheckAnswer,
    "plan show": PlanShowAnswer,
    "progress": WrittenTask,
    "reap": ReapAnswer,
    "release": WrittenTask,
    "resolve": ResolveAnswer,
    "retry": WrittenTask,
    "run": RunAnswer,
    "show": ShowAnswer,
    "status": StatusAnswer,
    "tasks": TasksAnswer,
    "trust": TrustAnswer,
    "unlock": UnlockAnswer,
    "verify": VerifyAnswer,
}
"""The shape of each command's answer, by the command as typed."""
