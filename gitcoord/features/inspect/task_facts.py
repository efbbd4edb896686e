"""Tell what is known of a task, its claim and its reviews.

Apart from the facts of a whole ledger: a claim shows its task and nothing
else, and does not wait for the rest to be loaded.
"""

from __future__ import annotations

from typing import Any, cast

from gitcoord.core.boundary import paths_of
from gitcoord.core.holds import Hold, holds_of, obstacles
from gitcoord.core.ids import NO_AGENT
from gitcoord.core.leases import Context, is_late, remaining_ms, wait_ms
from gitcoord.core.model import Claim, Lease, Review, TaskRecord
from gitcoord.core.readiness import state_of
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.times import instant
from gitcoord.features.inspect.sentences import setback_facts

__all__ = ["claim_facts", "heartbeat_ms_of", "review_facts", "task_facts"]


def claim_facts(claim: Claim, context: Context, heartbeat_ms: int) -> dict[str, Any]:
    """Return what people and scripts want to know of a claim.

    ``expires_at`` says when its lease will be over if nothing renews it,
    by this machine's clock, for reading only.
    """
    return {
        "token": claim["token"],
        "agent": claim["agent"],
        "attempt": claim["attempt"],
        "branch": claim["branch"],
        "base": claim["base"],
        "since": instant(claim["since"]),
        **_lease_facts(cast("Lease", claim), context, heartbeat_ms),
        "progress": claim["progress"]
        and {**claim["progress"], "at": instant(claim["progress"]["at"])},
    }


def review_facts(review: Review, context: Context, heartbeat_ms: int) -> dict[str, Any]:
    """Return what people and scripts want to know of a review."""
    facts: dict[str, Any] = {
        key: review[key] for key in ("agent", "result", "verdict", "message", "is_verifier")
    }
    facts["at"] = instant(review["at"])
    if review["verdict"] is None:
        facts |= {
            "token": review["token"],
            **_lease_facts(cast("Lease", review), context, heartbeat_ms),
        }
    return facts


def _lease_facts(lease: Lease, context: Context, heartbeat_ms: int) -> dict[str, Any]:
    left_ms = remaining_ms(lease, context)
    return {
        "expires_at": instant(context.time + left_ms / 1000),
        "lease_left_ms": left_ms,
        "is_over": left_ms <= 0,
        "is_late": is_late(lease, heartbeat_ms, context),
    }


def heartbeat_ms_of(snapshot: Snapshot) -> int:
    """Return after how long without a sign of life a holder is late."""
    plan = snapshot.plan()
    if plan:
        return plan["heartbeat_ms"]
    return 300_000


def _state_of(
    snapshot: Snapshot,
    task: TaskRecord,
    context: Context,
    derived: str | None,
    holds: list[Hold] | None,
) -> str:
    """Return a task's state for reading: the stored one, or a derived one."""
    state = state_of(snapshot, task, derived)
    if state != "ready":
        return state
    if holds is None:
        holds = holds_of(snapshot)
    wanted = paths_of(task) or []
    if wait_ms(task["retry"], context) or obstacles(holds, wanted, NO_AGENT, for_claim=True):
        return "waiting"
    return "ready"


def task_facts(
    snapshot: Snapshot,
    task: TaskRecord,
    context: Context,
    derived: str | None = None,
    holds: list[Hold] | None = None,
) -> dict[str, Any]:
    """Return a task as ``--json`` shows it; ``holds`` spare reading them again."""
    spec = task["spec"]
    result = task["result"]
    return {
        "id": spec["id"],
        "title": spec["title"],
        "description": spec["description"],
        "phase": spec["phase"],
        "pool": spec["pool"],
        "paths": spec["paths"],
        "reads": spec["reads"],
        "needs": spec["needs"],
        "priority": spec["priority"],
        "widened": task.get("widened", []),
        "estimate_ms": spec["estimate_ms"],
        "state": _state_of(snapshot, task, context, derived, holds),
        "assigned": task["assigned"],
        "attempt": task["attempt"],
        "failures": task["failures"],
        "branch": task["branch"],
        "claim": claim_facts(task["claim"], context, heartbeat_ms_of(snapshot))
        if task["claim"]
        else None,
        "result": {**result, "at": instant(result["at"])} if result else None,
        "setbacks": [setback_facts(setback) for setback in task["setbacks"]],
        "approvals": task["approvals"],
        "verify_by": spec["verify_by"],
        "reviews": [
            review_facts(review, context, heartbeat_ms_of(snapshot)) for review in task["reviews"]
        ],
    }
