"""What is only JSON is told from a record, for every kind of record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitcoord.core.records import problem_of

AGENT = {"id": "x", "pools": [], "capacity": 1, "paths": None, "worktree": None, "at": 1}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, ""),
        ({"unknown": [1]}, ""),
        ({"paths": ["a/"]}, ""),
        ({"capacity": "1"}, "its capacity is not what it has to be"),
        ({"capacity": True}, "its capacity is not what it has to be"),
        ({"pools": "x"}, "its pools is not what it has to be"),
        ({"paths": [1]}, "its paths is not what it has to be"),
    ],
)
def test_a_record_has_its_keys_and_their_types(changed: dict[str, Any], problem: str) -> None:
    assert problem_of("agents/x.json", {**AGENT, **changed}) == problem


def test_a_key_that_is_missing_is_named() -> None:
    assert problem_of("agents/x.json", {"id": "x"}) == "it has no pools"


@given(JSON)
def test_no_json_makes_the_check_fail(value: Any) -> None:
    for folder in ("settings", "plan.json", "tasks", "agents", "phases", "locks", "gates"):
        problem = problem_of(f"{folder}/x", value)
        assert problem, "none of it is a record by chance"
    assert problem_of("inputs/x", value) == ""
