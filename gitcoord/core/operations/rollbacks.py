"""Hold the rules of going back to an earlier entry, exactly.

A rollback's parent and state are the chosen entry's, apart from the epoch,
the agents, and what did not survive. A claim, a review or a lock survives
if and only if the abandoned tip holds the same one by the same token: so
no token that was once lost can ever be current again. What survives keeps
its newest sign of life: to go back takes no time from a living holder.

Where a server lets the ledger's branch only grow, the entry is appended
(``forward``): its parent is the tip that it abandons, and the state that it
is decided, checked and applied on is the chosen entry's all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from gitcoord.core import ids
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.ids import AgentId, Oid, Token
from gitcoord.core.layout import SETTINGS, agent_path, lock_path
from gitcoord.core.leases import leases_of, running
from gitcoord.core.model import Claim, Lease, Pending, Renewal, Review, Survivor, TaskRecord
from gitcoord.core.operation import WORDS, Operation, Transitions, copied, keys, why_of
from gitcoord.core.operations.changes import changed, escalate
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task

__all__ = ["OPERATIONS", "held_by_both", "holders", "survivors"]

_ByHolder = Mapping[tuple[str, str, str], Renewal | None]
_ENDED: Transitions = {"claimed": ("claimed", "open"), "review": ("review",)}


def holders(snapshot: Snapshot) -> list[Survivor]:
    """List every claim, running review and lock of a state."""
    found: list[Survivor] = []
    for task in snapshot.live():
        if task["claim"]:
            found.append({"kind": "claim", "name": task["id"], "token": task["claim"]["token"]})
        for review in running(task):
            found.append({"kind": "review", "name": task["id"], "token": review["token"]})
    for lock in snapshot.locks():
        found.append({"kind": "lock", "name": lock["id"], "token": Token(lock["id"])})
    return found


def held_by_both(chosen: Snapshot, abandoned: Snapshot) -> list[Survivor]:
    """Return what both the chosen entry and the abandoned tip hold."""
    current = holders(abandoned)
    return [one for one in holders(chosen) if one in current]


def survivors(chosen: Snapshot, abandoned: Snapshot) -> list[Survivor]:
    """Return what survives, with the signs of life that only the tip has."""
    then, now = _renewals(chosen), _renewals(abandoned)
    found = []
    for one in held_by_both(chosen, abandoned):
        renewed = now.get(one["token"])
        if renewed is not None and renewed != then[one["token"]]:
            one["renewed"] = renewed
        found.append(one)
    return found


def _renewals(snapshot: Snapshot) -> dict[str, Renewal]:
    """Return when each lease was last renewed, by its token."""
    found: dict[str, Renewal] = {}
    for task in snapshot.live():
        for lease in leases_of(task):
            found[lease["token"]] = {
                "boot_id": lease["boot_id"],
                "monotonic_ns": lease["monotonic_ns"],
                "at": lease["at"],
            }
    return found


def check_rollback(chosen: Snapshot, event: Event) -> None:
    """Refuse a rollback onto an entry that cannot be chosen."""
    if chosen.settings()["pending"] is not None:
        raise RefusedError(
            "a move of the target is under way in that entry",
            reason="pending",
            hint="choose the entry before it",
        )
    if not (ids.is_oid(event["onto"]) and ids.is_oid(event["abandoned"])):
        raise UsageError("a rollback names the chosen entry and the abandoned one")
    if type(event["forward"]) is not bool:
        raise UsageError("`forward` of a rollback must be true or false")
    if event["epoch"] <= chosen.settings()["epoch"]:
        raise UsageError("a rollback begins a new epoch")
    _check_survivors(chosen, event["surviving"])
    for name, oid in event["carried"].items():
        if not ids.is_id(name) or chosen.json_blob(oid, f"agent {name}").get("id") != name:
            raise UsageError("a rollback carries over the agents, and nothing else")
    code = event["code"]
    if code is not None:
        _check_code(chosen, code)


def _check_survivors(chosen: Snapshot, surviving: list[Survivor]) -> None:
    held, then = holders(chosen), _renewals(chosen)
    for one in surviving:
        renewed = one.get("renewed")
        if {key: value for key, value in one.items() if key != "renewed"} not in held:
            raise UsageError("what the chosen entry does not hold cannot survive")
        if "renewed" in one and not _is_renewal(renewed, then.get(one["token"])):
            raise UsageError("a sign of life is a lease's, and another than the chosen entry's")


def _is_renewal(renewed: Renewal | None, before: Renewal | None) -> bool:
    """Return whether a sign of life has its shape, and tells something new."""
    if before is None or not isinstance(renewed, dict):
        return False
    if renewed == before or renewed.keys() != before.keys():
        return False
    return isinstance(renewed["boot_id"], str) and all(
        type(renewed[key]) is int for key in ("monotonic_ns", "at")
    )


def _check_code(chosen: Snapshot, code: Pending) -> None:
    if (code["kind"], code["phase"], code["target"]) != ("rollback", None, chosen.target()):
        raise UsageError("a rollback moves the plan's target, or nothing")
    if not (ids.is_oid(code["old"]) and ids.is_oid(code["new"])) or code["old"] == code["new"]:
        raise UsageError("a move of the target has two tips")


def apply_rollback(chosen: Snapshot, event: Event, changes: Changes) -> None:
    """End what did not survive, and carry the agents over."""
    surviving: _ByHolder = {
        (one["kind"], one["name"], one["token"]): one.get("renewed") for one in event["surviving"]
    }
    for task in chosen.live():
        changes |= _without_the_dead(task, surviving)
    for lock in chosen.locks():
        if ("lock", lock["id"], lock["id"]) not in surviving:
            changes[lock_path(lock["id"])] = None
    for agent in chosen.agents():
        if agent["id"] not in event["carried"]:
            changes[agent_path(agent["id"])] = None
    for name, oid in event["carried"].items():
        changes[agent_path(AgentId(name))] = BlobOid(oid)
    settings = {**chosen.settings(), "epoch": event["epoch"], "pending": event["code"]}
    changes[SETTINGS] = settings


def _without_the_dead(task: TaskRecord, surviving: _ByHolder) -> Changes:
    claim, state = task["claim"], task["state"]
    if claim is not None:
        claim = cast("Claim | None", _surviving("claim", task, cast("Lease", claim), surviving))
        if claim is None:
            state = "open"
    reviews = []
    for review in task["reviews"]:
        if review["verdict"] is not None:
            reviews.append(review)
            continue
        kept = _surviving("review", task, cast("Lease", review), surviving)
        if kept is not None:
            reviews.append(cast("Review", kept))
    changes: Changes = {}
    if claim != task["claim"] or reviews != task["reviews"]:
        put_task(changes, changed(task, state=state, claim=claim, reviews=reviews))
    return changes


def _surviving(
    kind: str, task: TaskRecord, lease: Lease, surviving: _ByHolder
) -> Mapping[str, object] | None:
    """Return a lease as it survives, with its newest sign of life; None: it ends."""
    key = (kind, task["id"], lease["token"])
    if key not in surviving:
        return None
    return {**lease, **(surviving[key] or {})}


# rollback-done, rollback-abort


def check_rollback_end(snapshot: Snapshot, event: Event) -> None:
    """Refuse to end a move of a rollback that is not under way."""
    ours: Pending = {
        "kind": "rollback",
        "phase": None,
        "target": event["target"],
        "old": Oid(event["old"]),
        "new": event["new"],
    }
    if snapshot.settings()["pending"] != ours:
        raise RefusedError("no such move of a rollback is under way", reason="pending")


def apply_rollback_done(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """End the move; from now on the target's tip is known to be the new one."""
    settings = {**snapshot.settings(), "pending": None, "target_tip": event["new"]}
    changes[SETTINGS] = settings


def apply_rollback_abort(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """End the move, and tell the orchestrator why it was not made."""
    escalate(changes, event, "rollback-aborted", None, {"reason": why_of(event)})
    changes[SETTINGS] = {**snapshot.settings(), "pending": None}


OPERATIONS = {
    "rollback": Operation(
        fields=keys("onto abandoned epoch"),
        optional={
            "surviving": [],
            "carried": {},
            "code": None,
            "reverts": [],
            "forward": False,
            **WORDS,
        },
        in_passing={"*": _ENDED},
        decide=copied(
            "onto",
            "abandoned",
            "epoch",
            "surviving",
            "carried",
            "reason",
            "code",
            "reverts",
            "forward",
        ),
        check=check_rollback,
        apply=apply_rollback,
        subject="rollback to {onto:12} by {agent}[, moving {code/target}]",
        body="reason",
    ),
    "rollback-done": Operation(
        fields=keys("target old new"),
        decide=copied("target", "old", "new"),
        check=check_rollback_end,
        apply=apply_rollback_done,
        subject="rollback-done: {target} is at {new:12}",
    ),
    "rollback-abort": Operation(
        fields=keys("target old new"),
        optional=WORDS,
        decide=copied("target", "old", "new", "reason"),
        check=check_rollback_end,
        apply=apply_rollback_abort,
        subject="rollback-abort: {reason}",
        body="reason",
    ),
}
