"""Wait for the locks of refs that we write, and remove those of dead writers.

A writer of ours records itself before it locks a ref, so that a lock can be
told to be a dead one's. What may be a living process's stays, and an error
names the process.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gitcoord.core.errors import UnavailableError
from gitcoord.core.ids import NO_AGENT, AgentId
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.processes import process_of, shown
from gitcoord.ledger.files import LedgerFiles
from gitcoord.ledger.pending import HINTS, PendingFiles, verified_refs
from gitcoord.store.protocol import LockedError
from gitcoord.store.queue import QueueLock
from gitcoord.store.stale_locks import is_empty_lock, living_writers, remove_stale_lock

__all__ = ["RefLocks"]

MAX_NAMED = 5


class RefLocks:
    """The lock files of one repository's refs, as one ledger's writers meet them."""

    def __init__(
        self, common_dir: Path, files: LedgerFiles, pending: PendingFiles, clock: Clock
    ) -> None:
        self._common_dir = common_dir
        self._pending = pending
        self._clock = clock
        self._writers = files.root / "pending"
        self._healing = QueueLock(files.healing_lock)
        self._queue = QueueLock(files.queue_lock)

    def of(self, ref: str) -> Path:
        """Return where the lock of a ref lies."""
        return self._common_dir / f"{ref}.lock"

    def remove(self, lock: Path, *, only_empty: bool = False) -> bool:
        """Remove a lock that is a dead writer's; return whether the way is free now."""
        own = self._pending.own()
        return remove_stale_lock(
            lock, self._writers, self._healing, self._clock, own=own, only_empty=only_empty
        )

    def clear_left(self, agent: AgentId = NO_AGENT) -> None:
        """Remove the locks that dead writers left on refs which they only verified.

        By default those of every agent. Such a lock is an empty file: one
        that holds something is another's, and so is one that no record of a
        dead writer accounts for. What cannot be removed now stays, with the
        record of it.
        """
        for path, facts in self._pending.of_dead(agent):
            locks = [self.of(ref) for ref in verified_refs(facts)]
            for lock in filter(is_empty_lock, locks):
                self.remove(lock, only_empty=True)
            if path.parent.name == HINTS and not any(map(is_empty_lock, locks)):
                path.unlink(missing_ok=True)

    def wait(
        self,
        error: Exception,
        attempt: int,
        deadline: Deadline,
        verify: Iterable[str] = (),
        *,
        is_queued: bool,
    ) -> None:
        """Back off before the next try; remove a dead writer's lock first.

        ``verify`` names refs that are not ours: their locks may be another
        program's, and go only where a dead writer of ours accounts for them.

        Raises:
            UnavailableError: The time is up.

        """
        if isinstance(error, LockedError) and is_queued:
            if error.path in map(self.of, verify):
                self.clear_left()
                is_free = not error.path.exists()
            else:
                is_free = self.remove(error.path)
            if is_free and not deadline.expired:
                return
        if deadline.expired:
            raise UnavailableError(
                f"the ledger could not be written within {deadline.seconds:g} seconds: "
                + self._hindrance(error, is_queued=is_queued),
                hint="try again; `gitcoord doctor` looks at what is in the way",
            ) from None
        self._clock.sleep(min(self._clock.backoff(attempt), max(0.0, deadline.remaining())))

    def _hindrance(self, error: Exception, *, is_queued: bool) -> str:
        """Return what kept a write from being made, and which processes do."""
        told = "other writers were faster"
        busy = []
        if isinstance(error, LockedError):
            told = f"{error.path} is in the way"
            busy = self._holders_of(error.path)
        if not is_queued:
            busy.append(process_of(self._queue.holder()))
        named = [process for process in dict.fromkeys(busy) if process]
        if named:
            told += f", and {', '.join(named[:MAX_NAMED])} may still be at work on it"
        return told

    def _holders_of(self, lock: Path) -> list[str]:
        """Return the living processes that may hold a lock file.

        Writers of ours are known by their records, others by what they have
        open; but git closes the lock of a ref before it is over.
        """
        from gitcoord.host.open_files import writers_of
        from gitcoord.host.strays import git_standing_in

        living = living_writers(self._writers, self._pending.own()).values()
        holders = [process_of(identity) for _, identity in sorted(living)]
        holders += [shown(pid) for pid in writers_of(lock)]
        place = self._common_dir
        if place.name == ".git":
            place = place.parent
        git = git_standing_in(place)
        if git is not None:
            holders.append(shown(git))
        return holders
