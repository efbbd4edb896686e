"""Say when a claim counts as hung: alive, and without a trace of work. Pure."""

from __future__ import annotations

from gitcoord.core.model import PlanRecord, TaskSpec

__all__ = ["hung_ms"]

DEFAULT_HUNG_MS = 30 * 60_000
HUNG_TIMES = 3
"""A task that is estimated may be without a trace for so many times its estimate."""


def hung_ms(plan: PlanRecord | None, spec: TaskSpec) -> int:
    """Return for how long a holder may print, report and commit nothing."""
    told = plan.get("hung_ms") if plan else None
    if told:
        return told
    if spec["estimate_ms"]:
        return HUNG_TIMES * spec["estimate_ms"]
    return DEFAULT_HUNG_MS
