"""Renew a lease by a beat, which is no entry."""

from __future__ import annotations

from collections.abc import Callable

from gitcoord.core.errors import ClaimLostError
from gitcoord.core.ids import AgentId, Token
from gitcoord.core.leases import Beat, leases_of
from gitcoord.core.refs import beat_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.host.clock import Clock
from gitcoord.ledger.beats import Beats, beat_text
from gitcoord.ledger.hint_refs import HintRefs
from gitcoord.store.protocol import Store

__all__ = ["Renewals"]


class Renewals:
    """The beats of one ledger's agents, as their holders write them."""

    __slots__ = ("_clock", "_hints", "_ledger", "_store")

    def __init__(self, store: Store, ledger: str, clock: Clock, hints: HintRefs) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._hints = hints

    def beat(self, agent: AgentId, token: Token, newest: Callable[[], Snapshot]) -> Beat:
        """Write a beat, and read the newest state before and afterwards.

        Raises:
            ClaimLostError: The token is not current: nothing was renewed.

        """
        ref = beat_ref(self._ledger, agent)

        def write() -> Beat:
            known = Beats(self._store, self._ledger, self.repair).get(agent)
            old = self._store.read_ref(ref)
            live = _tokens(newest())
            if token not in live:
                raise ClaimLostError("this claim is no longer current", hint="stop working on it")
            stamps = {}
            if known is not None:
                stamps = {name: stamp for name, stamp in known.stamps.items() if name in live}
            stamps[token] = (self._clock.machine_id(), self._clock.monotonic_ns())
            oid = self._store.write_blob(beat_text(stamps))
            self._store.swap(ref, old, oid)
            if old is not None and old != oid:
                # One that read the ref before us finds no blob, takes the
                # beat for silent, and is stopped by the ref that moved.
                self._store.discard(old)
            return Beat(oid, stamps)

        beat: Beat = self._hints.recorded(write)
        # Read after the write: a takeover that published between our first
        # look and our swap has to be told to us, not to be overlooked.
        if token not in _tokens(newest()):
            raise ClaimLostError("this claim was taken over", hint="stop working on it")
        return beat

    def repair(self, ref: str) -> None:
        """Set a broken beat ref to a beat that renews no lease.

        It may have been a fresh beat, so that it counts from now on. If this
        fails the ref is broken as before.
        """
        oid = self._store.write_blob(f"torn {self._clock.token()}\n".encode())
        self._hints.recorded(lambda: self._store.repair_ref(ref, oid))


def _tokens(snapshot: Snapshot) -> set[Token]:
    """Return the tokens that are current."""
    tokens: set[Token] = set()
    for task in snapshot.live():
        tokens.update(lease["token"] for lease in leases_of(task))
    return tokens
