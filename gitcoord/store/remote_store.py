"""Publish the ledger on a git server: the push is the swap.

It stands before an engine and keeps its interface. The server's refs are the
only truth; what lies here is a copy, which follows what the server accepted or
what was fetched, and never is ahead of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from gitcoord.core.companions import target_move_of
from gitcoord.core.errors import RefusedError, UnavailableError, UnknownError
from gitcoord.core.events import Event
from gitcoord.core.ids import Oid
from gitcoord.core.refs import HEADS, attic_refs, beat_refs, ledger_ref, own_refs
from gitcoord.git.merges import holds_move, is_ancestor
from gitcoord.git.program import Git
from gitcoord.git.remotes import MissingOnServerError, Pushed, Remote, Update
from gitcoord.host.clock import Clock, Deadline
from gitcoord.store.cargo import Batch, batch_between, beat_updates, companion_updates
from gitcoord.store.contacts import Contacts
from gitcoord.store.protocol import (
    BlobRef,
    ContendedError,
    EntryObject,
    FailedError,
    LockedError,
    Store,
    TreeItem,
)
from gitcoord.store.tracking import Tracking, Tries

__all__ = ["RemoteStore"]

FRESH_NS = 1_000_000_000
LAZY_NS = 60_000_000_000
MAX_FORBIDDEN = 2
MAX_DROPPED = 200


class RemoteStore:
    """An engine whose ledger is on a server.

    ``targets`` names the branches whose values on the server are wanted.
    ``is_offline``: nothing is fetched, and nothing can be written.
    """

    def __init__(
        self,
        inner: Store,
        remote: Remote,
        tracking: Tracking,
        contacts: Contacts,
        ledger: str,
        clock: Clock,
        *,
        timeout_s: float = 30.0,
        fresh_ns: int = FRESH_NS,
        is_offline: bool = False,
    ) -> None:
        self.inner = inner
        self.common_dir = inner.common_dir
        self.remote = remote
        self.tracking = tracking
        self.contacts = contacts
        self.is_offline = is_offline
        self.targets: Callable[[], Iterable[str]] = tuple
        self.fresh_ns = fresh_ns
        self.is_lazy = False
        """Whether to look at what is known here first: a minute old, or not reached now."""
        self.may_be_new = False
        """Whether the server need not have the ledger yet: it is about to be made."""
        self.timeout_s = timeout_s
        self._name = ledger
        self._ledger = ledger_ref(ledger)
        self._own = own_refs(ledger)
        self._beats = beat_refs(ledger)
        self._clock = clock
        self._git = Git(inner.common_dir, inner.common_dir)
        self._since_ns = clock.monotonic_ns()

    # talking with the server

    def ask_anew(self) -> None:
        """Let the next look at the ledger see what the server holds from now on."""
        self._since_ns = self._clock.monotonic_ns()

    def contact(self, since_ns: int) -> None:
        """Know what the server held at some time after ``since_ns``.

        If it fails, what is known here is as it was.

        Raises:
            UnavailableError: The server was not reached in time, or has no such ledger.

        """
        if self.is_offline or self.contacts.last_ns() >= since_ns:
            return
        with self.contacts.hold(self.timeout_s) as handles:
            if self.contacts.last_ns() >= since_ns:
                return  # another process of this clone asked while we waited
            began_ns = self._clock.monotonic_ns()
            self._fetch(handles)
            self._follow()
            self.contacts.note(began_ns)

    def _look(self, since_ns: int) -> None:
        """Know what the server held after ``since_ns``; who is lazy goes by what is known."""
        if not self.is_lazy:
            self.contact(since_ns)
            return
        with suppress(UnavailableError):
            self.contact(min(since_ns, self._clock.monotonic_ns() - LAZY_NS))

    def _fetch(self, handles: tuple[int, ...]) -> None:
        targets = list(dict.fromkeys(self.targets()))
        tries = Tries(self._clock)
        while True:
            try:
                self.tracking.fetch(targets, timeout_s=self.timeout_s, keep=handles)
            except MissingOnServerError as missing:
                if missing.ref not in targets and self.may_be_new:
                    return
                if missing.ref not in targets:
                    raise self._without_ledger() from None
                targets.remove(missing.ref)
                self.tracking.forget(missing.ref)
            except UnavailableError:
                if not tries.again():
                    raise
            else:
                return

    def _without_ledger(self) -> UnavailableError:
        return UnavailableError(
            f"{self.remote.name} has no ledger {self._name!r}",
            hint="it may have been archived, or this is another server: `git ls-remote` shows "
            "what it has",
        )

    def _follow(self) -> None:
        """Let the local branch follow what is known of the server, for people and hooks.

        The wire is held, so that no other process of this clone moves it. It
        is a copy: where it cannot follow it is behind until the next contact.
        """
        before, now = self.inner.read_ref(self._ledger), self.tracking.read(self._ledger)
        if now is not None and now != before:
            with suppress(ContendedError, LockedError, FailedError, UnavailableError):
                self.inner.swap(self._ledger, before, now)

    def _fresh_since_ns(self) -> int:
        """Return since when the server has to have been asked, for the ledger to be fresh.

        How long that took does not count: on a slow line every look would be a fetch.
        """
        fresh_ns = self._clock.monotonic_ns() - self.fresh_ns
        if self.contacts.last_end_ns() >= fresh_ns:
            return self._since_ns
        return max(self._since_ns, fresh_ns)

    def server_value(self, ref: str) -> Oid | None:
        """Return where a branch is on the server, as of the last contact."""
        known = self.tracking.read(ref)
        if known is None and not self.is_offline:
            self._look(self._clock.monotonic_ns())
            known = self.tracking.read(ref)
        return known

    # reading

    def read_ref(self, ref: str) -> Oid | None:
        """Return the oid that a ref holds now; the ledger's as the server has it."""
        if ref == self._ledger:
            self._look(self._fresh_since_ns())
            return self.tracking.read(ref)
        if ref.startswith(self._beats):
            return self.tracking.read(ref)
        known = self.inner.read_ref(ref)
        if known is None and ref.startswith(self._own):
            known = self.tracking.read(ref)
        return known

    def has_ref(self, ref: str) -> bool:
        """Return whether a ref is there with its object, in this clone."""
        return self.inner.has_ref(ref)

    def list_refs(self, prefix: str) -> dict[str, Oid]:
        """Return every ref whose name starts with ``prefix``, here or on the server."""
        found = self.inner.list_refs(prefix)
        if prefix.startswith(self._own):
            found = {**self.tracking.list(prefix), **found}
        return dict(sorted(found.items()))

    def read_entry(self, oid: Oid) -> EntryObject:
        """Read a commit."""
        return self.inner.read_entry(oid)

    def cut_entries(self) -> frozenset[Oid]:
        """Return the commits that the histories of a shallow clone begin with."""
        return self.inner.cut_entries()

    def read_blob(self, oid: Oid) -> bytes:
        """Read a blob."""
        return self.inner.read_blob(oid)

    def read_tree(self, oid: Oid) -> Mapping[str, TreeItem]:
        """Read one level of a tree."""
        return self.inner.read_tree(oid)

    def hash_blob(self, content: bytes) -> Oid:
        """Return the oid that a blob would have; writes nothing."""
        return self.inner.hash_blob(content)

    # writing objects: they lie here until a push takes them along

    def write_blob(self, content: bytes) -> Oid:
        """Write a blob and return its oid."""
        return self.inner.write_blob(content)

    def write_tree(
        self,
        base: Oid | None,
        changes: Mapping[str, bytes | BlobRef | None],
        *,
        is_further: bool = False,
    ) -> Oid:
        """Write ``base`` with paths changed (None: removed); return the tree."""
        return self.inner.write_tree(base, changes, is_further=is_further)

    def committer(self) -> tuple[str, str]:
        """Return the name and the address that commits of this user carry."""
        return self.inner.committer()

    def write_entry(
        self,
        tree: Oid,
        parents: tuple[Oid, ...],
        message: str,
        author: tuple[str, str],
        time: int,
        *,
        committer: tuple[str, str] | None = None,
        is_synced: bool = True,
    ) -> Oid:
        """Write a commit and return its oid; no ref moves."""
        return self.inner.write_entry(
            tree, parents, message, author, time, committer=committer, is_synced=is_synced
        )

    def sync(self) -> None:
        """Put every object that was written on the disk, where git finds it."""
        self.inner.sync()

    def discard(self, oid: Oid) -> None:
        """Leave an object to git: what was fetched may name it still."""

    # moving refs

    def swap(
        self,
        ref: str,
        expected: Oid | None,
        new: Oid,
        *,
        verify: Mapping[str, Oid | None] | None = None,
    ) -> None:
        """Move a ref; the ledger and beats on the server, others here.

        If it fails before the server accepted, nothing moved there. If this
        process dies afterwards, the local branch follows with the next fetch.

        Raises:
            ContendedError: A ref is elsewhere; nothing moved.
            LockedError: The local branch is locked; nothing moved.
            UnavailableError: The server was not reached; nothing moved.
            RefusedError: The server forbids it (reason ``remote``); nothing moved.
            UnknownError: Cut off in the push: it may have been made, or be made yet.

        """
        if ref == self._ledger:
            self._publish(expected, new, verify or {})
        elif ref.startswith(self._beats):
            self._refuse_offline()
            self.push([Update(ref, expected, new)], ref)
            # Read after the write: a takeover that came in between has to be seen.
            self.ask_anew()
        else:
            self.inner.swap(ref, expected, new, verify=verify)

    def _refuse_offline(self) -> None:
        if self.is_offline:
            raise UnavailableError(
                f"the ledger is on {self.remote.name}, and `--offline` only reads",
                hint="leave --offline out",
            )

    def _publish(self, expected: Oid | None, new: Oid, verify: Mapping[str, Oid | None]) -> None:
        """Push entries with all that belongs to them, as one move or none."""
        self._refuse_offline()
        lock = self.common_dir / f"{self._ledger}.lock"
        if lock.exists():
            # Now it can be healed as on one machine; later the push would stand alone.
            raise LockedError(lock)
        if self.tracking.read(self._ledger) != expected:
            raise ContendedError(self._ledger)
        batch = batch_between(self.inner, expected, new)
        for ref, oid in verify.items():
            if self._value_of(ref) != oid:
                self.ask_anew()
                raise ContendedError(ref)
        self.push(self._updates(expected, new, batch, verify), self._ledger, batch)

    def _value_of(self, ref: str) -> Oid | None:
        if ref.startswith(HEADS):
            return self.server_value(ref)
        return self.read_ref(ref)

    def _updates(
        self, expected: Oid | None, new: Oid, batch: Batch, verify: Mapping[str, Oid | None]
    ) -> list[Update]:
        """List what one push moves: the ledger, what its entries name, and a target."""
        updates = [Update(self._ledger, expected, new)]
        updates += companion_updates(self.inner, self._name, batch, self.tracking.read)
        for event in batch.events:
            updates += self._target_updates(event)
        return updates + beat_updates(self.inner, self._name, batch, verify)

    def _target_updates(self, event: Event) -> list[Update]:
        """Return the move of the target that an entry says is done, if it is still to be made.

        The first entry takes the target along where the server does not have it.

        Raises:
            RefusedError: The target is neither where it was nor where the move
                takes it (reason ``target-moved``); nothing moved.

        """
        if event["op"] == "init":
            target = event["target"]
            there = self.remote.refs([target], timeout_s=self.timeout_s)
            return [] if there else [Update(target, None, event["target_tip"])]
        move = target_move_of(event)
        if move is None:
            return []
        now = self.server_value(move.target)
        if now == move.old:
            return [Update(move.target, move.old, move.new)]
        if now is not None and holds_move(self._git, now, move.old, move.new):
            return []
        raise RefusedError(
            f"{move.target} moved on {self.remote.name} meanwhile",
            reason="target-moved",
            hint="try again",
        )

    def push(self, updates: list[Update], ref: str, batch: Batch | None = None) -> None:
        """Push until the server has accepted, or has surely not.

        The same commits from the same values apply once at most, so that a
        push that was cut off is made again.
        """
        deadline = Deadline(self._clock, self.timeout_s)
        tries = Tries(self._clock)
        forbidden, was_cut = 0, False
        while True:
            done = self._push_once(updates, deadline)
            if done.end == "accepted":
                return
            was_cut = was_cut or done.end == "cut-off"
            if deadline.expired and was_cut:
                raise self._unknown(done, batch)
            if done.end == "unreached" and not was_cut:
                if deadline.expired or not tries.again():
                    raise self.remote.unreached(done.said)
                continue
            try:
                self.contact(self._clock.monotonic_ns())
            except UnavailableError:
                if not was_cut:
                    raise
                tries.wait()
                continue
            if self._is_there(updates[0]):
                return
            if not self._stand_as_expected(updates):
                raise ContendedError(ref)
            if done.end == "rejected" and not done.is_locked:
                forbidden += 1
            if forbidden >= MAX_FORBIDDEN or (done.end == "rejected" and deadline.expired):
                raise self.remote.forbidden(done)
            tries.wait()

    def _push_once(self, updates: list[Update], deadline: Deadline) -> Pushed:
        """Push, and keep here what the server then holds."""
        self.inner.sync()
        with self.contacts.hold(max(1.0, deadline.remaining())) as handles:
            began_ns = self._clock.monotonic_ns()
            done = self.tracking.push(updates, timeout_s=self.timeout_s, keep=handles)
            if done.end == "accepted" and updates[0].ref == self._ledger:
                if self.tracking.read(self._ledger) != updates[0].new:
                    self._fetch(handles)
                self._follow()
                self.contacts.note(began_ns, is_fetch=False)
        return done

    def _is_there(self, update: Update) -> bool:
        """Return whether a push that was cut off was made after all.

        An entry that a rollback has abandoned since was made, too.
        """
        now = self.tracking.read(update.ref)
        if now == update.new or update.new is None or update.ref != self._ledger:
            return now == update.new
        tips = [*self.tracking.list(attic_refs(self._name)).values()]
        if now is not None:
            tips.insert(0, now)
        return any(is_ancestor(self._git, update.new, tip) for tip in tips)

    def _stand_as_expected(self, updates: list[Update]) -> bool:
        """Return whether every ref of a push is on the server where it has to be before it."""
        for update in updates:
            now = self.tracking.read(update.ref)
            if now not in {update.expected, update.new}:
                return False
        return True

    def _unknown(self, done: Pushed, batch: Batch | None) -> Exception:
        """Return that an entry may be on the server; a beat that may be is none."""
        if batch is None:
            return UnavailableError(
                f"{self.remote.name} did not answer: {done.said}",
                hint="try again; a lease counts from the last beat that was accepted",
            )
        # The oldest is the own one; on top of it are those of others.
        event = batch.events[-1]
        return UnknownError(
            f"the outcome of {event['op']} is not known: {done.said}",
            hint="this agent's next command settles it before it does anything else",
            entry_id=event["id"],
        )

    # the rest is the engine's

    def broken_refs(self, prefix: str) -> tuple[str, ...]:
        """Return every ref whose name starts with ``prefix`` and that holds no oid."""
        return self.inner.broken_refs(prefix)

    def repair_ref(self, ref: str, new: Oid) -> None:
        """Set a broken ref to an oid; one that is not broken is left alone."""
        self.inner.repair_ref(ref, new)

    def delete_ref(self, ref: str, expected: Oid) -> None:
        """Remove a ref here; one that is on the server alone stays there."""
        if self.inner.read_ref(ref) is not None:
            self.inner.delete_ref(ref, expected)

    def drop(self, refs: Mapping[str, Oid]) -> None:
        """Remove refs on the server and here, those that hold what is expected.

        If it fails some are still there, and nothing else has changed.

        Raises:
            ContendedError: One was moved meanwhile.
            GitcoordError: The server was not reached, or forbids it.

        """
        known = {ref for ref, oid in refs.items() if self.tracking.read(ref) == oid}
        there = [Update(ref, refs[ref], None) for ref in sorted(known)]
        for start in range(0, len(there), MAX_DROPPED):
            self.push(there[start : start + MAX_DROPPED], there[start].ref)
        for ref, oid in refs.items():
            self.delete_ref(ref, oid)

    def is_lost(self) -> bool:
        """Return whether an object of the last entry is gone from the disk."""
        return self.inner.is_lost()

    def refresh(self) -> None:
        """Forget what is cached of packs and refs."""
        self.inner.refresh()

    def close(self) -> None:
        """Give back file handles."""
        self.inner.close()
