"""A plan says how long a claim is kept at a limit, and what assistants may use."""

from __future__ import annotations

import pytest

from gitcoord.core.errors import InvalidPlanError
from gitcoord.core.plan import parse
from tests.support.builders import tasks


def read(head: str) -> dict[str, object]:
    document, _ = parse(tasks("a", head=f"[plan]\n{head}\n"))
    return dict(document["plan"])


def test_what_is_usual_is_not_in_the_record() -> None:
    plan = read('limit_wait = "15m"')
    assert "limit_wait_ms" not in plan
    assert "budget" not in plan


def test_a_wait_and_a_budget() -> None:
    plan = read('limit_wait = "90s"\nbudget = { cost = 2.5, tokens = 1000000 }')
    assert plan["limit_wait_ms"] == 90_000
    assert plan["budget"] == {"cost_micros": 2_500_000, "tokens": 1_000_000}
    assert read("budget = { cost = 1 }")["budget"] == {"cost_micros": 1_000_000}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("budget = 5", "budget is a table"),
        ("budget = {}", "budget is a table"),
        ("budget = { euros = 5 }", "budget is a table"),
        ("budget = { cost = 0 }", "cost is a number of US dollars"),
        ("budget = { cost = true }", "cost is a number of US dollars"),
        ("budget = { cost = nan }", "cost is a number of US dollars"),
        ("budget = { tokens = 1.5 }", "tokens is a whole number"),
        ("limit_wait = 5", "limit_wait is a duration"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line: str, told: str) -> None:
    with pytest.raises(InvalidPlanError) as raised:
        read(line)
    assert any("plan.toml:2" in one and told in one for one in raised.value.problems)
