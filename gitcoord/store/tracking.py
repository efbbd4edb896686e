"""Keep what a server holds, as it was last heard, in refs of our own.

Each ref of a ledger, and each target, has its copy below
``refs/gitcoord-remotes/<remote>/``. A fetch that ended in the refs themselves
would let ``git fetch --prune`` delete a ledger. The copies are moved while
the wire is held, so that a lock which is found on one then is a dead
process's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from gitcoord.core.errors import CorruptError, UnavailableError
from gitcoord.core.ids import Oid
from gitcoord.core.refs import ledger_ref, own_refs, tracking_ref
from gitcoord.git.places import TABLES, keeps_tables
from gitcoord.git.remotes import Pushed, Remote, Update
from gitcoord.host.clock import Clock
from gitcoord.store.protocol import ContendedError, FailedError, LockedError, Store

__all__ = ["Tracking", "Tries"]

_TRIES = 3
_FIRST_S = 0.2
_LAST_S = 2.0


class Tries:
    """How often a server that is not reached is tried again, and how far apart.

    A busy one turns connections away; one that does not answer at all has
    used up its time, and is not tried again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_ns = clock.monotonic_ns()
        self._count = 0

    def again(self) -> bool:
        """Wait for the next try; False if there is to be none."""
        took_s = (self._clock.monotonic_ns() - self._began_ns) / 1e9
        if self._count + 1 >= _TRIES or took_s > _LAST_S * _TRIES:
            return False
        self.wait()
        return True

    def wait(self) -> None:
        """Wait for a while that grows, at random: who failed together comes apart."""
        longest_s = min(_LAST_S, _FIRST_S * 2**self._count)
        self._count += 1
        self._clock.sleep(longest_s * (0.25 + 0.75 * self._clock.random()))


class Tracking:
    """The copies of one ledger's refs on one server.

    ``place`` is the ledger's ref there, where it is not its ref here.
    """

    def __init__(self, store: Store, remote: Remote, ledger: str, place: str = "") -> None:
        self._store = store
        self._remote = remote
        self._ledger = ledger_ref(ledger)
        self._own = own_refs(ledger)
        self._place = place or self._ledger

    def read(self, ref: str) -> Oid | None:
        """Return what a ref held on the server when it was last heard; None: it was absent."""
        try:
            return self._store.read_ref(self._copy_of(ref))
        except CorruptError:
            # A crash can leave a broken file: the next fetch writes it anew.
            return None

    def list(self, prefix: str) -> dict[str, Oid]:
        """Return every ref with a prefix that was on the server when it was last heard."""
        top = self._copy_of("")
        copies = self._store.list_refs(self._copy_of(prefix))
        return {f"refs/{copy.removeprefix(top)}": oid for copy, oid in copies.items()}

    def fetch(
        self,
        targets: Iterable[str],
        *,
        timeout_s: float,
        keep: tuple[int, ...] = (),
        options: Sequence[str] = (),
    ) -> None:
        """Fetch the ledger, its other refs, and target branches.

        Copies of refs that are not there any more go.

        Raises:
            MissingOnServerError: The ledger or a target is not there.
            UnavailableError: The server was not reached, or did not answer.

        """
        refspecs = [f"+{self._place}:{self._copy_of(self._ledger)}"]
        refspecs.append(f"+{self._own}*:{self._copy_of(self._own)}*")
        refspecs += [f"+{target}:{self._copy_of(target)}" for target in targets]
        try:
            self._remote.fetch(
                refspecs, timeout_s=timeout_s, keep=keep, options=("--prune", *options)
            )
        except UnavailableError:
            if not self._clear_dead_locks():
                raise
            self._remote.fetch(
                refspecs, timeout_s=timeout_s, keep=keep, options=("--prune", *options)
            )
        self._store.refresh()

    def fetch_newest(self, depth: int, *, timeout_s: float) -> None:
        """Fetch the newest entries of the ledger alone; later fetches bring what comes after them.

        Nothing else may be fetched so: git would cut the history of every branch that it
        is on.

        Raises:
            MissingOnServerError: The ledger is not there.
            UnavailableError: The server was not reached, or did not answer.

        """
        refspec = f"+{self._place}:{self._copy_of(self._ledger)}"
        self._remote.fetch([refspec], timeout_s=timeout_s, options=(f"--depth={depth}",))
        self._store.refresh()

    def push(
        self, updates: Sequence[Update], *, timeout_s: float, keep: tuple[int, ...] = ()
    ) -> Pushed:
        """Move refs on the server, all or none, and their copies with them."""
        there = [one._replace(ref=self.there(one.ref)) for one in updates]
        done = self._remote.push(there, timeout_s=timeout_s, keep=keep)
        if done.end == "accepted":
            for one in updates:
                if one.new is None:
                    self.forget(one.ref)
                else:
                    self._keep(one.ref, one.new)
        return done

    def forget(self, ref: str) -> None:
        """Remove the copy of a ref that is not on the server any more."""
        known = self.read(ref)
        if known is not None:
            with suppress(ContendedError, LockedError, FailedError):
                self._store.delete_ref(self._copy_of(ref), known)

    def _keep(self, ref: str, new: Oid) -> None:
        # A copy that stays behind lets the next push be refused, and the fetch after it heals that.
        with suppress(ContendedError, LockedError, FailedError, UnavailableError):
            self._store.swap(self._copy_of(ref), self.read(ref), new)

    def there(self, ref: str) -> str:
        """Return the name of a ref on the server."""
        if ref == self._ledger:
            return self._place
        return ref

    def _copy_of(self, ref: str) -> str:
        return tracking_ref(self._remote.name, ref)

    def _clear_dead_locks(self) -> bool:
        """Remove the locks on copies; return whether there were any.

        Where refs are kept in tables all have one lock, which is any git's:
        it goes if no process has it open.
        """
        common_dir = self._store.common_dir
        if keeps_tables(common_dir):
            from gitcoord.git.refs import clear_table_locks

            return bool(clear_table_locks(common_dir / TABLES))
        locks = list((common_dir / self._copy_of("")).rglob("*.lock"))
        for lock in locks:
            lock.unlink(missing_ok=True)
        return bool(locks)
