"""Hold the rules of going back to an earlier entry, exactly.

A rollback's parent and state are the chosen entry's, apart from the epoch,
the agents, and what did not survive. A claim, a review or a lock survives
if and only if the abandoned tip holds the same one by the same token: so
no token that was once lost can ever be current again.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from gitcoord.core import ids
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Event
from gitcoord.core.leases import running
from gitcoord.core.model import Pending, Survivor, TaskRecord
from gitcoord.core.operation import Operation, Transitions, copied, keys
from gitcoord.core.operations.changes import changed, escalate
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task

__all__ = ["OPERATIONS", "holders", "survivors"]

_ENDED: Transitions = {"claimed": ("claimed", "open"), "review": ("review",)}


def holders(snapshot: Snapshot) -> list[Survivor]:
    """List every claim, running review and lock of a state."""
    found: list[Survivor] = []
    for task in snapshot.live():
        if task["claim"]:
            found.append({"kind": "claim", "name": task["id"], "token": task["claim"]["token"]})
        found += [
            {"kind": "review", "name": task["id"], "token": review["token"]}
            for review in task["reviews"]
            if review["verdict"] is None
        ]
    for lock in snapshot.locks():
        found.append({"kind": "lock", "name": lock["id"], "token": lock["id"]})
    return found


def survivors(chosen: Snapshot, abandoned: Snapshot) -> list[Survivor]:
    """List what both the chosen entry and the abandoned tip hold."""
    current = holders(abandoned)
    return [one for one in holders(chosen) if one in current]


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
    if event["epoch"] <= chosen.settings()["epoch"]:
        raise UsageError("a rollback begins a new epoch")
    held = holders(chosen)
    if any(one not in held for one in event["surviving"]):
        raise UsageError("what the chosen entry does not hold cannot survive")
    for name, oid in event["carried"].items():
        if not ids.is_id(name) or chosen.json_blob(oid, f"agent {name}").get("id") != name:
            raise UsageError("a rollback carries over the agents, and nothing else")
    code = event["code"]
    if code is not None:
        _check_code(chosen, code)


def _check_code(chosen: Snapshot, code: Pending) -> None:
    plan = chosen.plan()
    target = f"refs/heads/{plan['target']}" if plan else chosen.settings()["target"]
    if (code["kind"], code["phase"], code["target"]) != ("rollback", None, target):
        raise UsageError("a rollback moves the plan's target, or nothing")
    if not (ids.is_oid(code["old"]) and ids.is_oid(code["new"])) or code["old"] == code["new"]:
        raise UsageError("a move of the target has two tips")


def apply_rollback(chosen: Snapshot, event: Event, changes: Changes) -> None:
    """End what did not survive, and carry the agents over."""
    surviving = {(one["kind"], one["name"], one["token"]) for one in event["surviving"]}
    for task in chosen.live():
        changes |= _without_the_dead(task, surviving)
    for lock in chosen.locks():
        if ("lock", lock["id"], lock["id"]) not in surviving:
            changes[f"locks/{lock['id']}.json"] = None
    for agent in chosen.agents():
        if agent["id"] not in event["carried"]:
            changes[f"agents/{agent['id']}.json"] = None
    for name, oid in event["carried"].items():
        changes[f"agents/{name}.json"] = BlobOid(oid)
    settings = {**chosen.settings(), "epoch": event["epoch"], "pending": event["code"]}
    changes["settings.json"] = settings


def _without_the_dead(task: TaskRecord, surviving: AbstractSet[tuple[str, str, str]]) -> Changes:
    claim = task["claim"]
    state = task["state"]
    if claim is not None and ("claim", task["id"], claim["token"]) not in surviving:
        claim, state = None, "open"
    gone = {
        review["token"]
        for review in running(task)
        if ("review", task["id"], review["token"]) not in surviving
    }
    reviews = [review for review in task["reviews"] if review["token"] not in gone]
    changes: Changes = {}
    if claim is not task["claim"] or gone:
        put_task(changes, changed(task, state=state, claim=claim, reviews=reviews))
    return changes


# rollback-done, rollback-abort


def check_rollback_end(snapshot: Snapshot, event: Event) -> None:
    """Refuse to end a move of a rollback that is not under way."""
    ours: Pending = {
        "kind": "rollback",
        "phase": None,
        "target": event["target"],
        "old": event["old"],
        "new": event["new"],
    }
    if snapshot.settings()["pending"] != ours:
        raise RefusedError("no such move of a rollback is under way", reason="pending")


def apply_rollback_done(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """End the move; from now on the target's tip is known to be the new one."""
    settings = {**snapshot.settings(), "pending": None, "target_tip": event["new"]}
    changes["settings.json"] = settings


def apply_rollback_abort(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """End the move, and tell the orchestrator why it was not made."""
    text = f"the target was not rolled back: {event['reason']}"
    escalate(changes, event, "rollback-aborted", None, text)
    changes["settings.json"] = {**snapshot.settings(), "pending": None}


OPERATIONS = {
    "rollback": Operation(
        fields=keys("onto abandoned epoch surviving carried reason code reverts"),
        in_passing={"*": _ENDED},
        decide=copied(
            "onto", "abandoned", "epoch", "surviving", "carried", "reason", "code", "reverts"
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
        fields=keys("target old new reason"),
        decide=copied("target", "old", "new", "reason"),
        check=check_rollback_end,
        apply=apply_rollback_abort,
        subject="rollback-abort: {reason}",
        body="reason",
    ),
}
