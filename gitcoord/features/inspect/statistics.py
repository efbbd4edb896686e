"""Measure how well working in parallel went, from the ledger alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitcoord.core import stats
from gitcoord.core.errors import NotFoundError
from gitcoord.core.history import Attempt, History, Reviewing, history_of
from gitcoord.core.ids import Oid, TaskId
from gitcoord.core.sessions import assistant_of
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.times import instant
from gitcoord.features.inspect.chain import Link, entries
from gitcoord.features.workspace import Workspace

__all__ = ["statistics"]

UNKNOWN = "-"


def statistics(
    work: Workspace, *, since: Oid | None = None, since_time: int | None = None
) -> dict[str, Any]:
    """Compute the statistics of a ledger; the same in any clone of it.

    ``since`` is an entry, and ``since_time`` a time in seconds: what began
    after it is counted.

    Raises:
        NotFoundError: The entry is not in the ledger's history.

    """
    snapshot = work.ledger.snapshot()
    chain = list(entries(work, snapshot.oid))[::-1]
    first = _first(chain, since, since_time)
    history = history_of(link.event for link in chain).after(first - 1)
    begun = None
    if first < len(chain):
        begun = instant(chain[first].time)
    return {
        "tip": snapshot.oid,
        "git": f"git log --reverse {work.ledger.ref.removeprefix('refs/heads/')}",
        "since": begun,
        "until": instant(chain[-1].time),
        "conditions": stats.conditions(history),
        "counts": stats.counts(history),
        "times": stats.times(history),
        "usage": stats.usage(history),
        **_groups(snapshot, history),
    }


def _first(chain: list[Link], since: Oid | None, since_time: int | None) -> int:
    """Return the number of the first entry that counts."""
    first = 0
    if since is not None:
        found = [number for number, one in enumerate(chain) if one.oid == since]
        if not found:
            raise NotFoundError(
                f"{since[:12]} is not an entry of this ledger's history",
                hint="`gitcoord log` lists the entries",
            )
        first = found[0] + 1
    while since_time is not None and first < len(chain) and chain[first].time < since_time:
        first += 1
    return first


def _groups(snapshot: Snapshot, history: History) -> dict[str, Any]:
    done: list[Attempt | Reviewing] = [*history.attempts, *history.reviews]
    places = {one.task: _place(snapshot, one.task) for one in done}
    keys: dict[str, Callable[[Attempt | Reviewing], str]] = {
        "agents": lambda one: one.agent,
        "pools": lambda one: places[one.task][0],
        "phases": lambda one: places[one.task][1],
        "assistants": _assistant,
    }
    return {name: stats.grouped(history, key) for name, key in keys.items()}


def _assistant(done: Attempt | Reviewing) -> str:
    """Return the assistant by what it said of itself, else by the session that claimed."""
    if done.usages:
        return done.usages[0]["assistant"]
    if isinstance(done, Attempt):
        return assistant_of(done.session) or UNKNOWN
    return UNKNOWN


def _place(snapshot: Snapshot, task: TaskId) -> tuple[str, str]:
    """Return the pool and the phase of a task that may be gone since."""
    record = snapshot.task(task)
    if record is None:
        return UNKNOWN, UNKNOWN
    return record["spec"]["pool"], record["spec"]["phase"]
