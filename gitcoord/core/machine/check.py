"""Refuse every event that the rules forbid on a snapshot.

``check`` looks at no clock: it runs when an event is decided, when a
history is verified, and at a server that accepts a push, always with the
same answer. Whether a lease was really over is the one thing that it
cannot know; it checks that the evidence adds up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gitcoord.core import ids
from gitcoord.core.boundary import boundary_of, recorded
from gitcoord.core.errors import (
    ClaimLostError,
    InvalidPlanError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.leases import leases_of
from gitcoord.core.machine.batches import check_batch
from gitcoord.core.messages import FIELDS
from gitcoord.core.model import FORMAT, PlanDocument
from gitcoord.core.operations.claims import (
    check_built_on,
    check_claim,
    check_expired,
    check_lapsed,
    dependents_on_result,
    held,
    open_phase,
    require_agent,
    task_of,
)
from gitcoord.core.operations.escalations import (
    check_checkpoint,
    check_escalate,
    check_note,
    check_note_drop,
    check_resolve,
)
from gitcoord.core.operations.gates import check_check, check_gate, require_check, require_gates
from gitcoord.core.operations.landings import check_left_out, merge_order, wholeness
from gitcoord.core.operations.locks import check_lock, check_unlock
from gitcoord.core.operations.reviews import check_review, check_verdict
from gitcoord.core.operations.rollbacks import check_rollback, check_rollback_end
from gitcoord.core.snapshot import Snapshot

__all__ = ["check"]


def check(snapshot: Snapshot, event: Event) -> None:
    """Accept an event, or say which rule forbids it.

    Raises:
        GitcoordError: The event is not legal on this snapshot.

    """
    if event.keys() != FIELDS[event["op"]] or event["format"] != FORMAT:
        raise UsageError(f"the keys of a {event['op']} event do not fit")
    if not ids.is_id(event["agent"]):
        raise UsageError(f"{event['agent']!r} is not a valid agent id")
    if (snapshot.record("settings.json") is None) != (event["op"] == "init"):
        raise RefusedError("a ledger begins with init, once", reason="exists")
    _CHECK[event["op"]](snapshot, event)


def _check_init(_snapshot: Snapshot, event: Event) -> None:
    if not (ids.is_id(event["ledger"]) and ids.is_oid(event["target_tip"])):
        raise UsageError("init needs the ledger's id and the target's tip")
    if not event["target"].startswith("refs/heads/"):
        raise UsageError("the target is a branch")


def _check_plan(snapshot: Snapshot, event: Event) -> None:
    document = cast("PlanDocument", snapshot.json_blob(event["input"], "the plan"))
    new = {spec["id"]: spec for spec in document["tasks"]}
    phases = {phase["id"] for phase in document["phases"]}
    problems: list[str] = []
    counts = {"added": 0, "changed": 0}
    for spec in document["tasks"]:
        if spec["phase"] not in phases and snapshot.phase(spec["phase"]) is None:
            problems.append(f"task {spec['id']}: there is no phase {spec['phase']!r}")
        task = snapshot.task(spec["id"])
        if task is not None and task["spec"] == spec:
            continue
        counts["changed" if task else "added"] += 1
        twin = None if task else snapshot.twin(spec["id"])
        if twin:
            problems.append(
                f"task {spec['id']}: the ledger has task {twin}, which differs by case alone"
            )
        if task and task["state"] not in {"open", "failed", "cancelled"}:
            problems.append(
                f"task {spec['id']} is {task['state']}: what is claimed or finished cannot change"
            )
        for phase in {spec["phase"], task["spec"]["phase"] if task else spec["phase"]}:
            record = snapshot.phase(phase)
            if record is not None and record["state"] != "open":
                problems.append(
                    f"task {spec['id']}: phase {phase} has landed, or its landing is under way"
                )
        problems += [
            f"task {spec['id']}: there is no task {need!r} to need"
            for need in spec["needs"]
            if need not in new and snapshot.task(need) is None
        ]
    problems += [
        f"phase {phase['id']} has landed, or its landing is under way: it cannot change"
        for phase in document["phases"]
        if (record := snapshot.phase(phase["id"]))
        and record["state"] != "open"
        and record["spec"] != phase
    ]
    if problems:
        raise InvalidPlanError(
            f"the plan cannot be applied: {len(problems)} problem(s)",
            problems,
            hint="keep those tasks as they are, or give new work a new id",
        )
    if (event["added"], event["changed"]) != (counts["added"], counts["changed"]):
        raise UsageError("the event counts the plan's tasks wrongly")


def _check_agent_add(snapshot: Snapshot, event: Event) -> None:
    name = ids.parse_id(event["name"], "agent id")
    if name.casefold() == ids.ORCHESTRATOR:
        raise RefusedError(
            f"{ids.ORCHESTRATOR} is reserved", reason="reserved", hint="choose another name"
        )
    twins = [
        agent["id"] for agent in snapshot.agents() if agent["id"].casefold() == name.casefold()
    ]
    if twins:
        raise RefusedError(
            f"agent {twins[0]} exists already",
            reason="exists",
            hint="`gitcoord agent list` lists them",
            agent=twins[0],
        )
    if not 1 <= event["capacity"] <= 1000:
        raise UsageError("an agent's capacity is between 1 and 1000")
    plan = snapshot.plan()
    unknown = [pool for pool in event["pools"] if plan is not None and pool not in plan["pools"]]
    if unknown and plan is not None:
        near = ids.nearest(unknown[0], plan["pools"])
        raise NotFoundError(
            f"there is no pool {unknown[0]!r} in the plan",
            hint=f"known: {', '.join(near or plan['pools'])}",
        )


def _check_agent_remove(snapshot: Snapshot, event: Event) -> None:
    require_agent(snapshot, event["name"])
    holds = [
        task["id"]
        for task in snapshot.live()
        if any(lease["agent"] == event["name"] for lease in leases_of(task))
    ]
    if holds:
        raise RefusedError(
            f"agent {event['name']} holds {', '.join(holds[:5])}",
            reason="holds-claims",
            hint="release the claims and reviews first, or let their leases run out and reap them",
        )


def _check_reissue(snapshot: Snapshot, event: Event) -> None:
    task = snapshot.require_task(event["task"])
    claim = task["claim"]
    if claim is None or claim["token"] != event["old"] or claim["agent"] != event["agent"]:
        raise ClaimLostError(
            f"the claim on task {task['id']} is not {event['agent']}'s any more", task=task["id"]
        )
    task_of(snapshot, event)
    if (
        event["token"] == event["old"]
        or event["attempt"] != task["attempt"]
        or event["branch"] != claim["branch"]
    ):
        raise UsageError("a reissue keeps attempt and branch, and has a new token")


def _check_progress(snapshot: Snapshot, event: Event) -> None:
    held(snapshot, event)
    if event["percent"] is not None and not 0 <= event["percent"] <= 100:
        raise UsageError("a percentage is between 0 and 100")
    if len(event["message"].encode()) > 4096:
        raise UsageError("a message has at most 4 KiB")


def _check_complete(snapshot: Snapshot, event: Event) -> None:
    task = held(snapshot, event)
    result = event["result"]
    if (result["token"], result["agent"], result["attempt"]) != (
        event["token"],
        event["agent"],
        event["attempt"],
    ):
        raise UsageError("a result is its claim's")
    if (
        result["oid"] is None
        and task["spec"]["result"] != "optional"
        and task["spec"]["paths"] != []
    ):
        raise RefusedError(
            f"task {task['id']} has to hand in a commit",
            reason="empty-result",
            hint="commit the work on the claim's branch, and complete again",
        )
    if result["oid"] is not None and task["spec"]["paths"] == []:
        raise RefusedError(
            f"task {task['id']} may write nothing, so it hands in no commit",
            reason="boundary",
            hint="`gitcoord complete --no-result` completes it",
        )
    if result["boundary"] != recorded(boundary_of(snapshot, task, snapshot.agent(event["agent"]))):
        raise RefusedError(
            f"the boundary of task {task['id']} changed meanwhile",
            reason="boundary-moved",
            hint="complete again: the work is looked at by the new one",
        )
    check_built_on(snapshot, task, result["built_on"])
    require_check(snapshot, task, result)


def _check_fail(snapshot: Snapshot, event: Event) -> None:
    held(snapshot, event)
    if event["kind"] not in {"transient", "permanent"} or not event["reason"].strip():
        raise UsageError("a failure is transient or permanent, and has a reason")


def _check_release(snapshot: Snapshot, event: Event) -> None:
    held(snapshot, event)


def _check_expire(snapshot: Snapshot, event: Event) -> None:
    if not event["expired"] and not event["lapsed"]:
        raise UsageError("an expiry names at least one claim or lock")
    check_expired(snapshot, event)
    check_lapsed(snapshot, event)


def _check_leaving(snapshot: Snapshot, event: Event) -> None:
    task = task_of(snapshot, event)
    redone = [
        {"task": other["id"], "was": other["state"]}
        for other in dependents_on_result(snapshot, task)
    ]
    if redone != event["redone"]:
        raise RefusedError("the tasks that have to be redone are others", reason="base-moved")
    if event["op"] == "reopen" and not event["reason"].strip():
        raise UsageError("a reopening needs a reason")


def _check_task(snapshot: Snapshot, event: Event) -> None:
    task_of(snapshot, event)


def _check_assign(snapshot: Snapshot, event: Event) -> None:
    task_of(snapshot, event)
    if event["to"] is not None:
        require_agent(snapshot, event["to"])


def _check_land_begin(snapshot: Snapshot, event: Event) -> None:
    pending = snapshot.settings()["pending"]
    if pending is not None:
        raise RefusedError(
            f"a {pending['kind']} is under way",
            reason="pending",
            hint="the next orchestrator command finishes it",
        )
    phase = open_phase(snapshot, event["phase"])
    if not snapshot.is_started(phase):
        raise RefusedError(f"phase {phase['id']} has not started", reason="phase")
    plan = snapshot.plan()
    if plan is None or event["target"] != f"refs/heads/{plan['target']}":
        raise UsageError("a phase lands on the plan's target")
    check_left_out(snapshot, phase["id"], event["without"])
    tasks, missing = wholeness(snapshot, phase["id"], event["without"])
    if missing:
        raise RefusedError(
            f"phase {phase['id']} is not whole: {len(missing)} task(s) are not done",
            reason="not-whole",
        )
    order = merge_order(tasks)
    listed = snapshot.json_blob(event["results"], "the landing's results")
    if listed != order or event["count"] != len(order):
        raise RefusedError(
            f"the results of phase {phase['id']} changed meanwhile", reason="results-changed"
        )
    require_gates(snapshot, phase, event)


def _check_land_end(snapshot: Snapshot, event: Event) -> None:
    pending = snapshot.settings()["pending"]
    ours = {"kind": "landing", **{key: event[key] for key in ("phase", "target", "old", "new")}}
    if pending != ours:
        raise RefusedError(
            f"no such landing of phase {event['phase']} is under way", reason="pending"
        )


_CHECK: dict[str, Callable[[Snapshot, Event], None]] = {
    "init": _check_init,
    "plan": _check_plan,
    "agent-add": _check_agent_add,
    "agent-remove": _check_agent_remove,
    "claim": check_claim,
    "reissue": _check_reissue,
    "progress": _check_progress,
    "complete": _check_complete,
    "review": check_review,
    "review-release": check_verdict,
    "approve": check_verdict,
    "reject": check_verdict,
    "fail": _check_fail,
    "release": _check_release,
    "expire": _check_expire,
    "reopen": _check_leaving,
    "retry": _check_task,
    "cancel": _check_leaving,
    "assign": _check_assign,
    "escalate": check_escalate,
    "resolve": check_resolve,
    "note": check_note,
    "note-drop": check_note_drop,
    "checkpoint": check_checkpoint,
    "batch": check_batch,
    "land-begin": _check_land_begin,
    "land-done": _check_land_end,
    "land-abort": _check_land_end,
    "lock": check_lock,
    "unlock": check_unlock,
    "rollback": check_rollback,
    "rollback-done": check_rollback_end,
    "rollback-abort": check_rollback_end,
    "check": check_check,
    "gate": check_gate,
}
