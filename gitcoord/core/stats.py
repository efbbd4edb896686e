"""Compute what a ledger's history says of working in parallel. Pure.

The four conditions, their formula and their thresholds are those under
which parallel work is worth its complexity; docs/how-to/measure.md defines
every number. What cannot be known is None, and never counted as zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from gitcoord.core.history import Attempt, History, Reviewing
from gitcoord.core.shapes import NamedTuple

__all__ = [
    "CONDITIONS",
    "USED",
    "Condition",
    "conditions",
    "counts",
    "grouped",
    "parallel_ms",
    "times",
    "usage",
]

USED = ("input_tokens", "cached_tokens", "output_tokens", "cost_micros")
"""What assistants tell of what they spent; the cost in millionths of a US dollar."""
NS_PER_MS = 1_000_000


class Condition(NamedTuple):
    """One of the four conditions: what is asked for, and the threshold."""

    name: str
    title: str
    is_over: bool
    """Whether the value has to be over the threshold, or else under it."""
    threshold: float


CONDITIONS = {
    one.name: one
    for one in (
        Condition("efficiency", "efficiency", is_over=True, threshold=0.6),
        Condition("overhead", "coordination overhead", is_over=False, threshold=0.2),
        Condition("failure_rate", "failure rate", is_over=False, threshold=0.1),
        Condition("recovery", "recovery against task time", is_over=False, threshold=2.0),
    )
}


def _judged(name: str, value: float | None, how: str) -> dict[str, Any]:
    condition = CONDITIONS[name]
    is_met = None
    if value is not None:
        is_met = value > condition.threshold
        if not condition.is_over:
            is_met = value < condition.threshold
        value = round(value, 4)
    return {
        "name": name,
        "value": value,
        "threshold": condition.threshold,
        "is_met": is_met,
        "how": how,
    }


def conditions(history: History) -> list[dict[str, Any]]:
    """Judge the four conditions, each with how its value was taken."""
    return [_efficiency(history), _overhead(history), _failure_rate(history), _recovery(history)]


def _standing(history: History) -> list[Attempt]:
    return [one for one in history.attempts if one.stands]


def _sum(values: Iterable[int | None]) -> int | None:
    """Add up what is known; None where there is something, and nothing of it is known."""
    found = list(values)
    known = [value for value in found if value is not None]
    if found and not known:
        return None
    return sum(known)


def parallel_ms(attempts: list[Attempt]) -> tuple[int | None, str]:
    """Return how long attempts took beside each other, and by which clock.

    Where all of them were made on one machine within one boot, its clock
    tells; else the times of the entries do, which several clocks wrote.
    """
    if not attempts:
        return None, "not known: no result stands"
    clocks = {one.boot_id for one in attempts}
    if len(clocks) == 1 and all(one.spent_ms is not None for one in attempts):
        begun_ns = min(one.begun_ns for one in attempts)
        ends_ns = [one.begun_ns + (one.spent_ms or 0) * NS_PER_MS for one in attempts]
        return (max(ends_ns) - begun_ns) // NS_PER_MS, "one clock"
    since = min(one.since for one in attempts)
    until = max(one.until or one.since for one in attempts)
    return (until - since) * 1000, f"times of entries, {len(clocks)} clock(s)"


def _efficiency(history: History) -> dict[str, Any]:
    standing = _standing(history)
    sequential = _sum(one.took_ms for one in standing)
    parallel, clock = parallel_ms(standing)
    if not sequential or parallel is None:
        return _judged("efficiency", None, "not known: no result stands that took time")
    exact = sum(one.spent_ms is not None for one in standing)
    how = (
        f"sequential {sequential} ms, the attempts of {len(standing)} standing results, {exact} "
        f"by their own clock; parallel {parallel} ms, {clock}"
    )
    return _judged("efficiency", (sequential - parallel) / sequential, how)


def _overhead(history: History) -> dict[str, Any]:
    waited = worked = known = 0
    for one in history.attempts:
        if one.wait_ms is not None and one.spent_ms is not None:
            waited += one.wait_ms
            worked += one.spent_ms
            known += 1
    ended = sum(one.end is not None for one in history.attempts)
    how = f"waited {waited} ms for work of {worked} ms, in {known} of {ended} ended attempts"
    if not worked:
        return _judged("overhead", None, f"not known: {how}")
    return _judged("overhead", waited / worked, how)


def _failure_rate(history: History) -> dict[str, Any]:
    tried = {one.task for one in history.attempts}
    failed = {one.task for one in history.setbacks}
    how = f"{len(failed)} of {len(tried | failed)} tasks were set back"
    if not tried | failed:
        return _judged("failure_rate", None, "not known: no task was claimed")
    return _judged("failure_rate", len(failed) / len(tried | failed), how)


def _recovery(history: History) -> dict[str, Any]:
    recovered = [one.until - one.at for one in history.setbacks if one.until is not None]
    took = [one.took_ms for one in _standing(history) if one.took_ms is not None]
    how = f"{len(recovered)} of {len(history.setbacks)} setbacks were recovered from"
    if not recovered or not took or median(took) == 0:
        return _judged("recovery", None, f"not known: {how}")
    slow, usual = round(median(recovered) * 1000), round(median(took))
    how = f"{how}, in {slow} ms by the times of entries; a standing result took {usual} ms"
    return _judged("recovery", slow / usual, how)


def counts(history: History) -> dict[str, int]:
    """Count what happened."""
    ends = Counter(str(one.end) for one in history.attempts if one.end)
    kinds = Counter(one.kind for one in history.setbacks)
    operations = Counter(op for _, _, op, _ in history.operations)
    tasks = {one.task for one in history.attempts}
    return {
        "entries": len({number for number, _, _, _ in history.operations}),
        "tasks": len(tasks),
        "attempts": len(history.attempts),
        "standing": len(_standing(history)),
        "retries": len(history.attempts) - len(tasks),
        "takeovers": sum(one.is_takeover for one in history.attempts),
        **{end: ends[end] for end in ("failed", "released", "expired", "cancelled", "abandoned")},
        "rejected": kinds["rejected"],
        "conflicts": kinds["conflict"],
        "culprits": kinds["gate"],
        "redone": sum(one.undone == "base-redone" for one in history.attempts),
        "reviews": len(history.reviews),
        "failed_gates": sum(one.kind == "gate" and one.verdict != "passed" for one in history.runs),
        "failed_checks": sum(
            one.kind == "check" and one.verdict != "passed" for one in history.runs
        ),
        "landings": operations["land-done"],
        "rollbacks": operations["rollback"],
        "escalations": operations["escalate"],
    }


def times(history: History) -> dict[str, int | None]:
    """Add up where the time went; None where nobody knows."""
    standing = _standing(history)
    took = [one.took_ms for one in standing if one.took_ms is not None]
    usual = None
    if took:
        usual = round(median(took))
    return {
        "sequential_ms": _sum(one.took_ms for one in standing),
        "parallel_ms": parallel_ms(standing)[0],
        "task_ms": usual,
        "work_ms": _sum(one.took_ms for one in history.attempts),
        "wasted_ms": _sum(one.took_ms for one in history.attempts if _is_wasted(one)),
        "waiting_ms": _sum(one.wait_ms for one in history.attempts),
        "review_ms": _sum(one.spent_ms for one in history.reviews),
        "gate_ms": _sum(one.millis for one in history.runs if one.kind == "gate"),
        "check_ms": _sum(one.millis for one in history.runs if one.kind == "check"),
    }


def usage(history: History) -> dict[str, int | None]:
    """Add up what assistants said that they spent, on attempts and on reviews."""
    return _used([*history.attempts, *history.reviews])


def _used(found: Iterable[Attempt | Reviewing]) -> dict[str, int | None]:
    """Add up usage; ``told`` counts the attempts and reviews of which it is known."""
    done = list(found)
    told: list[dict[str, Any]] = [{**usage} for one in done for usage in one.usages]
    sums: dict[str, int | None] = {"told": sum(bool(one.usages) for one in done)}
    for key in USED:
        known = [one[key] for one in told if key in one]
        sums[key] = None
        if known:
            sums[key] = sum(known)
    return sums


def grouped(history: History, key: Callable[[Attempt | Reviewing], str]) -> list[dict[str, Any]]:
    """Add up the attempts by what they have in common, by name; and what reviews cost."""
    by_name: dict[str, list[Attempt]] = {}
    for one in history.attempts:
        by_name.setdefault(key(one), []).append(one)
    reviews: dict[str, list[Reviewing]] = {}
    for review in history.reviews:
        reviews.setdefault(key(review), []).append(review)
    setbacks = Counter(key(one.of) for one in history.setbacks if one.of is not None)
    rows = []
    for name in sorted({*by_name, *reviews}):
        attempts = by_name.get(name, [])
        row = {
            "name": name,
            "tasks": len({one.task for one in attempts}),
            **_worked(attempts),
            "setbacks": setbacks[name],
            "usage": _used([*attempts, *reviews.get(name, [])]),
        }
        rows.append(row)
    return rows


def _worked(attempts: list[Attempt]) -> dict[str, int | None]:
    return {
        "attempts": len(attempts),
        "standing": sum(one.stands for one in attempts),
        "work_ms": _sum(one.took_ms for one in attempts),
        "wasted_ms": _sum(one.took_ms for one in attempts if _is_wasted(one)),
        "waiting_ms": _sum(one.wait_ms for one in attempts),
    }


def _is_wasted(attempt: Attempt) -> bool:
    return attempt.end is not None and not attempt.stands
