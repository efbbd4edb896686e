"""Speak for those who look back: stats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from gitcoord.cli.app import App, pass_app
from gitcoord.cli.output import table
from gitcoord.cli.ticker import ticking
from gitcoord.cli.times import entry_or_time
from gitcoord.core import ids

__all__ = ["stats"]

_UNKNOWN = "not known"
_COUNTS = (
    "tasks",
    "attempts",
    "standing",
    "retries",
    "failed",
    "released",
    "expired",
    "takeovers",
    "rejected",
    "conflicts",
    "culprits",
    "redone",
    "failed_checks",
    "failed_gates",
    "landings",
    "rollbacks",
    "escalations",
)


@click.command()
@click.option(
    "--since",
    metavar="ENTRY|TIME",
    help="Only what began after an entry, or a time (2026-11-24T10:00:00Z, or 2h ago as 2h).",
)
@pass_app
def stats(app: App, since: str | None) -> None:
    """Judge the parallel work: efficiency, overhead, failures, recovery.

    Everything is computed from the ledger, and is the same in any clone.

    Example: gitcoord stats --since 2h
    """
    from gitcoord.features.inspect.statistics import statistics

    entry, time = entry_or_time(app, since)
    with ticking(app, "reading the history"):
        found = statistics(app.work, since=entry, since_time=time)
    app.out.answer("stats", found, _stats_text(found))


def _stats_text(found: dict[str, Any]) -> str:
    from gitcoord.core.stats import CONDITIONS

    lines = []
    for one in found["conditions"]:
        condition = CONDITIONS[one["name"]]
        limit = "under"
        if condition.is_over:
            limit = "over"
        limit += f" {_value(one['name'], one['threshold'])}"
        lines.append(
            (condition.title, _value(one["name"], one["value"]), limit, _verdict(one["is_met"]))
        )
    told = table(lines, ("CONDITION", "IS", "WANTED", "VERDICT"))
    hows = [f"  {one['name']}: {one['how']}" for one in found["conditions"]]
    counts = ", ".join(
        f"{found['counts'][name]} {name.replace('_', ' ')}"
        for name in _COUNTS
        if found["counts"][name]
    )
    spent = ", ".join(
        f"{name.removesuffix('_ms')} {_duration(ms)}" for name, ms in found["times"].items()
    )
    parts = [told, *hows, f"counts  {counts or '-'}", f"times   {spent}"]
    for name in ("agents", "pools", "phases", "assistants"):
        rows = [_row(one) for one in found[name]]
        head = (name.upper(), "TASKS", "ATTEMPTS", "STAND", "SETBACKS", "WORK", "WASTED", "WAITED")
        parts += ["", table(rows, head) or f"{name}: none"]
    return "\n".join(parts)


def _row(one: dict[str, Any]) -> Sequence[object]:
    numbers = (one["name"], one["tasks"], one["attempts"], one["standing"], one["setbacks"])
    spent = [_duration(one[key]) for key in ("work_ms", "wasted_ms", "waiting_ms")]
    return (*numbers, *spent)


def _verdict(is_met: bool | None) -> str:
    if is_met is None:
        return _UNKNOWN
    if is_met:
        return "met"
    return "not met"


def _value(name: str, value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    if name == "recovery":
        return f"{value:.3g} x"
    return f"{value:.1%}"


def _duration(ms: int | None) -> str:
    if ms is None:
        return _UNKNOWN
    if ms < 10_000:
        return f"{ms / 1000:g}s"
    return ids.show_duration(ms)
