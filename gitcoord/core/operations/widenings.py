"""Own the rules of widening: what a claim may write beside its task's paths.

A widening is granted in one entry or refused: it never waits, so that two
claims that widen towards each other end with one refusal. It stays within
what pool, phase and agent are bound to; from there on the task's boundary is
its paths and those it was widened by, and whatever asks sees them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from gitcoord.core import codec, paths
from gitcoord.core.boundary import boundary_of, paths_of
from gitcoord.core.errors import ConflictError, RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.holds import holds_of, obstacles, refuse
from gitcoord.core.ids import AgentId, Oid, TaskId
from gitcoord.core.leases import Context, running
from gitcoord.core.model import Escalation, LockRecord, Said, TaskRecord
from gitcoord.core.operation import Operation, Transitions, holding, keys
from gitcoord.core.operations.changes import MAX_ESCALATION_BYTES, changed
from gitcoord.core.operations.expiry import (
    EXPIRE,
    check_expired,
    check_lapsed,
    end_expired,
    over_claims,
    over_locks,
)
from gitcoord.core.operations.preconditions import held, require_patterns
from gitcoord.core.sentences import said, words
from gitcoord.core.snapshot import Changes, Snapshot, put_task

__all__ = ["KIND", "OPERATIONS", "is_asked", "question", "refuse_reviewed", "refuse_unmerged"]

KIND = "widening"
"""The code of an escalation that asks whether a claim may be widened."""
_WIDENED: Transitions = {"claimed": ("claimed",)}


def decide_widen(snapshot: Snapshot, command: Command, context: Context) -> dict[str, Any]:
    """Gather what is over and stands in the way of the paths."""
    wanted, own = command["paths"], command["task"]

    def hinders(lock: LockRecord) -> bool:
        is_other = lock["agent"] != command["agent"]
        return is_other and paths.overlaps(wanted, lock["paths"]) is not None

    by_token = {lock["token"] for lock in snapshot.locks() if hinders(lock)}

    def stands(task: TaskRecord) -> bool:
        claim = task["claim"]
        if claim is None or task["id"] == own:
            return False
        is_near = paths.overlaps(wanted, paths_of(task) or []) is not None
        return is_near or claim["token"] in by_token

    return {
        **holding(snapshot, command),
        "paths": wanted,
        "expired": over_claims(snapshot, context, stands),
        "lapsed": over_locks(snapshot, context, hinders),
    }


def check_widen(snapshot: Snapshot, event: Event) -> None:
    """Refuse a widening that the rules forbid."""
    task = held(snapshot, event, _WIDENED)
    check_expired(snapshot, event, own=task["id"])
    check_lapsed(snapshot, event)
    wanted = event["paths"] or []
    require_patterns(wanted, "a task's widenings")
    own = paths_of(task)
    if own is None or paths.covers(own, wanted):
        raise RefusedError(f"task {task['id']} may write that already", reason="nothing-to-do")
    require_patterns(_widened_by(task, wanted), "a task's widenings")
    _check_layers(snapshot, event, task, wanted)
    policy = _policy(snapshot)
    if policy == "never":
        raise RefusedError(
            "the plan lets no claim be widened",
            reason="widening",
            hint="`gitcoord escalate` asks the orchestrator to change the plan",
        )
    gone = {one["task"] for one in event["expired"]}
    lapsed = {one["lock"] for one in event["lapsed"]}
    holds = holds_of(snapshot, without={*gone, task["id"]}, lapsed=lapsed)
    found = obstacles(holds, wanted, event["agent"], for_claim=True)
    if found:
        refuse(found, found[0].wanted)
    refuse_reviewed(snapshot.live(), wanted, event["agent"])
    if policy == "ask" and not _is_granted(snapshot, task, wanted):
        raise RefusedError(
            f"task {task['id']} is widened once the orchestrator grants it",
            reason="widening",
            hint="`gitcoord widen` asks, and widens once it is granted",
            question=cast("Any", question(task, wanted)),
        )


def _policy(snapshot: Snapshot) -> str:
    plan = snapshot.plan()
    if plan is None:
        return "ask"
    return plan.get("widening", "ask")


def _check_layers(snapshot: Snapshot, event: Event, task: TaskRecord, wanted: list[str]) -> None:
    """Refuse what the pool, the phase or the agent is not bound to allow."""
    boundary = boundary_of(snapshot, task, snapshot.agent(event["agent"]))
    for layer in boundary.layers:
        if layer.name.startswith("task "):
            continue
        for pattern in wanted:
            if not paths.covers(layer.patterns, [pattern]):
                raise RefusedError(
                    f"{pattern} is outside of {layer.name}: {', '.join(layer.patterns[:5])}",
                    reason="boundary",
                    hint="no widening goes beyond that; `gitcoord escalate` asks for more",
                    paths=[pattern],
                )


def refuse_reviewed(tasks: Iterable[TaskRecord], wanted: list[str], agent: AgentId) -> None:
    """Refuse paths of a result of another agent's that is under review.

    Raises:
        ConflictError: It names the author, and who reviews it.

    """
    for task in tasks:
        result = task["result"]
        if task["state"] != "review" or result is None or result["agent"] == agent:
            continue
        both = paths.overlaps(wanted, paths_of(task) or ["**"])
        if both is None:
            continue
        reviewers = [review["agent"] for review in running(task)]
        raise ConflictError(
            f"{both[0]} is in use: the result of task {task['id']} by {result['agent']} "
            "is under review",
            hint="widen again when it is approved or rejected",
            holder=result["agent"],
            task=task["id"],
            reviewers=[*reviewers],
            paths=[*both],
        )


def refuse_unmerged(
    task: TaskRecord,
    others: Iterable[TaskRecord],
    wanted: list[str],
    built_on: Mapping[TaskId, Oid],
) -> None:
    """Refuse paths that a result has which will land, and which the work does not contain.

    ``others`` are the done tasks of the same phase whose paths may overlap.

    Raises:
        RefusedError: Reason ``base-moved``; it names the branch to merge first.

    """
    for other in others:
        result = other["result"]
        if other["id"] == task["id"] or result is None or not result["oid"] or "landed" in other:
            continue
        both = paths.overlaps(wanted, paths_of(other) or ["**"])
        if both is None or built_on.get(other["id"]) == result["oid"]:
            continue
        raise RefusedError(
            f"{both[0]} may be in the result of task {other['id']}, which this work does not "
            f"contain: branch {other['branch']}",
            reason="base-moved",
            hint=f"merge it first: `git merge {result['oid'][:12]}`, and widen again",
            task=task["id"],
            moved=[other["id"]],
            branch=other["branch"],
        )


def question(task: TaskRecord, wanted: list[str]) -> Said:
    """Return the question that the orchestrator grants: of one attempt, about these paths.

    Raises:
        UsageError: An escalation has no room for so many paths.

    """
    # One text, so that whoever grants it reads every path.
    paths = codec.dump_line(sorted(wanted))
    if len(paths.encode()) > MAX_ESCALATION_BYTES:
        raise UsageError(
            f"the paths have {len(paths.encode())} bytes, and the orchestrator is asked about at "
            f"most {MAX_ESCALATION_BYTES} at once",
            hint="name a folder in place of its files, or ask for some of them",
        )
    return said("may-widen", attempt=task["attempt"], task=task["id"], paths=paths)


def is_asked(escalation: Escalation, task: TaskId, asked: Said) -> bool:
    """Return whether an escalation asks a question; older ones asked it as a text."""
    if escalation["code"] != KIND or escalation["task"] != task:
        return False
    return words(escalation["values"].get("reason", "")) == words(asked)


def _is_granted(snapshot: Snapshot, task: TaskRecord, wanted: list[str]) -> bool:
    asked = question(task, wanted)
    return any(
        is_asked(one, task["id"], asked) and one.get("answer", {}).get("code") == "granted"
        for one in snapshot.escalations()
    )


def apply_widen(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Add the paths to the task's own, and end what stood in the way."""
    end_expired(snapshot, event, changes)
    task = snapshot.require_task(event["task"])
    put_task(changes, changed(task, widened=_widened_by(task, event["paths"] or [])))


def _widened_by(task: TaskRecord, wanted: list[str]) -> list[str]:
    return list(dict.fromkeys([*task.get("widened", []), *wanted]))


OPERATIONS = {
    "widen": Operation(
        fields=keys("task token attempt paths"),
        optional={"expired": [], "lapsed": []},
        transitions=_WIDENED,
        in_passing={"expired": EXPIRE},
        decide=decide_widen,
        check=check_widen,
        apply=apply_widen,
        subject="widen {task} by {agent}: {paths}",
    ),
}
