"""When a claim hangs is said by the plan, else by the estimate, else by a usual time."""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.hanging import DEFAULT_HUNG_MS, hung_ms


def spec(estimate_ms: int | None) -> Any:
    return {"estimate_ms": estimate_ms}


def test_the_plan_decides_then_three_times_the_estimate_then_half_an_hour() -> None:
    plan = cast("Any", {"hung_ms": 500})
    assert hung_ms(plan, spec(1000)) == 500
    assert hung_ms(cast("Any", {}), spec(1000)) == 3000
    assert hung_ms(None, spec(None)) == DEFAULT_HUNG_MS == 30 * 60 * 1000
