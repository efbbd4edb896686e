"""Ask whoever has the turn next for an entry, and write it by ourselves if nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from gitcoord.core.errors import UnavailableError, UnknownError
from gitcoord.core.ids import Oid
from gitcoord.ledger.deciding import Done, Shared, Turn
from gitcoord.ledger.files import sync_files
from gitcoord.ledger.pending import find_since
from gitcoord.ledger.shared_turns import asked_facts, others_get_on

if TYPE_CHECKING:
    from gitcoord.ledger.asked import Question
    from gitcoord.ledger.ledger import Ledger
    from gitcoord.store.queue import Turns

__all__ = ["Asker"]

PATIENCE_S = 2.0
"""How long others may do nothing before we go on without them."""
REMOTE_PATIENCE_S = 6.0
"""How long over a server: whoever has the turn may give way to other clones for five of them."""


class _Publish(Protocol):
    """Try until an entry is published, or a rule or the clock says no."""

    def __call__(self, turn: Turn, *, is_queued: bool) -> Done: ...


class Asker:
    """Who found the turn taken."""

    def __init__(self, ledger: Ledger, turns: Turns, publish: _Publish) -> None:
        self._ledger = ledger
        self._turns = turns
        self._publish = publish

    def ask(self, turn: Turn, shared: Shared) -> Done | None:
        """Wait for an answer, or for a turn of ours; None: it was left to us.

        Raises:
            GitcoordError: Refused: nothing changed.
            UnavailableError: Neither came before the deadline: nothing changed.
            UnknownError: What was asked may have been published, or be published yet.

        """
        ledger = self._ledger
        seen = ledger.known_tip()
        if seen is None:
            return None
        sync_files(shared.prepare(turn.context))
        question = ledger.asked.question(turn.agent, turn.context.id, seen)
        committer = ledger.store.committer()
        question.ask(
            asked_facts(shared, turn.agent, turn.context, seen, committer, ledger.timeout_s)
        )
        patience_s = PATIENCE_S
        if ledger.server is not None:
            patience_s = REMOTE_PATIENCE_S
        try:
            with self._turns.take_unless(
                min(patience_s, ledger.queue_wait_s, ledger.timeout_s),
                question.is_answered,
                others_get_on(ledger.known_tip, seen, turn.deadline, self._is_talking()),
            ) as is_held:
                answer = question.answer()
                if answer is None:
                    return self._by_ourselves(turn._replace(seen=seen), question, is_held=is_held)
                if isinstance(answer.refusal, UnknownError):
                    # Settled later, as an operation of ours.
                    question.withdraw(ledger.pending)
                    raise answer.refusal
        except BaseException:
            question.leave()
            raise
        question.end()
        if answer.refusal is not None:
            raise answer.refusal
        if answer.entry is None:
            return None
        return ledger.published(turn, answer.entry)

    def _is_talking(self) -> Callable[[], bool] | None:
        """Return a test of whether somebody talks with the server; None without a server."""
        if self._ledger.server is None:
            return None
        return self._ledger.server.contacts.is_busy

    def _by_ourselves(self, turn: Turn, question: Question, *, is_held: bool) -> Done:
        """Publish what was asked of others in vain.

        Unless it is certain that nobody publishes it any more, it has no other end
        than an entry that stands, or a ledger that has moved on without it: a stopped
        process may go on, and a push of a dead one may arrive at the server.
        """
        server = self._ledger.server
        is_certain = question.withdraw(self._ledger.pending) or (is_held and server is None)
        last = self._ledger.known_tip()
        try:
            if server is not None:
                self._refuse_late(turn, is_held=is_held)
            if server is not None and not is_certain:
                # What became of the push of who took it has to be asked.
                server.ask_anew()
            return self._publish(turn, is_queued=is_held)
        except Exception as error:
            is_settled = is_certain or isinstance(error, UnknownError)
            if is_settled or self._has_moved_on(turn, last):
                raise
            raise UnknownError(
                f"another process may still publish what was asked of it: {error}",
                hint="this agent's next command settles it before it does anything else",
                entry_id=turn.context.id,
            ) from error

    def _refuse_late(self, turn: Turn, *, is_held: bool) -> None:
        """Refuse to wait once more, for the wire, where the time is over.

        Raises:
            UnavailableError: It is; nothing changed.

        """
        if turn.deadline.expired and not is_held:
            raise UnavailableError(
                f"others have been writing for more than {turn.deadline.seconds:g} seconds",
                hint="try again, or wait longer with --timeout",
            )

    def _has_moved_on(self, turn: Turn, last: Oid | None) -> bool:
        """Return whether the ledger moved since a tip was read, and without our entry.

        Whoever took the request goes by a tip that is not newer than that one: from
        there nothing can be published any more.
        """
        ledger = self._ledger
        now = ledger.known_tip()
        if now == last or turn.seen is None:
            return False
        return find_since(ledger.store, now, turn.seen, turn.context.id, ledger.attic) is None
