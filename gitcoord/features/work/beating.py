"""Beat beside what gitcoord itself does for the holder of a claim.

To inspect a large result, to check a large branch out, to commit behind slow
hooks takes its time, and the holder can do nothing meanwhile. So whoever
takes that time beats.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from gitcoord.core import ids
from gitcoord.core.errors import ClaimLostError
from gitcoord.core.ids import AgentId, Token
from gitcoord.core.leases import is_silent, leases_of, silent_ns
from gitcoord.core.model import Lease
from gitcoord.features.workspace import Workspace, open_workspace, plan_of

__all__ = ["Silence", "beat_every_s", "beating", "unheard"]

_NS_PER_S = 1_000_000_000
_MINUTE_MS = 60_000


def beat_every_s(work: Workspace) -> float:
    """Return the interval between beats: well within the lease.

    It is a minute at most, or a fifteenth of a lease of more than a quarter of an hour,
    so that who asks for a longer lease spares the server.
    """
    plan = plan_of(work.ledger.snapshot())
    at_most = max(_MINUTE_MS, plan["lease_ms"] / 15)
    return max(0.1, min(plan["heartbeat_ms"], plan["lease_ms"] / 3, at_most) / 1000)


def unheard(silent_ms: int, lease_ms: int, why: str) -> str:
    """Return what a holder is told whose signs of life do not reach the ledger."""
    left = ids.show_duration(max(0, lease_ms - silent_ms))
    return (
        f"no sign of life of this claim was taken for {ids.show_duration(silent_ms)}, and its "
        f"lease is over in {left}; then others may take the task: {why}"
    )


class Silence:
    """For how long the ledger took no sign of life of a holder.

    The holder is told once, at half of the lease, and again only after one was taken.
    """

    def __init__(self, work: Workspace, token: Token, tell: Callable[[str], None]) -> None:
        self._clock = work.clock
        self._tell = tell
        self._lease_ms = 0
        self._heard_ns = self._clock.monotonic_ns()
        self._is_told = False
        lease = _lease_of(work, token)
        if lease is not None:
            self._lease_ms = lease["lease_ms"]
            self._heard_ns -= silent_ns(lease, work.ledger.context())

    @property
    def seconds(self) -> float:
        """How long it has lasted; where nothing is known of the holder, for ever."""
        if not self._lease_ms:
            return float("inf")
        return (self._clock.monotonic_ns() - self._heard_ns) / _NS_PER_S

    def heard(self, began_ns: int) -> None:
        """Note that a beat was taken, which began then."""
        self._heard_ns = began_ns
        self._is_told = False

    def failed(self, error: Exception) -> None:
        """Tell the holder, if half of the lease is over, why no beat was taken."""
        silent_ms = (self._clock.monotonic_ns() - self._heard_ns) // 1_000_000
        if self._is_told or not is_silent(silent_ms, self._lease_ms):
            return
        self._is_told = True
        self._tell(unheard(silent_ms, self._lease_ms, str(error)))


def _to_nobody(_text: str) -> None:
    """Tell nobody."""


@contextmanager
def beating(
    work: Workspace, agent: AgentId, token: Token, tell: Callable[[str], None] = _to_nobody
) -> Iterator[threading.Event]:
    """Beat when a beat is due, as long as the body takes.

    A body that is over before the first one is due costs no beat. The event
    tells that the claim, or the review, was lost meanwhile. ``tell`` is
    called from another thread, if no beat was taken for half of the lease.

    Raises:
        ClaimLostError: A beat was due at once, and it is lost already.

    """
    every_s = beat_every_s(work)
    silence = Silence(work, token, tell)
    due_s = every_s - silence.seconds
    if due_s <= 0:
        began_ns = work.clock.monotonic_ns()
        work.ledger.beat(agent, token)
        silence.heard(began_ns)
        due_s = every_s
    lost, is_over = threading.Event(), threading.Event()

    def beat() -> None:
        _beat(work, agent, token, due_s, every_s, lost, is_over, silence)

    thread = threading.Thread(target=beat, name="gitcoord-beat", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        is_over.set()
        thread.join()


def _lease_of(work: Workspace, token: Token) -> Lease | None:
    """Return the lease of a token; None if it is not current."""
    for task in work.ledger.snapshot().live():
        for lease in leases_of(task):
            if lease["token"] == token:
                return lease
    return None


def _beat(
    work: Workspace,
    agent: AgentId,
    token: Token,
    due_s: float,
    every_s: float,
    lost: threading.Event,
    is_over: threading.Event,
    silence: Silence,
) -> None:
    """Beat from a thread, with a workspace of its own, until it is over."""
    wait_s = due_s
    while not is_over.wait(wait_s):
        wait_s = every_s / 4
        began_ns = work.clock.monotonic_ns()
        try:
            with closing(_opened(work)) as own:
                own.ledger.beat(agent, token)
            wait_s = every_s
            silence.heard(began_ns)
        except ClaimLostError:
            lost.set()
            return
        except Exception as error:  # noqa: BLE001
            # Whatever it was, the next try comes well before the lease is over.
            silence.failed(error)


def _opened(work: Workspace) -> Workspace:
    start = work.place.worktree or work.place.common_dir
    return open_workspace(start, work.ledger.name, clock=work.clock)
