"""The shapes of what a run tells when it ends."""

from __future__ import annotations

from typing import TypedDict

from gitcoord.core.ids import PhaseId, TaskId
from gitcoord.features.inspect.seeing_answers import ConditionFacts

__all__ = ["FailedTask", "LogLine", "RunAnswer"]


class FailedTask(TypedDict):
    """A task that failed for good, and why its last attempt did."""

    task: TaskId
    reason: str


class RunAnswer(TypedDict):
    """What a run came to: its tasks by state, the phases that it landed, the four figures.

    ``stopped`` is why it ended before its time, ``pilot`` or ``failures``; ``missed`` names the
    conditions that the pilot missed.
    """

    counts: dict[str, int]
    landed: list[PhaseId]
    failed: list[FailedTask]
    conditions: list[ConditionFacts]
    stopped: str | None
    missed: list[str]


class LogLine(TypedDict):
    """What an attempt printed since the line before: whole lines, from the log at a place."""

    task: TaskId
    log: str
    text: str
