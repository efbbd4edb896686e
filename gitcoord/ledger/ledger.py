"""Read, decide, write, swap, read back: the only mover of the ledger ref.

Writing objects is free; the swap is the only effect. Whatever happens
before it leaves garbage and nothing else; whatever happens after it has
happened. A retry decides again from a fresh read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitcoord.core import codec
from gitcoord.core.errors import (
    ClaimLostError,
    GitcoordError,
    NotFoundError,
    UnavailableError,
    UnknownError,
)
from gitcoord.core.events import Command, Event, evidence_of
from gitcoord.core.ids import NO_OID, AgentId, Oid, Token
from gitcoord.core.leases import Beat, Context, leases_of
from gitcoord.core.machine import apply, decide
from gitcoord.core.messages import author_of, render
from gitcoord.core.refs import attic_ref, attic_refs, beat_ref, ledger_ref
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.remedies import remedy
from gitcoord.ledger.beats import Beats, Observations, beat_text
from gitcoord.ledger.files import LedgerFiles, require_writable, sync_files
from gitcoord.ledger.pending import PendingFiles, Settled, find_entry
from gitcoord.ledger.prune_guard import outlast_prune, require_written
from gitcoord.ledger.ref_locks import RefLocks
from gitcoord.store.protocol import (
    BlobRef,
    ContendedError,
    LockedError,
    MissingObjectError,
    Store,
)
from gitcoord.store.queue import QueueLock, Turns
from gitcoord.store.reader import RecordCache, open_snapshot
from gitcoord.store.stale_locks import is_empty_lock, record_files

if TYPE_CHECKING:
    from gitcoord.ledger.hint_refs import HintRefs

__all__ = ["Done", "Ledger", "Offers", "encoded"]

QUEUE_WAIT_S = 2.0
Offers = Generator[Command, None, None]
"""Commands that are decided in turn, until one is accepted."""
Request = Command | Callable[[Snapshot, Context], Command | Offers]


class Done(NamedTuple):
    """An acknowledged operation: its entry, its event, the state after it."""

    entry: Oid
    event: Event
    snapshot: Snapshot


class _Turn(NamedTuple):
    """What one call of ``execute`` was asked to do."""

    request: Request
    agent: AgentId
    before_swap: Callable[[Event], Sequence[Path] | None] | None
    verify: Mapping[str, Oid | None]
    inputs: Sequence[bytes]
    context: Context
    deadline: Deadline


class _Decided(NamedTuple):
    """What was decided: on which tip, onto which parent and its state, which event."""

    tip: Oid | None
    parent: Oid | None
    snapshot: Snapshot
    event: Event


def _offers(request: Request, snapshot: Snapshot, context: Context) -> Offers:
    """Return what a request wants decided on a state: one command, or several in turn."""
    if not callable(request):
        yield request
        return
    offered = request(snapshot, context)
    if isinstance(offered, Generator):
        yield from offered
    else:
        yield offered


def _first_kept(offers: Offers, decided_on: Callable[[Command], _Decided]) -> _Decided:
    """Decide one command after another, until one is accepted and nothing is offered instead.

    A refusal is raised where its command was offered, which passes it on or
    offers the next.
    """
    command = next(offers)
    while True:
        try:
            decided = decided_on(command)
        except GitcoordError as refusal:
            command = offers.throw(refusal)
            continue
        try:
            command = next(offers)
        except StopIteration:
            return decided


def encoded(changes: Changes) -> dict[str, bytes | BlobRef | None]:
    """Turn changed records into what a store writes."""
    contents: dict[str, bytes | BlobRef | None] = {}
    for path, change in changes.items():
        if change is None:
            contents[path] = None
        elif isinstance(change, BlobOid):
            contents[path] = BlobRef(Oid(change))
        else:
            contents[path] = codec.dump(change)
    return contents


class Ledger:
    """One ledger of one repository, on this machine."""

    def __init__(self, store: Store, name: str, clock: Clock, *, timeout_s: float = 30.0) -> None:
        self.store = store
        self.name = name
        self.ref = ledger_ref(name)
        self.clock = clock
        self.timeout_s = timeout_s
        self.queue_wait_s = QUEUE_WAIT_S
        """How long to wait for our turn; the swap decides anyway."""
        self.files = LedgerFiles(store.common_dir, name)
        self.pending = PendingFiles(self.files.pending)
        self.queue = QueueLock(self.files.queue_lock)
        self._turns = Turns(self.queue, QueueLock(self.files.deck_lock), clock)
        self.locks = RefLocks(store.common_dir, self.files, self.pending, clock)
        self._hints: HintRefs | None = None
        self.writes = 0
        self.records = RecordCache()
        self._newest = open_snapshot(store, None, self.records)
        self._observations = Observations(self.files.observed, clock)

    # reading

    def tip(self) -> Oid | None:
        """Return the newest entry's oid, or None before ``init``."""
        return self.store.read_ref(self.ref)

    def snapshot(self, oid: Oid | None = None) -> Snapshot:
        """Open the state as of an entry, by default the newest.

        Raises:
            NotFoundError: There is no such ledger here.
            CorruptError: The entry cannot be read.

        """
        tip = oid or self.tip()
        if tip is None:
            raise self._missing()
        return self._opened(tip)

    def _missing(self) -> NotFoundError:
        """Return that there is no such ledger; others that are here are named."""
        folder = self.ref.removesuffix(self.name)
        others = [ref.removeprefix(folder) for ref in self.store.list_refs(folder)]
        hint = "`gitcoord init` makes one"
        if others:
            hint = f"here: {', '.join(others[:5])} (--ledger NAME, or GITCOORD_LEDGER); {hint}"
        fetched = self.store.list_refs("refs/remotes/")
        if any(ref.endswith(f"/gitcoord/{self.name}") for ref in fetched):
            hint = "a remote has one: `gitcoord join` works on it from here"
        return NotFoundError(f"this repository has no gitcoord ledger {self.name!r}", hint=hint)

    def _opened(self, oid: Oid | None) -> Snapshot:
        """Open a state; the newest that was opened is kept, with what it read."""
        if oid is None or self._newest.oid != oid:
            self._newest = open_snapshot(self.store, oid, self.records)
        return self._newest

    def context(self) -> Context:
        """Read the clock and draw the random values; beats are read on demand."""
        return Context(
            id=self.clock.token(),
            token=self.clock.token(),
            time=self.clock.seconds(),
            boot_id=self.clock.machine_id(),
            now_ns=self.clock.monotonic_ns(),
            beats=Beats(self.store, self.name),
            observed=self._observations,
        )

    def remember(self) -> None:
        """Keep which stamps of other boots were seen, and when."""
        self._observations.save()

    def settle(self, agent: AgentId) -> list[Settled]:
        """Settle what this agent's dead processes left unknown."""
        if not any(record_files(self.files.pending / agent, depth=0)):
            return []
        # Removed now, so that no later swap of ours meets them.
        self.locks.clear_left(agent)
        attic = list(self.store.list_refs(attic_refs(self.name)).values())
        return self.pending.settle(
            self.store, agent, self.tip(), attic, lambda ref: is_empty_lock(self.locks.of(ref))
        )

    # writing

    def execute(
        self,
        request: Request,
        *,
        agent: AgentId,
        before_swap: Callable[[Event], Sequence[Path] | None] | None = None,
        verify: Mapping[str, Oid | None] | None = None,
        inputs: Sequence[bytes] = (),
    ) -> Done:
        """Decide on the newest state and publish the entry.

        ``request`` is a command, or makes one from each fresh snapshot, or
        is a generator function that offers several in turn, of which the
        first is taken that is accepted and not followed by another. One with
        a key ``onto`` is decided on that entry's state, which becomes the
        parent. ``before_swap`` sees the event before anything can have
        happened, and names the files that must be on the disk by then.
        ``verify`` names refs that must hold a value at the swap.
        ``inputs`` are the blobs that the command names by oid.

        Raises:
            GitcoordError: Refused: nothing changed.
            UnavailableError: No turn before the deadline: nothing changed.
            UnknownError: Cut off in the swap; ``settle`` tells later.

        """
        require_writable(self.store.common_dir)
        turn = _Turn(
            request,
            agent,
            before_swap,
            verify or {},
            inputs,
            self.context(),
            Deadline(self.clock, self.timeout_s),
        )
        is_known = False
        try:
            with self._turns.take(
                min(self.queue_wait_s, self.timeout_s), lambda: self._decided(turn)
            ) as is_queued:
                done = self._publish(turn, is_queued=is_queued)
            is_known = True
            self.writes += 1
        except UnknownError:
            raise
        except Exception:
            # Whatever else stops us does so before the swap, or after a swap
            # that provably did nothing: the operation is over.
            is_known = True
            raise
        finally:
            self.pending.end(turn.context.id, is_known=is_known)
            # A refusal counts as a look too: the next command's observer
            # has to know since when a foreign lease stands still.
            self.remember()
        return done

    def _publish(self, turn: _Turn, *, is_queued: bool) -> Done:
        """Try until the entry is published, or a rule or the clock says no."""
        attempt = 0
        noted: list[str] | None = None
        while True:
            tip, parent, snapshot, event = self._decided(turn)
            wanted: dict[str, Oid | None] = {
                beat_ref(self.name, gone["agent"]): gone["beat"] for gone in evidence_of(event)
            } | dict(turn.verify)
            if sorted(wanted) != noted:
                noted = sorted(wanted)
                facts = {key: event.get(key, "") for key in ("op", "task", "token")}
                self.pending.begin(
                    turn.agent, event["id"], {"tip": tip, "verified": noted, **facts}
                )
            kept: Sequence[Path] = ()
            if turn.before_swap is not None:
                kept = turn.before_swap(event) or ()
            if tip is not None and parent != tip:
                self._keep_abandoned(attic_ref(self.name, event["time"], tip), tip)
            write = self._writing(parent, snapshot, event, turn.inputs)
            self._turns.let_next()
            entry = write()
            # After the objects, whose journal commit had their blocks in it.
            sync_files(kept)
            require_written(self.store, self.clock, write, turn.deadline)
            try:
                self._swap(tip, entry, event, wanted)
            except (ContendedError, LockedError) as error:
                self.pending.touch(event["id"])
                self.locks.wait(error, attempt, turn.deadline, turn.verify, is_queued=is_queued)
                self.pending.touch(event["id"])
                attempt += 1
                continue
            self._read_back(entry, write, event, turn.deadline)
            return Done(entry, event, self._opened(entry))

    def _decided(self, turn: _Turn) -> _Decided:
        """Decide on the newest state, each command that is offered once."""
        tip = self.tip()
        context = turn.context._replace(
            now_ns=self.clock.monotonic_ns(),
            time=self.clock.seconds(),
            beats=Beats(self.store, self.name, self._repair_beat),
        )
        snapshot = self._opened(tip)
        if tip is not None:
            # No entry's time is before its parent's, for readers' sake.
            context = context._replace(time=max(context.time, self.store.read_entry(tip).time))

        def decided_on(command: Command) -> _Decided:
            if tip is None and command["op"] != "init":
                raise self._missing()
            parent = command.get("onto") or tip
            state = snapshot
            if parent != tip:
                state = open_snapshot(self.store, parent, self.records)
            return _Decided(tip, parent, state, decide(state, command, context))

        return _first_kept(_offers(turn.request, snapshot, context), decided_on)

    def _keep_abandoned(self, ref: str, tip: Oid) -> None:
        """Put a tip into the attic, and remove the locks of dead writers there."""
        for lock in self.locks.of(ref).parent.glob("*.lock"):
            self.locks.remove(lock)
        self.hints.keep(ref, tip)

    def _writing(
        self, parent: Oid | None, snapshot: Snapshot, event: Event, inputs: Sequence[bytes]
    ) -> Callable[[], Oid]:
        """Return what writes the entry, and writes it again if a prune took it."""
        base: Oid | None = None
        parents: tuple[Oid, ...] = ()
        if parent:
            base = self.store.read_entry(parent).tree
            parents = (parent,)
        changes = encoded(apply(snapshot, event))
        message = render(event)

        def write() -> Oid:
            tree = self.store.write_tree(base, changes)
            for content in inputs:
                self.store.write_blob(content)
            author = author_of(event["agent"], self.name)
            return self.store.write_entry(tree, parents, message, author, event["time"])

        return write

    def _swap(
        self, tip: Oid | None, entry: Oid, event: Event, wanted: Mapping[str, Oid | None]
    ) -> None:
        try:
            self.store.swap(self.ref, tip, entry, verify=wanted)
        except (ContendedError, LockedError, GitcoordError):
            raise
        except Exception as error:  # noqa: BLE001 - settled by reading
            self._settle_swap(tip, entry, event, error)

    def _settle_swap(self, tip: Oid | None, entry: Oid, event: Event, error: Exception) -> None:
        """Find out at once, by reading, whether a swap that failed oddly took place."""
        try:
            self.store.refresh()
            now = self.tip()
            if now == entry or find_entry(self.store, now, tip, event["id"]) is not None:
                return
        except (OSError, MissingObjectError, UnavailableError):
            now = NO_OID
        if now == tip:
            raise UnavailableError(
                f"the ledger could not be written: {error}",
                hint=remedy(error),
            ) from None
        if now:
            raise ContendedError(self.ref) from None
        raise UnknownError(
            f"the outcome of {event['op']} is not known: {error}",
            hint="this agent's next command settles it before it does anything else",
            entry_id=event["id"],
        ) from None

    def _read_back(
        self, entry: Oid, write: Callable[[], Oid], event: Event, deadline: Deadline
    ) -> None:
        """Read what was published before it is acknowledged.

        A concurrent ``gc --prune=now`` can drop objects between their write
        and the swap that makes them reachable; their bytes are still here.
        One that began before our swap may still be deleting: it is outlasted.
        """
        for _ in range(3):
            if outlast_prune(self.store, self.clock, deadline) and not self.store.is_lost():
                break
            write()
        else:
            raise UnknownError(
                f"the objects of {event['op']} vanish as soon as they are written",
                hint="stop what runs `git gc --prune=now` beside gitcoord",
                entry_id=event["id"],
            )
        try:
            now = self.tip()
            is_there = now == entry or find_entry(self.store, now, None, event["id"]) is not None
        except (OSError, MissingObjectError, UnavailableError):
            is_there = False
        if not is_there:
            raise UnknownError(
                f"the entry of {event['op']} is not in the chain that was read back",
                hint="`gitcoord verify` looks at the chain",
                entry_id=event["id"],
            )

    # hints

    @property
    def hints(self) -> HintRefs:
        """The refs that are hints; loaded when first moved, for most commands move none."""
        if self._hints is None:
            from gitcoord.ledger.hint_refs import HintRefs

            self._hints = HintRefs(self.store, self.pending, self.locks, self.clock, self.timeout_s)
        return self._hints

    def require_unpruned(self) -> None:
        """Wait for the end of a prune that may not have seen our newest refs.

        Raises:
            UnavailableError: It goes on.

        """
        if not outlast_prune(self.store, self.clock, Deadline(self.clock, self.timeout_s)):
            raise UnavailableError(
                "a git gc that prunes everything at once is at work",
                hint="wait until it is over, and let gc.pruneExpire be an hour or more",
            )

    def beat(self, agent: AgentId, token: Token) -> Beat:
        """Renew a lease without an entry, and read the ledger afterwards.

        Raises:
            ClaimLostError: The token is not current: nothing was renewed.

        """
        ref = beat_ref(self.name, agent)

        def write() -> Beat:
            known = Beats(self.store, self.name, self._repair_beat).get(agent)
            old = self.store.read_ref(ref)
            live = self._tokens()
            if token not in live:
                raise ClaimLostError("this claim is no longer current", hint="stop working on it")
            stamps = {}
            if known is not None:
                stamps = {name: stamp for name, stamp in known.stamps.items() if name in live}
            stamps[token] = (self.clock.machine_id(), self.clock.monotonic_ns())
            oid = self.store.write_blob(beat_text(stamps))
            self.store.swap(ref, old, oid)
            if old is not None and old != oid:
                # One that read the ref before us finds no blob, takes the
                # beat for silent, and is stopped by the ref that moved.
                self.store.discard(old)
            return Beat(oid, stamps)

        beat: Beat = self.hints.recorded(write)
        # Read after the write: a takeover that published between our first
        # look and our swap has to be told to us, not to be overlooked.
        if token not in self._tokens():
            raise ClaimLostError("this claim was taken over", hint="stop working on it")
        return beat

    def _repair_beat(self, ref: str) -> None:
        """Set a broken beat ref to a beat that renews no lease.

        It may have been a fresh beat, so that it counts from now on. If this
        fails the ref is broken as before.
        """
        oid = self.store.write_blob(f"torn {self.clock.token()}\n".encode())
        self.hints.recorded(lambda: self.store.repair_ref(ref, oid))

    def _tokens(self) -> set[Token]:
        """Return the tokens that are current."""
        tokens: set[Token] = set()
        for task in self.snapshot().live():
            tokens.update(lease["token"] for lease in leases_of(task))
        return tokens
