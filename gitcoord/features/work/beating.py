"""Beat beside what gitcoord itself does for the holder of a claim.

To inspect a large result, to check a large branch out, to commit behind slow
hooks takes its time, and the holder can do nothing meanwhile. So whoever
takes that time beats.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from gitcoord.core.errors import ClaimLostError
from gitcoord.core.ids import AgentId, Token
from gitcoord.core.leases import leases_of, silent_ns
from gitcoord.features.workspace import Workspace, open_workspace, plan_of

__all__ = ["beat_every_s", "beating"]

_NS_PER_S = 1_000_000_000


def beat_every_s(work: Workspace) -> float:
    """Return the interval between beats: well within the lease."""
    plan = plan_of(work.ledger.snapshot())
    return max(0.1, min(plan["heartbeat_ms"], plan["lease_ms"] / 3, 60_000) / 1000)


@contextmanager
def beating(work: Workspace, agent: AgentId, token: Token) -> Iterator[threading.Event]:
    """Beat when a beat is due, as long as the body takes.

    A body that is over before the first one is due costs no beat. The event
    tells that the claim, or the review, was lost meanwhile.

    Raises:
        ClaimLostError: A beat was due at once, and it is lost already.

    """
    every_s = beat_every_s(work)
    due_s = every_s - _silent_s(work, token)
    if due_s <= 0:
        work.ledger.beat(agent, token)
        due_s = every_s
    lost, is_over = threading.Event(), threading.Event()

    def beat() -> None:
        _beat(work, agent, token, due_s, every_s, lost, is_over)

    thread = threading.Thread(target=beat, name="gitcoord-beat", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        is_over.set()
        thread.join()


def _silent_s(work: Workspace, token: Token) -> float:
    """Return for how long the ledger and the beats know nothing of a holder."""
    context = work.ledger.context()
    for task in work.ledger.snapshot().live():
        for lease in leases_of(task):
            if lease["token"] == token:
                return silent_ns(lease, context) / _NS_PER_S
    return float("inf")


def _beat(
    work: Workspace,
    agent: AgentId,
    token: Token,
    due_s: float,
    every_s: float,
    lost: threading.Event,
    is_over: threading.Event,
) -> None:
    """Beat from a thread, with a workspace of its own, until it is over."""
    wait_s = due_s
    while not is_over.wait(wait_s):
        wait_s = every_s / 4
        try:
            with closing(_opened(work)) as own:
                own.ledger.beat(agent, token)
            wait_s = every_s
        except ClaimLostError:
            lost.set()
            return
        except Exception:  # noqa: BLE001, S112
            # Whatever it was, the next try comes well before the lease is over.
            continue


def _opened(work: Workspace) -> Workspace:
    start = work.place.worktree or work.place.common_dir
    return open_workspace(start, work.ledger.name, clock=work.clock)
