"""Prices come from a user's table, and cost is worked out from them."""

from __future__ import annotations

from typing import Any

import pytest

from gitcoord.core.errors import UsageError
from gitcoord.core.prices import Price, cost_micros, price_of, read_prices


def test_a_row_has_prices_of_a_million_tokens() -> None:
    rows = {
        "gpt-5.5": {"input": 2, "cached": 0.5, "output": 10.0},
        "codex": {"input": 1, "output": 3},
    }
    prices = read_prices(rows, "prices.toml")
    assert prices == {"gpt-5.5": Price(2.0, 0.5, 10.0), "codex": Price(1.0, 1.0, 3.0)}
    assert (
        cost_micros(prices["gpt-5.5"], 1_000_000, 400_000, 100_000)
        == 1_200_000 + 200_000 + 1_000_000
    )
    assert price_of(prices, "unknown", "codex") == prices["codex"]
    assert price_of(prices, "unknown") is None


@pytest.mark.parametrize(
    "row",
    [
        3,
        {},
        {"input": 1},
        {"input": 1, "output": "2"},
        {"input": -1, "output": 1},
        {"input": 1, "output": 1, "x": 1},
    ],
)
def test_a_row_that_is_none_is_named(row: Any) -> None:
    with pytest.raises(UsageError, match="the price of gpt is not one"):
        read_prices({"gpt": row}, "prices.toml")
