"""Outlast a gc that prunes at once, so that it takes nothing of ours."""

from __future__ import annotations

from collections.abc import Callable

from gitcoord.core.errors import UnavailableError, UnknownError
from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.git.pruning import pruning_now
from gitcoord.host.clock import Clock, Deadline
from gitcoord.ledger.pending import find_entry
from gitcoord.store.protocol import MissingObjectError, Store

__all__ = ["outlast_prune", "read_back", "require_written"]

POLL_S = 0.02


def outlast_prune(store: Store, clock: Clock, deadline: Deadline) -> bool:
    """Wait for the end of a gc that prunes at once; False if it goes on."""
    while pruning_now(store.common_dir) is not None:
        if deadline.expired:
            return False
        clock.sleep(POLL_S)
    return True


def require_written(
    store: Store, clock: Clock, write: Callable[[], object], deadline: Deadline
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


def read_back(
    store: Store,
    ref: str,
    entry: Oid,
    event: Event,
    write: Callable[[], object],
    clock: Clock,
    deadline: Deadline,
) -> None:
    """Read what was published before it is acknowledged.

    A concurrent ``gc --prune=now`` can drop objects between their write
    and the swap that makes them reachable; their bytes are still here.
    One that began before our swap may still be deleting: it is outlasted.
    """
    for _ in range(3):
        if outlast_prune(store, clock, deadline) and not store.is_lost():
            break
        write()
    else:
        raise UnknownError(
            f"the objects of {event['op']} vanish as soon as they are written",
            hint="stop what runs `git gc --prune=now` beside gitcoord",
            entry_id=event["id"],
        )
    try:
        now = store.read_ref(ref)
        is_there = now == entry or find_entry(store, now, None, event["id"]) is not None
    except (OSError, MissingObjectError, UnavailableError):
        is_there = False
    if not is_there:
        raise UnknownError(
            f"the entry of {event['op']} is not in the chain that was read back",
            hint="`gitcoord verify` looks at the chain",
            entry_id=event["id"],
        )
