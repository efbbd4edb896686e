"""Outlast a gc that prunes at once, so that it takes nothing of ours."""

from __future__ import annotations

from collections.abc import Callable

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.git.pruning import pruning_now
from gitcoord.host.clock import Clock, Deadline
from gitcoord.store.protocol import Store

__all__ = ["outlast_prune", "require_written"]

POLL_S = 0.02


def outlast_prune(store: Store, clock: Clock, deadline: Deadline) -> bool:
    """Wait for the end of a gc that prunes at once; False if it goes on."""
    while pruning_now(store.common_dir) is not None:
        if deadline.expired:
            return False
        clock.sleep(POLL_S)
    return True


def require_written(
    store: Store, clock: Clock, write: Callable[[], Oid], deadline: Deadline
) -> None:
    """Make sure, just before a swap, that no prune takes what was written.

    Were the writer killed after the swap, nobody could write it again.

    Raises:
        UnavailableError: Such a gc goes on; nothing was changed.

    """
    if pruning_now(store.common_dir) is None:
        return
    for _ in range(3):
        if not outlast_prune(store, clock, deadline):
            break
        if not store.is_lost():
            return
        write()
    raise UnavailableError(
        "a git gc that prunes everything at once is at work",
        hint="wait until it is over, and let gc.pruneExpire be an hour or more",
    )
