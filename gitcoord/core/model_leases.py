"""Define the records of what lasts for a time: leases, locks, delays.

``core.model`` gives these names on: it is where everybody takes them from.
"""

from __future__ import annotations

from typing import Literal

from gitcoord.core.ids import AgentId, Oid, TaskId, Token
from gitcoord.core.shapes import TypedDict

__all__ = ["Evidence", "Lapse", "Lease", "LockRecord", "RetryDelay", "Review"]


class Lease(TypedDict):
    """What a claim and a review have in common: whose it is, and until when.

    ``boot_id`` and ``monotonic_ns`` say when it was last renewed by an
    entry; ``at`` is that entry's time in seconds, for reading only.
    """

    token: Token
    agent: AgentId
    session: str
    boot_id: str
    monotonic_ns: int
    lease_ms: int
    at: int


class Review(TypedDict):
    """One agent's review of one result; ``verdict`` is None while it runs.

    A rejection ends every review of the result, so none is kept with one.
    ``is_verifier`` says that its agent was in the task's ``verify_by`` pool
    when it began; ``message`` is what was said with the approval.
    """

    token: Token
    agent: AgentId
    session: str
    result: Oid | None
    verdict: Literal["approved"] | None
    message: str
    is_verifier: bool
    boot_id: str
    monotonic_ns: int
    lease_ms: int
    at: int


class RetryDelay(TypedDict):
    """How long a task waits after a transient failure, and since when."""

    boot_id: str
    monotonic_ns: int
    delay_ms: int


class LockRecord(TypedDict):
    """``locks/<id>.json``: paths that an agent reserved by hand.

    ``task`` and ``token`` name the claim that the lock belongs to and ends
    with; None: it stands by itself. ``for_ms`` is None where no time was set.
    """

    id: str
    agent: AgentId
    paths: list[str]
    shared: bool
    reason: str
    task: TaskId | None
    token: Token | None
    boot_id: str
    monotonic_ns: int
    for_ms: int | None
    at: int


class Evidence(TypedDict):
    """Why a lease was over: recorded and shown, never replayed.

    ``beat`` is the oid of the beat that was seen (None: there was none);
    the swap verifies it, so that a beat which came first wins. ``rule``
    is ``monotonic`` (same boot) or ``observed`` (the observer's own clock
    since it last saw a change).
    """

    task: TaskId
    token: Token
    agent: AgentId
    rule: Literal["monotonic", "observed"]
    boot_id: str
    last_ns: int
    now_ns: int
    lease_ms: int
    beat: Oid | None


class Lapse(TypedDict):
    """Why a timed lock was over: recorded and shown, never replayed."""

    lock: str
    agent: AgentId
    rule: Literal["monotonic", "observed"]
    boot_id: str
    last_ns: int
    now_ns: int
    for_ms: int
