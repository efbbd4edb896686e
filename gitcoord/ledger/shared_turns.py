"""Lead a turn for others that wait, or be led: what surrounds the rules of shared turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gitcoord.core.errors import GitcoordError, RefusedError, UnknownError
from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId, Oid
from gitcoord.core.leases import Beat, Context, LeftError
from gitcoord.core.machine import decide
from gitcoord.core.shared_turns import VERSION, Asked, Outcome, chosen, compose
from gitcoord.core.snapshot import Snapshot
from gitcoord.host.clock import Clock, Deadline
from gitcoord.host.processes import identity
from gitcoord.ledger.asked import Answer, AskedFiles
from gitcoord.ledger.deciding import Shared, first_kept, offers_of
from gitcoord.ledger.writing import Step

__all__ = ["SharedTurn", "asked_facts", "others_get_on"]


def asked_facts(
    shared: Shared,
    agent: AgentId,
    context: Context,
    seen: Oid,
    committer: tuple[str, str],
    timeout_s: float,
) -> dict[str, Any]:
    """Return what the file of a request says, for leaders and for who settles it."""
    return {
        "version": VERSION,
        "process": identity(),
        "id": context.id,
        "agent": agent,
        "token": context.token,
        "machine": context.boot_id,
        "now_ns": context.now_ns,
        "timeout_s": timeout_s,
        "committer": list(committer),
        "request": dict(shared.request),
        "tip": seen,
        "op": shared.request["op"],
        "task": shared.request.get("task", ""),
    }


def others_get_on(
    tip: Callable[[], Oid | None],
    seen: Oid,
    deadline: Deadline,
    is_talking: Callable[[], bool] | None = None,
) -> Callable[[], bool]:
    """Return what tells whether the ledger moved since it was asked the last time.

    Where it did, who has the turn is neither dead nor stopped: whoever went on
    without the lock would only take the processor from it, and its swap. Half
    of the time is kept for our own tries. Over a server ``is_talking`` shows the same:
    a push may be long, and a second one beside it would be refused. There all of the
    time is waited.
    """
    last: Oid | None = seen

    def get_on() -> bool:
        nonlocal last
        before, last = last, tip()
        if is_talking is not None:
            return not deadline.expired and (last != before or is_talking())
        return last != before and deadline.remaining() > deadline.seconds / 2

    return get_on


COMPANY_S = 0.25
"""How long a turn takes requests of others: those that wait longer than for one turn
go on without the lock, so that no turn may last as long as they wait."""


class SharedTurn:
    """The requests of others that one turn takes with it.

    ``patience_s`` is how long its writer waits for a server; None: for none.
    """

    def __init__(
        self,
        files: AskedFiles,
        machine: str,
        shared: Shared,
        clock: Clock,
        patience_s: float | None = None,
    ) -> None:
        self._files = files
        self._patience_s = patience_s
        self._deadline = Deadline(clock, COMPANY_S)
        self._shared = shared
        self._machine = machine
        self._taken: list[Asked] = []
        self.outcomes: list[Outcome] = []

    def decide(
        self,
        state: Snapshot,
        own: Step,
        beats: Mapping[AgentId, Beat],
        observed: Mapping[str, int],
    ) -> list[Step]:
        """Take what waits, and decide it after the turn's own entry; return what is accepted.

        The tip of the turn was read before: what its owner took back by then
        is not found here, and what its owner takes back from now on is written by
        its owner on a tip that is read later, so that of both swaps one fails.
        """

        def decided(state: Snapshot, asked: Asked) -> Event:
            context = Context(
                asked.id,
                asked.token,
                own.event["time"],
                asked.machine,
                asked.now_ns,
                beats,
                observed,
            )
            return _decided_for(state, asked, self._shared, context)

        self.outcomes = compose(state, own.event, own.changes, self._takes(), decided)
        return [
            Step(one.event, one.changes or {}, one.asked.committer)
            for one in self.outcomes
            if one.event
        ]

    def _takes(self) -> Iterator[Asked]:
        """Take one request after another, as long as there is time; the others wait on."""
        for asked in chosen(self._files.waiting(), self._machine, self._patience_s):
            if self._deadline.expired:
                return
            if self._files.take(asked):
                self._taken.append(asked)
                yield asked

    def put_back(self) -> None:
        """Let what was taken wait on: the swap did nothing."""
        for asked in self._taken:
            self._files.put_back(asked)
        self._taken, self.outcomes = [], []

    def answer(self, entries: Sequence[Oid]) -> None:
        """Tell every owner, after the swap, what became of its request.

        ``entries`` are those of the accepted requests, in order.
        """
        written = iter(entries)
        told = set()
        for one in self.outcomes:
            told.add(one.asked.id)
            entry = None
            if one.event is not None:
                entry = next(written)
            self._files.give(one.asked, Answer(entry, one.refusal))
        for asked in self._taken:
            if asked.id not in told:
                self._files.give(asked, Answer())

    def fail(self, error: GitcoordError) -> bool:
        """Tell every owner of a swap that failed; return whether to try again without them.

        What the server says of all together, it need not say of each: that is
        found out by each. On one machine they find out for themselves.
        """
        taken, self._taken, self.outcomes = self._taken, [], []
        if self._patience_s is None:
            return False
        for asked in taken:
            answer = Answer(refusal=error)
            if isinstance(error, RefusedError):
                answer = Answer()
            elif isinstance(error, UnknownError):
                answer = Answer(refusal=_unknown(asked, error))
            self._files.give(asked, answer)
        return isinstance(error, RefusedError) and bool(taken)


def _unknown(asked: Asked, error: GitcoordError) -> UnknownError:
    return UnknownError(
        f"the outcome of {asked.request['op']} is not known: it went with another's. "
        + error.message,
        hint=error.hint,
        entry_id=asked.id,
    )


def _decided_for(state: Snapshot, asked: Asked, shared: Shared, context: Context) -> Event:
    """Decide one request of another, with its own id, token and clock.

    Raises:
        LeftError: This process cannot: its owner does it.
        GitcoordError: It is refused.

    """
    request = shared.request_of(asked.request, asked.agent)
    if request is None:
        raise LeftError
    offers = offers_of(request, state, context)
    return first_kept(offers, lambda command: decide(state, command, context))
