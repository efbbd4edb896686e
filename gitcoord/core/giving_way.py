"""Decide how long a clone gives way before it pushes to a contended ledger. Pure.

Of all pushes that are under way one wins. Every clone sees the same history, so
each can tell without a word who published last: whoever did waits for those
that have waited longer, a round for each, so that they take turns. What is
decided here are hints. Whether a push counts is decided by the server alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import dropwhile, takewhile
from math import ceil

from gitcoord.core.ids import AgentId
from gitcoord.core.shapes import NamedTuple

__all__ = ["MAX_WAIT_S", "RECENT", "Ahead", "ahead_of", "have_come", "takers", "wait_s"]

RECENT = 64
"""How many of the newest entries tell who takes turns."""
LEEWAY = 2
"""By how many entries whoever takes turns may be late, beside once the number of the others."""
MAX_WAIT_S = 5.0
"""For how long nobody is waited for without another look."""
SHARE = 0.8
"""Of a round of one's own: the way back of a push and the way there of the next go on at once."""
PROOF = 1.6
"""In how many rounds one of those ahead has to come: else they have gone home."""
MOST = 0.6
"""Which part of the entries meanwhile has to be of those ahead."""
CROWDED = 1.5
"""How many times as long as at best a round may take, and nobody gives way."""
SPREAD = 4.0
"""Among how many times what a round takes beyond that a moment is drawn."""


class Ahead(NamedTuple):
    """Which agents have waited longer than one, and how many pushes theirs are."""

    agents: frozenset[AgentId]
    pushes: int


def takers(recent: Sequence[AgentId]) -> list[AgentId]:
    """Return who takes turns now, whoever published last first.

    ``recent`` names the agents of the newest entries, the newest first. Whoever takes turns
    with a few others has an entry among a few of the newest: who has none has gone home.
    """
    found: list[AgentId] = []
    for age, agent in enumerate(recent):
        if agent in found:
            continue
        if age > 2 * len(found) + LEEWAY:
            break
        found.append(agent)
    return found


def ahead_of(agent: AgentId, mates: Collection[AgentId], recent: Sequence[AgentId]) -> Ahead | None:
    """Return who comes before an agent; None: it takes no turns.

    Every agent that has waited longer is ahead, save its ``mates``, the agents of its own
    clone: they queue up by themselves. Which others share a clone does not show; they
    are taken to put as many entries into a push as our clone does.
    """
    taking = takers(recent)
    if agent not in taking:
        return None
    ours = {agent, *mates}
    longer = frozenset(taking[taking.index(agent) :]) - ours
    return Ahead(longer, ceil(len(longer) / _pushed_at_once(ours, recent)))


def _pushed_at_once(ours: Collection[AgentId], recent: Sequence[AgentId]) -> int:
    """Return how many of ours have entries in a row, where the newest is."""
    newest = dropwhile(lambda agent: agent not in ours, recent)
    return len({*takewhile(lambda agent: agent in ours, newest)})


def have_come(ahead: Ahead, since: Sequence[AgentId]) -> bool:
    """Return whether those ahead publish, and not others: else they have gone home.

    ``since`` names the agents of the entries that came during a wait for them.
    """
    theirs = sum(1 for agent in since if agent in ahead.agents)
    return 0 < theirs >= MOST * len(since)


def wait_s(
    ahead: Ahead | None,
    *,
    losses: int,
    is_met: bool,
    round_s: float,
    quickest_s: float,
    chance: float,
) -> float:
    """Return for how many seconds to wait before the next look at the ledger; 0: go.

    ``losses`` are the pushes that the command has lost, ``round_s`` is what a fetch and a
    push take now, ``quickest_s`` what they take at best, ``chance`` is from 0 to 1. Unless
    so many push that all of them are slow, nobody waits. Else those who take turns wait for
    all who are ahead, but until one of these ``is_met`` no longer than it takes one to come.
    Others know nothing of each other: chance sets those apart that have lost.
    """
    slow_by_s = round_s - CROWDED * quickest_s
    if slow_by_s <= 0:
        return 0.0
    seconds = 0.0
    if ahead is not None:
        seconds = ahead.pushes * SHARE * (0.9 + 0.2 * chance) * round_s
        if not is_met:
            seconds = min(seconds, PROOF * round_s)
    elif losses:
        seconds = SPREAD * chance * slow_by_s
    return min(MAX_WAIT_S, seconds)
