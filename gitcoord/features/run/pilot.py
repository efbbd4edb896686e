"""Try a plan with a few of its tasks, and judge by the four conditions whether to go on."""

from __future__ import annotations

from gitcoord.core.errors import NotFoundError
from gitcoord.core.ids import NO_AGENT, NO_TASK, Oid, PhaseId, TaskId
from gitcoord.core.pilots import chosen, shortfalls
from gitcoord.core.stats import CONDITIONS
from gitcoord.features.inspect.statistics import statistics
from gitcoord.features.run.reviews import Note
from gitcoord.features.work.choices import Scope
from gitcoord.features.workspace import Workspace

__all__ = ["Verdict", "pilot_scope", "verdict_on"]


class Verdict:
    """What a pilot showed: the conditions that it missed, and how that is told."""

    def __init__(self, missed: list[str], figures: str) -> None:
        self.missed = missed
        text = f"{figures}; it met what can be judged"
        if missed:
            titles = [CONDITIONS[name].title for name in missed]
            text = f"{figures}; it missed: {', '.join(titles)}"
        self.note = Note(NO_AGENT, NO_TASK, "pilot", text)


def pilot_scope(work: Workspace, within: Scope, count: int) -> Scope:
    """Choose what a pilot works on: of every pool and phase that can be begun.

    Raises:
        NotFoundError: Nothing is ready.

    """
    tasks = chosen(_ready(work, within), count)
    if not tasks:
        raise NotFoundError(
            "no task is ready, so that nothing can be tried first",
            hint="`gitcoord status` shows what is waited for",
        )
    return within._replace(tasks=frozenset(tasks))


def _ready(work: Workspace, within: Scope) -> list[tuple[PhaseId, str, TaskId]]:
    snapshot = work.ledger.snapshot()
    work.index.update(work.store, snapshot.oid)
    ready = []
    for name, state in work.index.listed():
        if state != "ready":
            continue
        task = snapshot.require_task(name)
        phase = snapshot.phase(task["spec"]["phase"])
        if phase is None or not snapshot.is_started(phase) or not within.has(task):
            continue
        ready.append((task["spec"]["phase"], task["spec"]["pool"], task["id"]))
    return ready


def verdict_on(work: Workspace, since: Oid, side_by_side: int) -> Verdict:
    """Judge what was worked on since an entry, by so many agents at once."""
    conditions = statistics(work, since=since)["conditions"]
    told = []
    for one in conditions:
        condition = CONDITIONS[one["name"]]
        value = "unknown"
        if one["value"] is not None:
            value = f"{one['value']:.2f}"
        bound = "under"
        if condition.is_over:
            bound = "over"
        told.append(f"{condition.title} {value} ({bound} {condition.threshold})")
    return Verdict(shortfalls(conditions, side_by_side), ", ".join(told))
