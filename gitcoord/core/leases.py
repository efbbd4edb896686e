"""Judge leases and delays, without any wall clock.

Within one boot of one machine the monotonic clock decides. A stamp from
another boot or machine says nothing about our clock, so there the
observer's own clock counts, from when it first saw that very stamp: a
lease is over only after the observer watched it unchanged for its whole
length. A commit's time is never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.model import Evidence, Lapse, Lease, LockRecord, RetryDelay, Review, TaskRecord
from gitcoord.core.shapes import NamedTuple

__all__ = [
    "Beat",
    "Context",
    "LeftError",
    "age_ns",
    "is_late",
    "is_silent",
    "judge",
    "judge_lock",
    "leases_of",
    "lock_left_ms",
    "remaining_ms",
    "running",
    "stamp_key",
    "stamps_of",
    "wait_ms",
]


class LeftError(Exception):
    """Raised when a request needs more than a decision: its owner has to do it."""


class Beat(NamedTuple):
    """An agent's beat ref as it was read: its oid, and a stamp per token.

    ``is_torn`` says that what the ref leads to is not there, or is not a beat. That tells
    nothing about the time of any lease, and nothing against its holder.
    """

    oid: Oid
    stamps: Mapping[str, tuple[str, int]]
    is_torn: bool = False


class Context(NamedTuple):
    """What ``decide`` may use beside the snapshot.

    ``id`` and ``token`` are fresh random values; ``time`` is in seconds and
    for reading only. ``observed`` maps stamps of other boots to when this
    observer first saw them, in its own monotonic nanoseconds.
    """

    id: str
    token: Token
    time: int
    boot_id: str
    now_ns: int
    beats: Mapping[AgentId, Beat] = {}
    observed: Mapping[str, int] = {}


def stamp_key(boot_id: str, monotonic_ns: int) -> str:
    """Return the name of a stamp in the observer's memory."""
    return f"{boot_id}:{monotonic_ns}"


def is_of_our_clock(boot_id: str, monotonic_ns: int, context: Context) -> bool:
    """Return whether a stamp was made by the clock that we read.

    One that lies ahead of us was not, whatever it says: a machine that was
    restored from a checkpoint may have its name and not its clock.
    """
    return boot_id == context.boot_id and monotonic_ns <= context.now_ns


def age_ns(boot_id: str, monotonic_ns: int, context: Context) -> int:
    """Return how long ago a stamp was made, at least."""
    if is_of_our_clock(boot_id, monotonic_ns, context):
        return context.now_ns - monotonic_ns
    seen_ns = context.observed.get(stamp_key(boot_id, monotonic_ns))
    if seen_ns is None:
        return 0
    return max(0, context.now_ns - seen_ns)


def running(task: TaskRecord) -> list[Review]:
    """Return the reviews of a task that have no verdict yet."""
    return [review for review in task["reviews"] if review["verdict"] is None]


def leases_of(task: TaskRecord) -> list[Lease]:
    """Return what holds a task by a lease: its claim, or its running reviews."""
    held = [cast("Lease", review) for review in running(task)]
    if task["claim"] is not None:
        held.insert(0, cast("Lease", task["claim"]))
    return held


def stamps_of(lease: Lease, context: Context) -> list[tuple[str, int]]:
    """Return the proofs of life of a holder: its last entry's, and its beat's.

    A torn beat may be a fresh one: it counts from when its ref was first
    seen to hold it, as a stamp of another machine does.
    """
    stamps = [(lease["boot_id"], lease["monotonic_ns"])]
    beat = context.beats.get(lease["agent"])
    if beat is not None and beat.is_torn:
        stamps.append((f"torn-{beat.oid}", 0))
    elif beat is not None and lease["token"] in beat.stamps:
        stamps.append(beat.stamps[lease["token"]])
    return stamps


def silent_ns(lease: Lease, context: Context) -> int:
    """Return for how long at least a holder has given no proof of life."""
    return min(age_ns(boot, stamp, context) for boot, stamp in stamps_of(lease, context))


def remaining_ms(lease: Lease, context: Context) -> int:
    """Return how much of a lease is left; at zero or less it is over."""
    return lease["lease_ms"] - silent_ns(lease, context) // 1_000_000


def is_late(lease: Lease, heartbeat_ms: int, context: Context) -> bool:
    """Return whether a holder has been silent for longer than ``heartbeat``."""
    return silent_ns(lease, context) > heartbeat_ms * 1_000_000


def is_silent(silent_ms: int, lease_ms: int) -> bool:
    """Return whether half of a lease passed without a sign of life."""
    return silent_ms * 2 > lease_ms


def judge(task: TaskId, lease: Lease, context: Context) -> Evidence | None:
    """Return the evidence that a lease is over, or None while it runs."""
    lease_ns = lease["lease_ms"] * 1_000_000
    if silent_ns(lease, context) <= lease_ns:
        return None
    boot, stamp = min(stamps_of(lease, context), key=lambda one: age_ns(one[0], one[1], context))
    rule, last_ns = _last_seen(boot, stamp, context)
    beat = context.beats.get(lease["agent"])
    return {
        "task": task,
        "token": lease["token"],
        "agent": lease["agent"],
        "rule": rule,
        "boot_id": boot,
        "last_ns": last_ns,
        "now_ns": context.now_ns,
        "lease_ms": lease["lease_ms"],
        "beat": beat and beat.oid,
    }


def _last_seen(
    boot_id: str, stamp_ns: int, context: Context
) -> tuple[Literal["monotonic", "observed"], int]:
    """Return how a stamp is judged, and when it was made on our clock."""
    if is_of_our_clock(boot_id, stamp_ns, context):
        return "monotonic", stamp_ns
    return "observed", context.now_ns - age_ns(boot_id, stamp_ns, context)


def lock_left_ms(lock: LockRecord, context: Context) -> int | None:
    """Return how much of a lock's time is left; None where none was set."""
    if lock["for_ms"] is None:
        return None
    return lock["for_ms"] - age_ns(lock["boot_id"], lock["monotonic_ns"], context) // 1_000_000


def judge_lock(lock: LockRecord, context: Context) -> Lapse | None:
    """Return the evidence that a timed lock is over, or None while it runs."""
    boot, stamp, for_ms = lock["boot_id"], lock["monotonic_ns"], lock["for_ms"]
    if for_ms is None or age_ns(boot, stamp, context) <= for_ms * 1_000_000:
        return None
    rule, last_ns = _last_seen(boot, stamp, context)
    return {
        "lock": lock["id"],
        "agent": lock["agent"],
        "rule": rule,
        "boot_id": boot,
        "last_ns": last_ns,
        "now_ns": context.now_ns,
        "for_ms": for_ms,
    }


def wait_ms(retry: RetryDelay | None, context: Context) -> int:
    """Return how long a task still waits after a transient failure."""
    if retry is None:
        return 0
    return max(
        0, retry["delay_ms"] - age_ns(retry["boot_id"], retry["monotonic_ns"], context) // 1_000_000
    )
