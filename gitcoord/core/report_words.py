"""Say a report's numbers in words, the same on every page. Pure."""

from __future__ import annotations

from typing import Any

from gitcoord.core.ids import show_duration
from gitcoord.core.stats import CONDITIONS

__all__ = [
    "UNKNOWN",
    "bar_of",
    "condition_words",
    "cost_words",
    "duration",
    "share",
    "tokens_words",
    "verdict",
]

UNKNOWN = "not known"
MICROS = 1_000_000
EXACT_BELOW_MS = 10_000


def duration(ms: int | None) -> str:
    """Return a time; short ones with what is below a second."""
    if ms is None:
        return UNKNOWN
    if ms < EXACT_BELOW_MS:
        return f"{ms / 1000:g}s"
    return show_duration(ms)


def share(name: str, value: float | None) -> str:
    """Return the value of a condition: a share, or how many times."""
    if value is None:
        return UNKNOWN
    if name == "recovery":
        return f"{value:.3g} x"
    return f"{value:.1%}"


def verdict(is_met: bool | None) -> str:
    """Return whether a condition is met."""
    if is_met is None:
        return UNKNOWN
    if is_met:
        return "met"
    return "not met"


def condition_words(one: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return a condition's name, value, threshold and verdict."""
    condition, name = CONDITIONS[one["name"]], one["name"]
    wanted = f"under {share(name, one['threshold'])}"
    if condition.is_over:
        wanted = f"over {share(name, one['threshold'])}"
    return condition.title, share(name, one["value"]), wanted, verdict(one["is_met"])


def bar_of(one: dict[str, Any]) -> str:
    """Draw a condition's value beside its threshold; nothing of one that is not known."""
    if one["value"] is None:
        return ""
    whole = max(1.0, one["threshold"] * 2)
    place = {key: 100 * min(1.0, max(0.0, one[key] / whole)) for key in ("value", "threshold")}
    kind = "failed"
    if one["is_met"]:
        kind = "passed"
    return (
        '<svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="of" y="3" width="100" height="8"/>'
        f'<rect class="{kind}" y="3" width="{place["value"]:.1f}" height="8"/>'
        f'<rect class="limit" x="{place["threshold"] - 0.3:.1f}" width="0.6" height="14"/></svg>'
    )


def tokens_words(used: dict[str, Any]) -> str:
    """Return how many tokens went in and out."""
    if used["input_tokens"] is None and used["output_tokens"] is None:
        return UNKNOWN
    return f"{used['input_tokens'] or 0:,} in, {used['output_tokens'] or 0:,} out"


def cost_words(used: dict[str, Any]) -> str:
    """Return a cost in US dollars."""
    if used["cost_micros"] is None:
        return UNKNOWN
    return f"${used['cost_micros'] / MICROS:,.2f}"
