"""The shapes of what is seen of a ledger as a whole: events, statistics."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

__all__ = ["ConditionFacts", "EventLine", "StatsAnswer", "WorkGroup", "WorkTimes"]


class EventLine(TypedDict):
    """One entry: what it says, and what it is about; of a rollback also what it did."""

    entry: str
    parent: str | None
    id: str
    op: str
    agent: str
    at: str
    task: str | None
    phase: str | None
    subject: str
    event: dict[str, Any]
    onto: NotRequired[str]
    abandoned: NotRequired[str]


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


class StatsAnswer(TypedDict):
    """How well working in parallel went."""

    tip: str
    since: str | None
    until: str
    conditions: list[ConditionFacts]
    counts: dict[str, int]
    times: WorkTimes
    agents: list[WorkGroup]
    pools: list[WorkGroup]
    phases: list[WorkGroup]
    assistants: list[WorkGroup]
