"""Say which paths are held, and who stands in whose way.

A claim holds its task's paths, and nobody else may hold any of them. A
lock holds what it names: alone, or shared with other shared locks. An
agent's own locks never hinder it; its claims keep apart like all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from gitcoord.core import codec, paths
from gitcoord.core.boundary import paths_of
from gitcoord.core.errors import ConflictError
from gitcoord.core.ids import AgentId, TaskId
from gitcoord.core.model import LockRecord, TaskRecord
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import clause

__all__ = ["Hold", "Obstacle", "describe", "holds_of", "obstacles", "refuse"]


class Hold(NamedTuple):
    """Paths that an agent holds: by its claim on a task, or by a lock."""

    agent: AgentId
    patterns: list[str]
    task: TaskId | None
    lock: LockRecord | None


class Obstacle(NamedTuple):
    """A hold in the way, and the two patterns that some path matches."""

    hold: Hold
    wanted: str
    held: str


def holds_of(
    snapshot: Snapshot, *, without: Collection[str] = (), lapsed: Collection[str] = ()
) -> list[Hold]:
    """List every hold, save what an event ends: claims on tasks, and locks.

    A lock ends with the claim that it belongs to.
    """
    found = []
    for task, claim in snapshot.claims():
        if task["id"] not in without:
            found.append(Hold(claim["agent"], paths_of(task) or [], task["id"], None))
    for lock in snapshot.locks():
        if lock["id"] not in lapsed and not (lock["task"] and lock["task"] in without):
            found.append(Hold(lock["agent"], lock["paths"], lock["task"], lock))
    return found


def obstacles(
    holds: Iterable[Hold],
    patterns: Collection[str],
    agent: AgentId,
    *,
    for_claim: bool,
    is_shared: bool = False,
) -> list[Obstacle]:
    """List what keeps an agent from holding paths, claims first."""
    found = []
    for hold in holds:
        is_beside = hold.lock is not None and is_shared and hold.lock["shared"]
        is_own = hold.agent == agent and not (for_claim and hold.lock is None)
        if is_own or is_beside:
            continue
        pair = paths.overlaps(patterns, hold.patterns)
        if pair:
            found.append(Obstacle(hold, *pair))
    return found


def describe(obstacle: Obstacle) -> str:
    """Return in one line who holds which paths, and what for."""
    hold = obstacle.hold
    if hold.lock is None:
        return f"{hold.agent} holds {obstacle.held} for task {hold.task}"
    kind = "lock"
    if hold.lock["shared"]:
        kind = "shared lock"
    reason = clause(": {}", codec.printable(hold.lock["reason"]))
    return f"{hold.agent} has a {kind} on {obstacle.held}{reason}"


def refuse(found: list[Obstacle], what: str, task: TaskRecord | None = None) -> None:
    """Refuse where something is in the way, and name the first holder.

    Raises:
        ConflictError: ``holder``, ``paths``, and ``task`` or ``lock``.

    """
    if not found:
        return
    hold = found[0].hold
    hint = "`gitcoord locks` shows who holds what"
    if task is not None:
        hint = "`gitcoord claim` without a task gives another one"
    lock = None
    if hold.lock is not None:
        lock = hold.lock["id"]
    raise ConflictError(
        f"{what} is in use: {describe(found[0])}",
        hint=hint,
        holder=hold.agent,
        task=hold.task,
        lock=lock,
        paths=[found[0].wanted, found[0].held],
    )
