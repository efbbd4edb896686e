"""The shapes of what is seen of a ledger as a whole: events, statistics."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId
from gitcoord.features.inspect.orchestrator_answers import Eta
from gitcoord.features.inspect.shapes import AttentionFacts

__all__ = [
    "Assumed",
    "ConditionFacts",
    "CriticalPath",
    "EventLine",
    "ReportAnswer",
    "SimulateAnswer",
    "SimulatedRun",
    "StatsAnswer",
    "Used",
    "WatchLine",
    "WebLine",
    "WorkGroup",
    "WorkTimes",
]


class EventLine(TypedDict):
    """One entry: what it says, and what it is about; of a rollback also what it did."""

    entry: Oid
    parent: Oid | None
    id: str
    op: str
    agent: AgentId
    at: str
    task: TaskId | None
    phase: PhaseId | None
    subject: str
    event: dict[str, Any]
    onto: NotRequired[Oid]
    abandoned: NotRequired[Oid]


class ConditionFacts(TypedDict):
    """A condition of parallel work: its value, the threshold, and how it was taken."""

    name: str
    value: float | None
    threshold: float
    is_met: bool | None
    how: str


class WorkTimes(TypedDict):
    """Where the time went; null where nobody knows."""

    sequential_ms: int | None
    parallel_ms: int | None
    task_ms: int | None
    work_ms: int | None
    wasted_ms: int | None
    waiting_ms: int | None
    review_ms: int | None
    gate_ms: int | None
    check_ms: int | None


class Used(TypedDict):
    """What assistants said that they spent; null where none of them said it.

    ``told`` counts the attempts and reviews that were told of, and
    ``cost_micros`` millionths of a US dollar.
    """

    told: int
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    cost_micros: int | None


class WorkGroup(TypedDict):
    """What was done by one agent, or in one pool or phase, or with one assistant."""

    name: str
    tasks: int
    attempts: int
    standing: int
    setbacks: int
    work_ms: int | None
    wasted_ms: int | None
    waiting_ms: int | None
    usage: Used


class StatsAnswer(TypedDict):
    """How well working in parallel went; ``git`` lists the entries it is computed from."""

    tip: Oid
    git: str
    since: str | None
    until: str
    conditions: list[ConditionFacts]
    counts: dict[str, int]
    times: WorkTimes
    usage: Used
    agents: list[WorkGroup]
    pools: list[WorkGroup]
    phases: list[WorkGroup]
    assistants: list[WorkGroup]


class Assumed(TypedDict):
    """What was assumed of the work."""

    task_ms: int
    spread: float
    failure_rate: float
    overhead_ms: int
    seed: int
    cost_micros: int | None


class CriticalPath(TypedDict):
    """The longest chain of tasks, by their estimates."""

    ms: int
    tasks: list[TaskId]


class SimulatedRun(TypedDict):
    """How a number of agents would do."""

    agents: int
    makespan_ms: int
    efficiency: float | None
    overhead: float | None
    attempts: int
    cost_micros: int | None
    left: int
    is_worth_it: bool


class SimulateAnswer(TypedDict):
    """How long a plan would take, and how many agents are worth it."""

    tasks: int
    phases: int
    assumed: Assumed
    critical_path: CriticalPath
    conflicts: list[str]
    runs: list[SimulatedRun]
    worth: int | None


class ReportAnswer(TypedDict):
    """A report that was written; ``text`` is it, where no file was named."""

    format: str
    file: str | None
    bytes: int
    text: NotRequired[str]


class WatchLine(TypedDict):
    """How a ledger stands, and what happened since the line before; ``op`` is ``watch``.

    ``git`` lists who holds what.
    """

    op: str
    tip: Oid
    git: str
    counts: dict[str, int]
    needs_you: list[AttentionFacts]
    stuck: list[AttentionFacts]
    running: list[AttentionFacts]
    next: list[AttentionFacts]
    eta: Eta
    events: list[EventLine]


class WebLine(TypedDict):
    """Where a browser shows the report, before all other lines; ``op`` is ``watch``."""

    op: str
    url: str
    port: int
