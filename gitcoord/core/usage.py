"""Add up what assistants used, and tell what a session used since it last told. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from gitcoord.core.assistant_output import Told
from gitcoord.core.events import Event
from gitcoord.core.model import Budget, Usage
from gitcoord.core.prices import Price, cost_micros
from gitcoord.core.shapes import NamedTuple

__all__ = ["Spent", "bounded", "over_budget", "spent_of", "usage_of", "usages_in"]

MICROS = 1_000_000


class Spent(NamedTuple):
    """What was used up together; ``unknown`` counts the usages that tell no cost."""

    cost_micros: int = 0
    tokens: int = 0
    unknown: int = 0

    def plus(self, usage: Usage) -> Spent:
        """Return the sum with one more."""
        tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        cost = self.cost_micros + usage.get("cost_micros", 0)
        return Spent(cost, self.tokens + tokens, self.unknown + ("cost_micros" not in usage))


def usages_in(event: Event) -> list[Usage]:
    """Return the usages that an event tells, those in a batch too."""
    found = [usage for inner in event.get("events", []) for usage in usages_in(inner)]
    if event["op"] == "usage":
        found.append(event["usage"])
    return found


def spent_of(usages: Iterable[Usage]) -> Spent:
    """Add usages up."""
    spent = Spent()
    for usage in usages:
        spent = spent.plus(usage)
    return spent


def bounded(*budgets: Budget) -> Budget:
    """Return a budget that is within each of several."""
    found: dict[str, int] = {}
    for budget in budgets:
        for key, value in cast("dict[str, int]", budget).items():
            found[key] = min(value, found.get(key, value))
    return cast("Budget", found)


def over_budget(spent: Spent, budget: Budget) -> str:
    """Return what of a budget is used up, in words; nothing while there is some left."""
    cost, tokens = budget.get("cost_micros"), budget.get("tokens")
    if cost is not None and spent.cost_micros >= cost:
        return f"{spent.cost_micros / MICROS:.2f} of {cost / MICROS:.2f} US dollars"
    if tokens is not None and spent.tokens >= tokens:
        return f"{spent.tokens} of {tokens} tokens"
    return ""


def usage_of(
    told: Told, assistant: str, before: Iterable[Usage], price: Price | None
) -> Usage | None:
    """Return what a session used since the usages that it told before; None for nothing.

    ``price`` estimates the cost where the session does not tell it.
    """
    earlier = [one for one in before if told.session and one.get("session") == told.session]
    if not told.is_total:
        earlier = []
    counts: dict[str, int] = {}
    for key in ("input_tokens", "cached_tokens", "output_tokens", "cost_micros"):
        total = getattr(told, key)
        if total is not None:
            known = sum(int(cast("dict[str, Any]", one).get(key, 0)) for one in earlier)
            counts[key] = max(0, total - known)
    if not any(counts.values()):
        return None
    source = "reported"
    if "cost_micros" not in counts and price is not None:
        source = "estimated"
        counts["cost_micros"] = cost_micros(
            price,
            counts.get("input_tokens", 0),
            counts.get("cached_tokens", 0),
            counts.get("output_tokens", 0),
        )
    names = {"version": told.version, "model": told.model, "session": told.session}
    named = {key: value for key, value in names.items() if value}
    return cast("Usage", {"assistant": assistant, **named, **counts, "source": source})
