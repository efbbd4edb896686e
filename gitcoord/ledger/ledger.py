"""Read, decide, write, swap, read back: the only mover of the ledger ref.

Writing objects is free; the swap is the only effect. Whatever happens
before it leaves garbage and nothing else; whatever happens after it has
happened. A retry decides again from a fresh read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitcoord.core.errors import (
    GitcoordError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from gitcoord.core.events import Command, Event, evidence_of
from gitcoord.core.ids import AgentId, Oid, Token
from gitcoord.core.leases import Beat, Context
from gitcoord.core.machine import apply, decide
from gitcoord.core.refs import attic_ref, attic_refs, beat_ref, ledger_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.host.clock import Clock, Deadline
from gitcoord.ledger.beats import Beats, Observations
from gitcoord.ledger.deciding import (
    Decided,
    Done,
    Offers,
    Request,
    Shared,
    Turn,
    are_shared,
    first_kept,
    offers_of,
)
from gitcoord.ledger.files import LedgerFiles, require_writable, sync_files
from gitcoord.ledger.pending import PendingFiles, Settled, event_of, find_since, settle_swap
from gitcoord.ledger.prune_guard import outlast_prune, read_back, require_written
from gitcoord.ledger.ref_locks import RefLocks
from gitcoord.ledger.writing import Step, writing
from gitcoord.store.protocol import ContendedError, LockedError, Store
from gitcoord.store.queue import QueueLock, Turns
from gitcoord.store.reader import RecordCache, open_snapshot
from gitcoord.store.stale_locks import is_empty_lock, record_files

if TYPE_CHECKING:
    from gitcoord.ledger.asked import AskedFiles
    from gitcoord.ledger.hint_refs import HintRefs
    from gitcoord.ledger.renewals import Renewals
    from gitcoord.ledger.shared_turns import SharedTurn
    from gitcoord.store.remote_store import RemoteStore

__all__ = ["Done", "Ledger", "Offers"]

QUEUE_WAIT_S = 2.0


class Ledger:
    """One ledger of one repository, on this machine or on a ``server``."""

    def __init__(
        self,
        store: Store,
        name: str,
        clock: Clock,
        *,
        timeout_s: float = 30.0,
        server: RemoteStore | None = None,
    ) -> None:
        self.store = store
        self.server = server
        self.name = name
        self.ref = ledger_ref(name)
        self.clock = clock
        self.timeout_s = timeout_s
        self.queue_wait_s = QUEUE_WAIT_S
        """How long to wait for our turn; the swap decides anyway."""
        self.shares_turns = are_shared()
        """Whether others may publish what we ask for, and we what they do."""
        self.give_way: Callable[[AgentId, int, Deadline], None] = lambda *_: None
        self.files = LedgerFiles(store.common_dir, name)
        self.pending = PendingFiles(self.files.pending)
        self.queue = QueueLock(self.files.queue_lock)
        self._turns = Turns(self.queue, self.files.deck_lock, self.files.bell, clock)
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

    def known_tip(self) -> Oid | None:
        """Return the newest entry that is known here: no server is asked."""
        if self.server is None:
            return self.tip()
        return self.server.tracking.read(self.ref)

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
        if self.files.asked.is_dir():
            self.asked.hand_over(agent, self.files.pending)
        if not any(record_files(self.files.pending / agent, depth=0)):
            return []
        # Removed now, so that no later swap of ours meets them.
        self.locks.clear_left(agent)
        turn: AbstractContextManager[bool] = nullcontext(False)
        if self.pending.was_any_asked(agent):
            # Nobody takes it any more; who took it before has the turn until it is over.
            turn = self.queue.hold(min(self.queue_wait_s, self.timeout_s))
        with turn as is_alone:
            return self.pending.settle(
                self.store,
                agent,
                self.tip(),
                self.attic(),
                lambda ref: is_empty_lock(self.locks.of(ref)),
                is_alone=is_alone,
                may_be_late=self.server is not None,
            )

    def attic(self) -> list[Oid]:
        """List the tips that rollbacks left."""
        return list(self.store.list_refs(attic_refs(self.name)).values())

    @property
    def asked(self) -> AskedFiles:
        """What waits for others' turns; loaded where something does, or may."""
        from gitcoord.ledger.asked import AskedFiles

        return AskedFiles(self.files.asked)

    # writing

    def execute(
        self,
        request: Request,
        *,
        agent: AgentId,
        before_swap: Callable[[Event], Sequence[Path] | None] | None = None,
        verify: Mapping[str, Oid | None] | None = None,
        inputs: Sequence[bytes] = (),
        shared: Shared | None = None,
    ) -> Done:
        """Decide on the newest state and publish the entry.

        ``request`` is a command, or makes one from each fresh snapshot, or
        is a generator function that offers several in turn, of which the
        first is taken that is accepted and not followed by another. One with
        a key ``onto`` is decided on that entry's state, which becomes the
        parent unless it says ``forward``. ``before_swap`` sees the event before anything can have
        happened, and names the files that must be on the disk by then.
        ``verify`` names refs that must hold a value at the swap.
        ``inputs`` are the blobs that the command names by oid. With ``shared``
        whoever has the turn may decide and publish it, and we for others.

        Raises:
            GitcoordError: Refused: nothing changed.
            UnavailableError: No turn before the deadline: nothing changed.
            UnknownError: Cut off in the swap; ``settle`` tells later.

        """
        require_writable(self.store.common_dir)
        turn = Turn(
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
            if shared is not None and self.shares_turns:
                done = self._in_shared_turn(turn, shared)
            else:
                done = self._in_own_turn(turn)
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

    def _in_own_turn(self, turn: Turn) -> Done:
        """Wait for a turn, and publish in it."""
        with self._turns.take(
            min(self.queue_wait_s, self.timeout_s), lambda: self._decided(turn, self.tip())
        ) as is_queued:
            return self._publish(turn, is_queued=is_queued)

    def _in_shared_turn(self, turn: Turn, shared: Shared) -> Done:
        """Publish at once where nobody has the turn; else ask whoever has it next.

        What cannot be asked for is done in a turn of its own, and so is what was
        left to us.
        """
        with self._turns.take_unless(0, lambda: False) as is_held:
            if is_held:
                return self._publish(turn, is_queued=True, shared=shared)
        from gitcoord.ledger.asking import Asker

        asker = Asker(self, self._turns, partial(self._publish, shared=shared))
        return asker.ask(turn, shared) or self._in_own_turn(turn)

    def published(self, turn: Turn, entry: Oid) -> Done:
        """Acknowledge what another process published for us."""
        event = event_of(self.store, entry, turn.context.id)
        if turn.before_swap is not None:
            sync_files(turn.before_swap(event) or ())
        return Done(entry, event, self._opened(entry))

    def _publish(self, turn: Turn, *, is_queued: bool, shared: Shared | None = None) -> Done:
        """Try until the entry is published, or a rule or the clock says no."""
        attempt = 0
        noted: tuple[Oid | None, list[str]] | None = None
        while True:
            self.give_way(turn.agent, attempt, turn.deadline)
            tip = self.tip()
            if turn.seen is not None:
                # Before each try: another's turn may have had it until we took it back.
                known = find_since(self.store, tip, turn.seen, turn.context.id, self.attic)
                if known is not None:
                    return self.published(turn, known)
                if tip is not None:
                    turn = turn._replace(seen=tip)
            _, parent, onto, snapshot, event = self._decided(turn, tip)
            wanted: dict[str, Oid | None] = {
                beat_ref(self.name, gone["agent"]): gone["beat"] for gone in evidence_of(event)
            } | dict(turn.verify)
            if (tip, sorted(wanted)) != noted:
                # The tip of each try: a push from it may come after we have died.
                noted = (tip, sorted(wanted))
                self._note(turn.agent, event, *noted)
            kept: Sequence[Path] = ()
            if turn.before_swap is not None:
                kept = turn.before_swap(event) or ()
            if tip is not None and parent != tip:
                self._keep_abandoned(attic_ref(self.name, event["time"], tip), tip)
            steps = [Step(event, apply(snapshot, event), None, turn.inputs)]
            others = self._company(turn, event, shared if is_queued else None)
            if others is not None:
                beats = Beats(self.store, self.name)
                steps += others.decide(snapshot, steps[0], beats, self._observations)
            write = writing(self.store, self.name, parent, onto, steps)
            self._turns.let_next()
            try:
                entries = write()
                # After the objects, whose journal commit had their blocks in it.
                sync_files(kept)
                require_written(self.store, self.clock, write, turn.deadline)
                self._swap(tip, entries[-1], event, wanted)
            except (ContendedError, LockedError) as error:
                if others is not None:
                    others.put_back()
                self.pending.touch(event["id"])
                self.locks.wait(error, attempt, turn.deadline, turn.verify, is_queued=is_queued)
                self.pending.touch(event["id"])
                attempt += 1
                continue
            except (RefusedError, UnavailableError, UnknownError) as error:
                if others is None or not others.fail(error):
                    raise
                # The server forbids what one of them asked for, perhaps: each by itself.
                shared = None
                continue
            read_back(self.store, self.ref, entries[-1], event, write, self.clock, turn.deadline)
            if others is not None:
                others.answer(entries[1:])
            return Done(entries[0], event, self._opened(entries[0]))

    def _note(self, agent: AgentId, event: Event, tip: Oid | None, verified: list[str]) -> None:
        """Record what is about to be published, and from which tip."""
        facts = {key: event.get(key, "") for key in ("op", "task", "token")}
        self.pending.begin(agent, event["id"], {"tip": tip, "verified": verified, **facts})

    def _company(self, turn: Turn, event: Event, shared: Shared | None) -> SharedTurn | None:
        """Return the turn that others may share; None where it is ours alone."""
        if shared is None or turn.verify or not self.files.asked.is_dir():
            return None
        from gitcoord.core.shared_turns import is_alone
        from gitcoord.ledger.shared_turns import SharedTurn

        if is_alone(event):
            return None
        patience_s = None
        if self.server is not None:
            patience_s = self.timeout_s
        return SharedTurn(self.asked, turn.context.boot_id, shared, self.clock, patience_s)

    def _decided(self, turn: Turn, tip: Oid | None) -> Decided:
        """Decide on the state at a tip that was read, each command that is offered once."""
        context = turn.context._replace(
            now_ns=self.clock.monotonic_ns(),
            time=self.clock.seconds(),
            beats=Beats(self.store, self.name, self._repair_beat),
        )
        snapshot = self._opened(tip)
        for content in turn.inputs:
            # A prune may have taken what an earlier try put on the disk.
            self.store.write_blob(content)
        if tip is not None:
            # No entry's time is before its parent's, for readers' sake.
            context = context._replace(time=max(context.time, self.store.read_entry(tip).time))

        def decided_on(command: Command) -> Decided:
            if tip is None and command["op"] != "init":
                raise self._missing()
            onto = command.get("onto") or tip
            state = snapshot
            if onto != tip:
                state = open_snapshot(self.store, onto, self.records)
            parent = onto
            if command.get("forward"):
                parent = tip
            return Decided(tip, parent, onto, state, decide(state, command, context))

        return first_kept(offers_of(turn.request, snapshot, context), decided_on)

    def _keep_abandoned(self, ref: str, tip: Oid) -> None:
        """Put a tip into the attic, and remove the locks of dead writers there."""
        for lock in self.locks.of(ref).parent.glob("*.lock"):
            self.locks.remove(lock)
        self.hints.keep(ref, tip)

    def _swap(
        self, tip: Oid | None, entry: Oid, event: Event, wanted: Mapping[str, Oid | None]
    ) -> None:
        try:
            self.store.swap(self.ref, tip, entry, verify=wanted)
        except (ContendedError, LockedError, GitcoordError):
            raise
        except Exception as error:  # noqa: BLE001 - settled by reading
            settle_swap(self.store, self.ref, tip, entry, event, error)

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
        return self._renewals.beat(agent, token, self.snapshot)

    @property
    def _renewals(self) -> Renewals:
        from gitcoord.ledger.renewals import Renewals

        return Renewals(self.store, self.name, self.clock, self.hints)

    def _repair_beat(self, ref: str) -> None:
        self._renewals.repair(ref)
