"""Who published last gives way: a fair order from nothing but the history."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.counted_time import Step, Time
from gitcoord.core.chance import Chance
from gitcoord.core.giving_way import (
    CROWDED,
    LEEWAY,
    MAX_WAIT_S,
    PROOF,
    RECENT,
    SPREAD,
    Ahead,
    ahead_of,
    have_come,
    takers,
    wait_s,
)
from gitcoord.core.ids import AgentId

NAMES = [AgentId(name) for name in "abcdefgh"]
agents = st.sampled_from(NAMES)
histories = st.lists(agents, max_size=RECENT)
chances = st.floats(0, 1, exclude_max=True)
ROUND_S = 0.3


def pushes_ahead(agent: AgentId, mates: Sequence[AgentId], recent: list[AgentId]) -> int | None:
    ahead = ahead_of(agent, mates, recent)
    if ahead is None:
        return None
    return ahead.pushes


def some(pushes: int) -> Ahead:
    return Ahead(frozenset(NAMES[:1]), pushes)


def test_all_that_published_before_our_last_entry_and_not_since_are_ahead() -> None:
    a, b, c, d, *_ = NAMES
    assert ahead_of(a, (), [a, b, c, b]) == Ahead(frozenset({b, c}), 2)
    assert ahead_of(b, (), [a, b, c, b]) == Ahead(frozenset({c}), 1)
    assert ahead_of(c, (), [a, b, c, b]) == Ahead(frozenset(), 0)
    assert ahead_of(d, (), [a, b, c, b]) is None
    assert ahead_of(a, (), []) is None


def test_agents_of_one_clone_are_not_ahead_of_each_other() -> None:
    a, b, c, d, *_ = NAMES
    assert pushes_ahead(a, (), [a, b, c, d]) == 3
    assert pushes_ahead(a, (c, d), [a, b, c, d]) == 1
    assert pushes_ahead(a, (b, c, d), [a, b, c, d]) == 0


def test_others_are_taken_to_push_as_many_entries_at_once_as_our_clone_did() -> None:
    a, b, c, d, e, f, *_ = NAMES
    three_clones_of_two = [c, d, e, f, a, b]
    assert pushes_ahead(c, (d,), three_clones_of_two) == 2
    assert pushes_ahead(e, (f,), three_clones_of_two) == 1
    assert pushes_ahead(a, (b,), three_clones_of_two) == 0
    assert pushes_ahead(c, (f,), three_clones_of_two) == 4


@given(histories)
def test_of_those_who_take_turns_the_longest_unserved_goes_first(recent: list[AgentId]) -> None:
    oldest_first = sorted(takers(recent), key=recent.index, reverse=True)
    ahead = [pushes_ahead(agent, (), recent) for agent in oldest_first]
    assert ahead == [*range(len(oldest_first))]


@given(histories)
def test_who_has_no_entry_among_twice_as_many_as_take_turns_has_gone_home(
    recent: list[AgentId],
) -> None:
    taking = takers(recent)
    for place, agent in enumerate(taking):
        assert recent.index(agent) <= 2 * place + LEEWAY
    gone = [agent for agent in dict.fromkeys(recent) if agent not in taking]
    if gone:
        assert recent.index(gone[0]) > 2 * len(taking) + LEEWAY
    assert all(ahead_of(agent, (), recent) is None for agent in gone)


def test_nobody_waits_for_an_orchestrator_that_made_the_plan_long_ago() -> None:
    a, b, c, d, *_ = NAMES
    assert pushes_ahead(a, (), [*[a, b, c] * 2, d, d, d]) == 3
    assert pushes_ahead(a, (), [*[a, b, c] * 3, d, d, d]) == 2


ahead = st.none() | st.builds(some, st.integers(0, RECENT))
counts = st.integers(0, 100)
rounds = st.floats(0, 60)


def waited(
    ahead: Ahead | None,
    chance: float,
    *,
    losses: int = 0,
    is_met: bool = True,
    round_s: float = 1.0,
    quickest_s: float = 0.0,
) -> float:
    return wait_s(
        ahead,
        losses=losses,
        is_met=is_met,
        round_s=round_s,
        quickest_s=quickest_s,
        chance=chance,
    )


@given(ahead, counts, st.booleans(), rounds, rounds, chances)
def test_a_wait_is_bounded_however_many_are_ahead_and_however_slow_the_line_is(
    ahead: Ahead | None,
    losses: int,
    is_met: bool,
    round_s: float,
    quickest_s: float,
    chance: float,
) -> None:
    seconds = wait_s(
        ahead,
        losses=losses,
        is_met=is_met,
        round_s=round_s,
        quickest_s=quickest_s,
        chance=chance,
    )
    assert 0 <= seconds <= MAX_WAIT_S


@given(counts, rounds, rounds, chances)
def test_who_waits_the_longest_goes_at_once_whatever_it_lost(
    losses: int, round_s: float, quickest_s: float, chance: float
) -> None:
    assert waited(some(0), chance, losses=losses, round_s=round_s, quickest_s=quickest_s) == 0


@given(st.integers(0, 3), chances, chances)
def test_whoever_is_ahead_waits_for_less_time(pushes: int, chance: float, other: float) -> None:
    assert waited(some(pushes), chance) < waited(some(pushes + 1), other)


@given(st.integers(1, RECENT), st.floats(0.01, 60), chances)
def test_those_ahead_are_waited_for_at_first_until_one_has_to_have_come(
    pushes: int, round_s: float, chance: float
) -> None:
    first, then = (
        waited(some(pushes), chance, is_met=is_met, round_s=round_s) for is_met in (False, True)
    )
    assert 0 < first <= min(then, PROOF * round_s)


@given(ahead, counts, st.floats(0, CROWDED), chances)
def test_nobody_waits_where_a_round_takes_little_longer_than_at_best(
    ahead: Ahead | None, losses: int, slower: float, chance: float
) -> None:
    assert waited(ahead, chance, losses=losses, round_s=slower, quickest_s=1.0) == 0


@given(rounds, rounds, chances)
def test_who_takes_no_turns_and_lost_nothing_goes_at_once(
    round_s: float, quickest_s: float, chance: float
) -> None:
    assert waited(None, chance, round_s=round_s, quickest_s=quickest_s) == 0


@given(st.integers(1, 100), st.floats(CROWDED, 2 * CROWDED))
def test_those_who_lost_are_set_apart_by_chance_where_all_are_slow(
    losses: int, slower: float
) -> None:
    assert waited(None, 0.0, losses=losses, round_s=slower, quickest_s=1.0) == 0
    seconds = waited(None, 0.5, losses=losses, round_s=slower, quickest_s=1.0)
    assert seconds == min(MAX_WAIT_S, 0.5 * SPREAD * (slower - CROWDED))


def test_it_is_gone_on_waiting_if_most_that_came_were_ahead() -> None:
    a, b, c, d, e, *_ = NAMES
    ahead = Ahead(frozenset({a, b, c}), 3)
    assert have_come(ahead, [b, a])
    assert have_come(ahead, [a, d, c])
    assert not have_come(ahead, [a, d, e])
    assert not have_come(ahead, [d])
    assert not have_come(ahead, [])


class Loops:
    """So many clones that publish in a loop; a fetch and a push take half a round each."""

    def __init__(self, clones: int, seed: int) -> None:
        self.time = Time()
        self.chance = Chance(seed)
        self.history: list[AgentId] = []
        self.waits_s: list[tuple[float, float]] = []
        """When each entry was asked for, and how long it took."""
        self.lost = 0
        for number in range(clones):
            self.time.begin(self._publishing(AgentId(f"x{number}")), self.chance.random() * ROUND_S)

    def _publishing(self, agent: AgentId) -> Step[None]:
        met = False
        while True:
            began_s, losses = self.time.now_s, 0
            seen = yield from self._fetched()
            while True:
                if met:
                    seen, met = yield from self._given_way(agent, losses, seen)
                yield ROUND_S / 2 * (0.9 + 0.2 * self.chance.random())
                if seen == len(self.history):
                    self.history.append(agent)
                    break
                met, losses, self.lost = True, losses + 1, self.lost + 1
                seen = yield from self._fetched()
            self.waits_s.append((began_s, self.time.now_s - began_s))

    def _fetched(self) -> Step[int]:
        yield ROUND_S / 4
        seen = len(self.history)
        yield ROUND_S / 4
        return seen

    def _given_way(self, agent: AgentId, losses: int, seen: int) -> Step[tuple[int, bool]]:
        is_met = False
        while True:
            recent = self.history[max(0, seen - RECENT) : seen][::-1]
            ahead = ahead_of(agent, (), recent)
            chance = self.chance.random()
            seconds = waited(ahead, chance, losses=losses, is_met=is_met, round_s=ROUND_S)
            if seconds <= 0:
                return seen, True
            yield seconds
            before, seen = seen, (yield from self._fetched())
            if ahead is None:
                return seen, True
            if not have_come(ahead, self.history[before:seen]):
                return seen, seen > before
            is_met = True


@pytest.mark.parametrize("clones", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("seed", range(6))
def test_once_all_have_published_the_longest_wait_is_a_few_rounds_for_each_clone(
    clones: int, seed: int
) -> None:
    loops = Loops(clones, seed)
    while len({*loops.history}) < clones or len(loops.history) < 4 * clones:
        loops.time.run(loops.time.now_s + ROUND_S)
    since_s, before, lost = loops.time.now_s, len(loops.history), loops.lost
    loops.time.run(since_s + 40 * clones * ROUND_S)
    longest_s = max(took_s for began_s, took_s in loops.waits_s if began_s > since_s)
    assert longest_s < 3 * clones * ROUND_S
    # A loop that is alone has one entry in each round; those in turn lose little of that.
    entries = len(loops.history) - before
    assert entries > 0.65 * 40 * clones
    assert loops.lost - lost < entries


@given(st.integers(0, 2**32))
def test_a_clone_that_is_alone_waits_for_nobody(seed: int) -> None:
    alone = Loops(1, seed)
    alone.time.run(20 * ROUND_S)
    assert alone.lost == 0
    assert all(took_s < 1.1 * ROUND_S for _, took_s in alone.waits_s)
