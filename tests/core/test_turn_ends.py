"""How often an assistant is held while a claim of its is open."""

from __future__ import annotations

import pytest

from gitcoord.core.turn_ends import MAX_HOLDS, MAX_HOLDS_ATTENDED, EndCount, judge_end


def held(ends: int, *, is_attended: bool = False, mark: str = "m") -> list[bool]:
    """Return of some ends, one after another, which were held."""
    count, found = EndCount(), []
    for number in range(ends):
        count = judge_end(count, mark=mark, key=f"k{number}", is_attended=is_attended)
        found.append(count.was_held)
    return found


@pytest.mark.parametrize(("is_attended", "most"), [(False, MAX_HOLDS), (True, MAX_HOLDS_ATTENDED)])
def test_a_turn_is_held_so_often_and_then_let_go_for_good(is_attended: bool, most: int) -> None:
    assert held(most + 3, is_attended=is_attended) == [True] * most + [False] * 3


def test_an_end_that_is_told_twice_counts_once() -> None:
    first = judge_end(EndCount(), mark="m", key="k", is_attended=True)
    assert judge_end(first, mark="m", key="k", is_attended=True) == first
    let_go = judge_end(first, mark="m", key="other", is_attended=True)
    assert (let_go.was_held, let_go.is_let_go) == (False, True)


def test_ends_without_a_key_all_count() -> None:
    count = EndCount()
    for _ in range(MAX_HOLDS):
        count = judge_end(count, mark="m", key="", is_attended=False)
        assert count.was_held
    assert not judge_end(count, mark="m", key="", is_attended=False).was_held


def test_a_new_entry_of_the_claim_begins_the_count_anew() -> None:
    count = EndCount()
    for number in range(MAX_HOLDS + 1):
        count = judge_end(count, mark="one", key=f"k{number}", is_attended=False)
    assert count.is_let_go
    again = judge_end(count, mark="two", key="k9", is_attended=False)
    assert (again.was_held, again.holds, again.is_let_go) == (True, 1, False)
