"""Read what a run is told on its command line: pace, pilot, tasks and bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gitcoord.core import ids
from gitcoord.core.errors import UsageError
from gitcoord.core.ids import PhaseId, TaskId

if TYPE_CHECKING:
    from gitcoord.core.pacing import Pace
    from gitcoord.features.run.order import Order
    from gitcoord.features.run.watching import TimeLimit

__all__ = ["jobs_of", "order_of"]

MAX_JOBS = 64
USUAL_HIGH = 8
_AUTO = re.compile(r"auto(?::(\d{1,4})-(\d{1,4}))?", re.ASCII)
_TIMES = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)x", re.ASCII)


def jobs_of(text: str) -> tuple[int, Pace | None]:
    """Read how many agents work: a number, or bounds to find one within.

    Raises:
        UsageError: It is neither, or out of range.

    """
    from gitcoord.core.pacing import paced

    found = _AUTO.fullmatch(text)
    if found is not None:
        low, high = int(found[1] or 1), int(found[2] or USUAL_HIGH)
        if not 1 <= low <= high <= MAX_JOBS:
            raise _not_jobs(text)
        return high, paced(low, high)
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_JOBS:
        raise _not_jobs(text)
    return int(text), None


def _not_jobs(text: str) -> UsageError:
    return UsageError(
        f"{text!r} does not say how many agents work",
        hint=f"give a number from 1 to {MAX_JOBS}, auto, or bounds such as auto:2-16",
    )


def order_of(wanted: Mapping[str, Any], pace: Pace | None) -> Order:
    """Return what a run is to do, beside its command.

    Raises:
        UsageError: Some option is not what it has to be.

    """
    from gitcoord.features.run.order import Order
    from gitcoord.features.run.resources import Resources, size_of
    from gitcoord.features.work.choices import Scope

    within = Scope(
        phases=frozenset(PhaseId(name) for name in wanted["phases"]),
        tasks=frozenset(TaskId(name) for name in wanted["tasks"]),
    )
    memory_bytes = cpu_s = None
    if wanted["memory"] is not None:
        memory_bytes = size_of(wanted["memory"])
    if wanted["cpu"] is not None:
        cpu_s = _duration_ms(wanted["cpu"]) // 1000
    return Order(
        within,
        pace,
        wanted["pilot"] or 0,
        wanted["after_pilot"],
        _limit_of(wanted["timeouts"]),
        ends_hung=wanted["hung"] == "end",
        keep_going=wanted["keep_going"],
        resources=Resources(memory_bytes, cpu_s),
    )


def _limit_of(words: Sequence[str]) -> TimeLimit:
    from gitcoord.features.run.watching import TimeLimit

    limit = TimeLimit()
    for word in words:
        times = _TIMES.fullmatch(word)
        if times is None:
            limit = limit._replace(limit_ms=_duration_ms(word))
        else:
            limit = limit._replace(estimates=float(times[1]))
    return limit


def _duration_ms(word: str) -> int:
    found = ids.duration_ms(word)
    if not found:
        hint = "give one like 90s or 15m; a time limit also as 3x, for three times the estimate"
        raise UsageError(f"{word!r} is not a duration", hint=hint)
    return found
