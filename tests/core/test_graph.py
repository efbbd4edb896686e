"""Needs followed: cycles, impact, waves and the longest chain."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.graph import (
    DEFAULT_ESTIMATE_MS,
    dependents_of,
    find_cycle,
    impact,
    levels,
    remaining_chain_ms,
    waves,
)
from gitcoord.core.plan import parse


@pytest.mark.long
def test_graphs_of_a_hundred_thousand_tasks_are_walked_without_recursion() -> None:
    chain = {str(number): [str(number - 1)] if number else [] for number in range(100_000)}
    assert find_cycle(chain) is None
    assert remaining_chain_ms(chain, dict.fromkeys(chain, 1))["0"] == 100_000
    direct, further = impact(dependents_of(chain), "0")
    assert (len(direct), len(further)) == (1, 99_998)


def test_waves_say_how_wide_and_what_limits() -> None:
    document, _ = parse(
        '[[pool]]\nname="default"\nlimit=2\n'
        + "".join(
            f'[[task]]\nid="{name}"\ntitle="T"\npaths=["{path}"]\n'
            for name, path in [("a", "a/"), ("b", "b/"), ("c", "c/"), ("d", "a/x")]
        )
    )
    (wave,) = waves(document["tasks"], document["phases"], document["plan"]["pools"])
    assert wave.width == 2
    assert wave.limits == [
        "overlapping paths keep 1 waiting",
        "pool default takes 2 of 4 at a time",
    ]


NAMES = "abcdefg"
NEEDS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3))


def reached(needs: Mapping[str, list[str]], start: str) -> set[str]:
    """Return what a task needs, directly or through others, the slow way."""
    found: set[str] = set()
    while True:
        more = {need for task in {start} | found for need in needs.get(task, ())} - found
        if not more:
            return found
        found |= more


@given(NEEDS)
def test_a_cycle_is_a_path_that_ends_where_it_began(needs: dict[str, list[str]]) -> None:
    cycle = find_cycle(needs)
    if cycle is None:
        assert not any(task in reached(needs, task) for task in needs)
        return
    assert cycle[0] == cycle[-1]
    assert len(set(cycle)) == len(cycle) - 1
    for task, need in pairwise(cycle):
        assert need in needs[task]


@given(NEEDS, st.sampled_from(NAMES))
def test_impact_is_everyone_who_needs_a_task_once(needs: dict[str, list[str]], task: str) -> None:
    direct, further = impact(
        dependents_of({one: list(dict.fromkeys(of)) for one, of in needs.items()}), task
    )
    everyone = {one for one in needs if task in reached(needs, one)} - {task}
    assert set(direct) - {task} == {one for one in needs if task in needs[one]} - {task}
    assert set(direct + further) - {task} == everyone
    assert len(further) == len(set(further))
    assert not set(further) & set(direct)


@given(NEEDS)
def test_a_level_is_one_more_than_its_deepest_need(needs: dict[str, list[str]]) -> None:
    depth = levels(needs)
    for task, wanted in needs.items():
        known = [need for need in wanted if need in needs]
        is_on_or_behind_a_cycle = any(
            one in reached(needs, one) for one in {task} | reached(needs, task) if one in needs
        )
        assert (task not in depth) == is_on_or_behind_a_cycle
        if task in depth:
            assert depth[task] == max((depth[need] + 1 for need in known), default=0)


def test_the_chain_from_a_task_on_is_the_longest_with_guesses_for_what_has_no_estimate() -> None:
    needs = {"b": ["a"], "c": ["a"], "d": ["b", "c"]}
    estimates = {"a": 1, "b": 50, "c": None, "d": 2, "alone": None}
    assert remaining_chain_ms(needs, estimates) == {
        "a": 1 + DEFAULT_ESTIMATE_MS + 2,
        "b": 52,
        "c": DEFAULT_ESTIMATE_MS + 2,
        "d": 2,
        "alone": DEFAULT_ESTIMATE_MS,
    }


def test_tasks_on_a_cycle_have_a_chain_too() -> None:
    assert remaining_chain_ms({"a": ["b"], "b": ["a"]}, {"a": 5, "b": None}) == {
        "a": 5,
        "b": DEFAULT_ESTIMATE_MS,
    }
