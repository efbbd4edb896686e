"""Move refs that are hints: what keeps a commit, and what says that an agent lives.

They decide nothing: the ledger's own ref does. Each is moved by a recorded
writer, so that whoever finds its lock can tell whether we live.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitcoord.core.errors import CorruptError, NotFoundError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.remedies import remedy
from gitcoord.ledger.files import require_writable
from gitcoord.ledger.pending import HINTS, PendingFiles
from gitcoord.ledger.ref_locks import RefLocks
from gitcoord.store.protocol import (
    ContendedError,
    FailedError,
    LockedError,
    MissingObjectError,
    Store,
)

__all__ = ["HintRefs"]


def _gone(oid: Oid) -> NotFoundError:
    return NotFoundError(
        f"{oid[:12]} is not in this repository any more: a prune took it",
        hint="make the commit again, on a branch: what a branch reaches is not pruned",
    )


class HintRefs:
    """The refs of one ledger that are hints."""

    def __init__(
        self, store: Store, pending: PendingFiles, locks: RefLocks, clock: Clock, timeout_s: float
    ) -> None:
        self._store = store
        self._pending = pending
        self._locks = locks
        self._clock = clock
        self._timeout_s = timeout_s

    def keep(self, ref: str, oid: Oid) -> None:
        """Make a ref that keeps a commit reachable; once made it never moves.

        Raises:
            NotFoundError: The commit is not there: no ref was made.

        """
        lock = self._locks.of(ref)

        def create() -> None:
            try:
                is_kept = self._store.read_ref(ref) == oid
            except CorruptError:
                self._store.repair_ref(ref, oid)
                return
            if not is_kept:
                try:
                    self._store.swap(ref, None, oid)
                except MissingObjectError:
                    raise _gone(oid) from None
            if lock.exists():
                # A maker died between the ref's link and the lock's unlink.
                self._locks.remove(lock)

        self.recorded(create)

    def drop(self, ref: str, oid: Oid) -> None:
        """Remove a ref that holds a commit; one that holds another stays."""

        def remove() -> None:
            if self._store.read_ref(ref) == oid:
                self._store.delete_ref(ref, oid)

        self.recorded(remove)

    def recorded(self, act: Callable[[], Any]) -> Any:
        """Move a ref as a recorded writer, until nobody is in the way.

        Whoever would remove our lock knows by the record that we live, and by
        its touches when we are at work.
        """
        require_writable(self._store.common_dir)
        entry_id = self._clock.token()
        self._pending.begin(HINTS, entry_id, {"op": "ref", "tip": None})
        deadline = Deadline(self._clock, self._timeout_s)
        attempt = 0
        try:
            while True:
                try:
                    return act()
                except FailedError as error:
                    raise UnavailableError(
                        f"a ref could not be written: {error}",
                        hint=remedy(error),
                    ) from None
                except (ContendedError, LockedError) as error:
                    self._pending.touch(entry_id)
                    self._locks.wait(error, attempt, deadline, is_queued=True)
                    self._pending.touch(entry_id)
                    attempt += 1
        finally:
            self._pending.end(entry_id)
