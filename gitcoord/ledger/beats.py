"""Read and write proofs of life that renew a lease without an entry.

A beat is a blob behind the agent's own ref, with one line for each claim
that beats: ``<token> <boot id> <monotonic ns>``. It is written by
compare-and-swap, and the ledger is read afterwards: either the beat was
there before a takeover looked, or its holder is told that it lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gitcoord.core.errors import CorruptError, UnavailableError
from gitcoord.core.ids import AgentId, Oid
from gitcoord.core.leases import Beat
from gitcoord.core.refs import beat_ref
from gitcoord.host.clock import Clock
from gitcoord.ledger.files import read_json, write_json
from gitcoord.store.protocol import MissingObjectError, Store

__all__ = ["Beats", "Observations", "beat_text", "parse_beat"]

MAX_BEAT_BYTES = 256 * 1024
MAX_OBSERVED = 2000
BROKEN = Oid("broken")
"""In place of the oid of a beat whose ref is broken."""


def beat_text(stamps: Mapping[str, tuple[str, int]]) -> bytes:
    """Write the blob of a beat."""
    return "".join(
        f"{token} {boot} {ns}\n" for token, (boot, ns) in sorted(stamps.items())
    ).encode()


def parse_beat(content: bytes) -> dict[str, tuple[str, int]]:
    """Read the blob of a beat; lines that are not a stamp are passed over."""
    stamps: dict[str, tuple[str, int]] = {}
    for line in content[:MAX_BEAT_BYTES].decode("ascii", "replace").splitlines():
        token, _, rest = line.partition(" ")
        boot, _, ns = rest.partition(" ")
        if token and boot and ns.isdecimal() and len(ns) < 25:
            stamps[token] = (boot, int(ns))
    return stamps


class Beats(Mapping[AgentId, Beat]):
    """Every agent's beat, read when it is asked for.

    ``repair`` sets a broken ref to a beat that renews nothing. A reader, who
    writes nothing, does without it and passes over such a ref.
    """

    def __init__(
        self, store: Store, ledger: str, repair: Callable[[str], None] | None = None
    ) -> None:
        self._repair = repair
        self._store = store
        self._ledger = ledger
        self._known: dict[AgentId, Beat | None] = {}

    def __getitem__(self, agent: AgentId) -> Beat:
        """Read one agent's beat; KeyError where there is none."""
        if agent not in self._known:
            self._known[agent] = self._read(agent)
        beat = self._known[agent]
        if beat is None:
            raise KeyError(agent)
        return beat

    def _oid_of(self, ref: str) -> Oid | None:
        try:
            return self._store.read_ref(ref)
        except CorruptError:
            if self._repair is None:
                return BROKEN
        self._repair(ref)
        return self._store.read_ref(ref)

    def _read(self, agent: AgentId) -> Beat | None:
        """Read what a beat ref leads to.

        Raises:
            UnavailableError: It cannot be read now: nothing is known of it.

        """
        ref = beat_ref(self._ledger, agent)
        oid = self._oid_of(ref)
        while oid is not None:
            try:
                stamps = parse_beat(self._store.read_blob(oid))
                return Beat(oid, stamps, is_torn=not stamps)
            except MissingObjectError:
                # The holder removes the blob of a beat when the next stands.
                again = self._oid_of(ref)
                if again == oid:
                    return Beat(oid, {}, is_torn=True)
                oid = again
        return None

    def __iter__(self) -> Iterator[AgentId]:
        """List the agents whose beats were asked for."""
        return iter([agent for agent, beat in self._known.items() if beat is not None])

    def __len__(self) -> int:
        """Count the beats that are there, of those that were asked for."""
        return len(list(iter(self)))


class Observations(Mapping[str, int]):
    """When this machine first saw stamps of other boots, in its own clock.

    Asking for a stamp that was never seen records it as seen now. ``save``
    keeps what was seen for the next command.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._seen: dict[str, int] | None = None
        self._is_changed = False

    def _load(self) -> dict[str, int]:
        if self._seen is None:
            self._seen = self._kept()
        return self._seen

    def _kept(self) -> dict[str, int]:
        """Read what earlier commands of this boot saw."""
        kept = read_json(self._path) or {}
        seen = kept.get("seen")
        if kept.get("boot") != self._clock.machine_id() or not isinstance(seen, dict):
            return {}
        return {key: ns for key, ns in seen.items() if type(ns) is int}

    def __getitem__(self, key: str) -> int:
        """Return when a stamp was first seen; a new one is seen now."""
        seen = self._load()
        if key not in seen:
            seen[key] = self._clock.monotonic_ns()
            self._is_changed = True
        return seen[key]

    def __iter__(self) -> Iterator[str]:
        """List the stamps that were seen."""
        return iter(self._load())

    def __len__(self) -> int:
        """Count the stamps that were seen."""
        return len(self._load())

    def save(self) -> None:
        """Keep what was seen; only the newest, if there is too much."""
        if self._is_changed and self._seen is not None:
            newest = dict(sorted(self._seen.items(), key=lambda item: item[1])[-MAX_OBSERVED:])
            with suppress(UnavailableError):
                # Whoever may only read keeps no memory of it.
                write_json(self._path, {"boot": self._clock.machine_id(), "seen": newest})
            self._is_changed = False
