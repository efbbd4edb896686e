"""Let others go first where a push of ours would be lost, before the ledger is read.

Nothing here decides who may write. A clone that never waits is as right as one
that does; it only makes more pushes that are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from gitcoord.core.giving_way import RECENT, Ahead, ahead_of, have_come, wait_s
from gitcoord.core.ids import AgentId, Oid
from gitcoord.host.clock import Clock, Deadline
from gitcoord.store.protocol import MissingObjectError
from gitcoord.store.remote_store import RemoteStore

__all__ = ["GivingWay"]

MET_NS = 10_000_000_000
"""For how long a clone that met others counts on them."""
PUSHING = 0.2
"""The part of a command's time that is not waited away, but kept for pushes."""


class GivingWay:
    """What one clone knows of those with whom it contends for a ledger.

    ``pending`` is where each agent that writes from this clone has a folder.
    """

    def __init__(self, store: RemoteStore, ref: str, pending: Path, clock: Clock) -> None:
        self._store = store
        self._contacts = store.contacts
        self._ref = ref
        self._pending = pending
        self._clock = clock
        self._read: dict[Oid, tuple[AgentId, Oid | None]] = {}

    def wait(self, agent: AgentId, losses: int, deadline: Deadline) -> None:
        """Wait until it is our turn, as far as can be told; without contention not at all.

        ``losses`` are the pushes that this command has lost.

        Raises:
            UnavailableError: The server was not reached; nothing changed.

        """
        if losses:
            self._contacts.note_met()
        met_ns = self._contacts.met_ns()
        if not met_ns or met_ns + MET_NS < self._clock.monotonic_ns():
            return
        mates, is_met = self._writers(), False
        while deadline.remaining() > deadline.seconds * PUSHING:
            tip = self._store.read_ref(self._ref)
            ahead = ahead_of(agent, mates, list(islice(self._publishers(tip), RECENT)))
            seconds = wait_s(
                ahead,
                losses=losses,
                is_met=is_met,
                round_s=self._contacts.round_s(),
                quickest_s=self._contacts.quickest_s(),
                chance=self._clock.random(),
            )
            if seconds <= 0:
                return
            self._clock.sleep(min(seconds, deadline.remaining()))
            self._store.contact(self._clock.monotonic_ns())
            is_met = ahead is not None and self._is_met(ahead, tip)
            if not is_met:
                return

    def _is_met(self, ahead: Ahead, since: Oid | None) -> bool:
        """Return whether one of those ahead has published since a tip: else they have gone home.

        Where nobody has published at all, nobody is about.
        """
        now = self._store.tracking.read(self._ref)
        if now == since:
            self._contacts.forget_met()
            return False
        is_met = have_come(ahead, list(islice(self._publishers(now, until=since), RECENT)))
        if is_met:
            self._contacts.note_met()
        return is_met

    def _writers(self) -> list[AgentId]:
        """Return the agents that have written from this clone: they queue up by themselves."""
        with suppress(OSError):
            return [AgentId(folder.name) for folder in self._pending.iterdir()]
        return []

    def _publishers(self, tip: Oid | None, *, until: Oid | None = None) -> Iterator[AgentId]:
        """Yield whose the newest entries are, the newest first, as far as they are here."""
        while tip is not None and tip != until:
            if tip not in self._read:
                try:
                    entry = self._store.read_entry(tip)
                except MissingObjectError:
                    return
                self._read[tip] = AgentId(entry.author), next(iter(entry.parents), None)
            agent, tip = self._read[tip]
            yield agent
