"""Estimate what tokens cost, from a table of prices that a user wrote. Pure.

A table has a row for a model, or for an assistant where the model is not
known: US dollars for a million tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitcoord.core.errors import UsageError
from gitcoord.core.shapes import NamedTuple

__all__ = ["Price", "cost_micros", "price_of", "read_prices"]

_KEYS = ("input", "cached", "output")
MAX_PRICE = 1_000_000


class Price(NamedTuple):
    """US dollars for a million tokens; ``cached`` is for input that came from a cache."""

    input: float
    cached: float
    output: float


def read_prices(table: Mapping[str, Any], place: str) -> dict[str, Price]:
    """Return the prices of a table; ``place`` names it in what is refused.

    Raises:
        UsageError: A row is not what it has to be; it is named.

    """
    return {name: _price(name, row, place) for name, row in table.items()}


def _price(name: str, row: Any, place: str) -> Price:
    known = isinstance(row, dict) and row.keys() <= set(_KEYS) and {"input", "output"} <= row.keys()
    if not known or not all(_is_price(value) for value in row.values()):
        raise UsageError(
            f"{place}: the price of {name} is not one",
            hint=f'["{name}"] has input and output, and perhaps cached: US dollars for a million '
            "tokens",
        )
    return Price(float(row["input"]), float(row.get("cached", row["input"])), float(row["output"]))


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MAX_PRICE


def price_of(prices: Mapping[str, Price], *names: str) -> Price | None:
    """Return the price of the first of these names that the table has."""
    return next((prices[name] for name in names if name in prices), None)


def cost_micros(price: Price, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
    """Return what tokens cost, in millionths of a US dollar; the input has the cached ones too."""
    fresh = max(0, input_tokens - cached_tokens)
    # A dollar for a million tokens is a millionth of a dollar for one.
    return round(fresh * price.input + cached_tokens * price.cached + output_tokens * price.output)
