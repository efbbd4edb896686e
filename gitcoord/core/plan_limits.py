"""Read what a plan says of usage limits and of its budget. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gitcoord.core.model import Budget, PlanRecord
from gitcoord.core.plan_types import Values
from gitcoord.core.plan_values import shown

__all__ = ["KEYS", "LIMIT_WAIT_MS", "put_limits"]

KEYS = ("limit_wait", "budget")
LIMIT_WAIT_MS = 900_000
"""How long a claim is kept at a usage limit, where the plan does not say."""
MAX_COST = 1_000_000
MAX_TOKENS = 10**12
MICROS = 1_000_000


def put_limits(
    values: Values, table: dict[str, Any], at: Callable[[str], str], plan: PlanRecord
) -> None:
    """Put ``limit_wait`` and ``budget`` of a plan into its record, where they are not usual."""
    wait_ms = values.duration(table, "limit_wait", at("limit_wait"), "15m")
    if wait_ms is not None and wait_ms != LIMIT_WAIT_MS:
        plan["limit_wait_ms"] = wait_ms
    if "budget" in table:
        plan["budget"] = _budget(values, table["budget"], at("budget"))


def _budget(values: Values, given: Any, at: str) -> Budget:
    budget: Budget = {}
    if not isinstance(given, dict) or not given or given.keys() - {"cost", "tokens"}:
        values.problems.add(at, "budget is a table: { cost = 5.0, tokens = 2000000 }, or one of it")
        return budget
    if "cost" in given:
        cost = given["cost"]
        is_number = isinstance(cost, int | float) and not isinstance(cost, bool)
        if is_number and 0 < cost <= MAX_COST:
            budget["cost_micros"] = round(cost * MICROS)
        else:
            values.problems.add(
                at, f"cost is a number of US dollars up to {MAX_COST}, not {shown(cost)}"
            )
    if "tokens" in given:
        tokens = values.number(given, "tokens", at, None, 1, MAX_TOKENS)
        if tokens is not None:
            budget["tokens"] = tokens
    return budget
