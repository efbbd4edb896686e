"""Say how a run ended: what landed, what failed and why, and the four figures."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from gitcoord.core.errors import NotFoundError
from gitcoord.core.ids import Oid
from gitcoord.core.model import TaskRecord
from gitcoord.core.sentences import reason_of
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import first_line
from gitcoord.features.inspect import facts
from gitcoord.features.inspect.statistics import statistics
from gitcoord.features.work.choices import Scope
from gitcoord.features.workspace import Workspace

__all__ = ["Run", "ended_run"]

MAX_FAILED = 20
_OVER = frozenset({"landed", "cancelled"})


class Run(NamedTuple):
    """How a run ended; ``counts`` are the tasks that it was for, by state."""

    is_landed: bool
    is_interrupted: bool
    counts: dict[str, int]
    landed: tuple[str, ...] = ()
    """The phases that it landed."""
    failed: tuple[dict[str, str], ...] = ()
    """Tasks that failed for good, each with ``task`` and ``reason``."""
    conditions: tuple[dict[str, Any], ...] = ()
    """The four conditions of parallel work, since the run began."""
    stopped: str = ""
    """Why it ended before its time: ``pilot`` or ``failures``."""
    missed: tuple[str, ...] = ()
    """The conditions that the pilot missed."""


def ended_run(
    work: Workspace,
    within: Scope,
    since: Oid,
    *,
    is_interrupted: bool,
    landed: list[str],
    stopped: str = "",
    missed: list[str] | None = None,
) -> Run:
    """Look at what a run left, and at what happened since the entry at which it began."""
    snapshot = work.ledger.snapshot()
    work.index.update(work.store, snapshot.oid)
    counts, failed = _left(work, snapshot, within)
    is_over = not set(counts) - _OVER
    if within.tasks:
        # Its phase may have other tasks: what was named cannot land without them.
        is_over = not set(counts) - _OVER - {"done"}
    found: list[dict[str, Any]] = []
    with suppress(NotFoundError):  # somebody rolled back to before the run
        found = statistics(work, since=since)["conditions"]
    return Run(
        is_over and not is_interrupted,
        is_interrupted,
        counts,
        tuple(landed),
        tuple(failed),
        tuple(found),
        stopped,
        tuple(missed or ()),
    )


def _left(
    work: Workspace, snapshot: Snapshot, within: Scope
) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Count the tasks that were meant by their state, and say why some failed."""
    failed: list[dict[str, str]] = []
    is_bounded = bool(within.tasks or within.phases)
    counts: Counter[str] = Counter()
    for name, state in work.index.listed():
        if not is_bounded and state != "failed":
            continue
        task = snapshot.require_task(name)
        if not within.has(task):
            continue
        counts[_state(snapshot, task, state)] += 1
        if state == "failed" and len(failed) < MAX_FAILED:
            failed.append({"task": name, "reason": _reason(task)})
    if not is_bounded:
        return facts.status(work)["counts"], failed
    return dict(sorted(counts.items())), failed


def _state(snapshot: Snapshot, task: TaskRecord, state: str) -> str:
    phase = snapshot.phase(task["spec"]["phase"])
    is_landed = "landed" in task or (phase is not None and phase["state"] == "landed")
    if state == "done" and is_landed:
        return "landed"
    return state


def _reason(task: TaskRecord) -> str:
    if not task["setbacks"]:
        return ""
    return first_line(reason_of(task["setbacks"][-1]))
