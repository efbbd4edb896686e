"""Say which records an event changes; never refuse, never look at time.

``apply`` is called only with events that ``check`` accepted on the same
snapshot. Every function here is one operation's fold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.events import Event
from gitcoord.core.machine.batches import apply_batch
from gitcoord.core.model import (
    AgentRecord,
    Claim,
    PhaseRecord,
    PlanDocument,
    Result,
    Setback,
    Settings,
    State,
    TaskRecord,
    TaskSpec,
)
from gitcoord.core.operations.escalations import (
    apply_checkpoint,
    apply_escalate,
    apply_note,
    apply_note_drop,
    apply_resolve,
    close_escalations,
    escalate,
)
from gitcoord.core.operations.gates import apply_check, apply_gate
from gitcoord.core.operations.locks import (
    apply_lock,
    apply_unlock,
    end_lapsed,
    end_locks_of,
    end_with_claims,
)
from gitcoord.core.operations.reviews import (
    apply_approve,
    apply_review,
    apply_review_release,
    approvals_of,
    end_reviews,
)
from gitcoord.core.operations.rollbacks import apply_rollback, apply_rollback_end
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot, put_task

__all__ = ["apply"]

MAX_SETBACKS = 5
MAX_SETBACK_BYTES = 600


def apply(snapshot: Snapshot, event: Event) -> Changes:
    """Give the records that an event changes, by path."""
    changes: Changes = {}
    _APPLY[event["op"]](snapshot, event, changes)
    end_with_claims(snapshot, changes)
    return changes


def _task(snapshot: Snapshot, event: Event) -> TaskRecord:
    return snapshot.require_task(event["task"])


def _with(task: TaskRecord, **fields: object) -> TaskRecord:
    return cast("TaskRecord", {**task, **fields})


def _setback(task: TaskRecord, event: Event, kind: str, reason: str, agent: str) -> list[Setback]:
    setback: Setback = {
        "attempt": task["attempt"],
        "agent": agent,
        "kind": kind,
        "reason": codec.cut(reason, MAX_SETBACK_BYTES),
        "at": event["time"],
    }
    return [*task["setbacks"], setback][-MAX_SETBACKS:]


def _set_back(
    snapshot: Snapshot,
    event: Event,
    changes: Changes,
    task: TaskRecord,
    *,
    kind: str,
    reason: str,
    agent: str,
    final: bool = False,
    **fields: object,
) -> None:
    """Count a failure: the task opens again, or fails and escalates."""
    plan = snapshot.plan()
    failures = task["failures"] + 1
    is_over = final or (plan is not None and failures >= plan["max_attempts"])
    state: State = "failed" if is_over else "open"
    put_task(
        changes,
        _with(
            task,
            **{
                "state": state,
                "claim": None,
                "failures": failures,
                "reviews": [],
                "setbacks": _setback(task, event, kind, reason, agent),
                **fields,
            },
        ),
    )
    if is_over:
        text = f"task {task['id']} failed after {failures} failure{'s' * (failures != 1)}: {reason}"
        escalate(changes, event, "task-failed", task["id"], text)


def _claim_of(event: Event, task: TaskRecord) -> Claim:
    held = task["claim"]
    base = event["base"] if "base" in event else held["base"] if held else ""
    built_on = event["built_on"] if "built_on" in event else held["built_on"] if held else {}
    return {
        "token": event["token"],
        "agent": event["agent"],
        "attempt": event["attempt"],
        "session": event["session"],
        "boot_id": event["boot_id"],
        "monotonic_ns": event["monotonic_ns"],
        "lease_ms": event["lease_ms"],
        "at": event["time"],
        "since": event["time"],
        "base": base,
        "branch": event["branch"],
        "built_on": built_on,
        "progress": None,
    }


def _init(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    settings: Settings = {
        "format": event["format"],
        "ledger": event["ledger"],
        "epoch": 0,
        "task_prefix": event["task_prefix"],
        "target": event["target"],
        "target_tip": event["target_tip"],
        "next_order": 0,
        "pending": None,
    }
    changes["settings.json"] = cast("dict[str, Any]", settings)


def _plan(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    document = cast("PlanDocument", snapshot.json_blob(event["input"], "the plan"))
    settings = snapshot.settings()
    order = settings["next_order"]
    reviews = {phase["id"]: phase["spec"]["reviews"] for phase in snapshot.phases()}
    for phase in document["phases"]:
        reviews[phase["id"]] = phase["reviews"]
        known = snapshot.phase(phase["id"])
        record: PhaseRecord = {
            "id": phase["id"],
            "order": order,
            "spec": phase,
            "state": "open",
            "landing": None,
        }
        if known is None:
            order += 1
        else:
            record = {**known, "spec": phase}
        if record != known:
            changes[f"phases/{phase['id']}.json"] = cast("dict[str, Any]", record)
    for spec in document["tasks"]:
        task = snapshot.task(spec["id"])
        if task is None:
            put_task(changes, _new_task(spec, order, reviews[spec["phase"]]))
            del changes[f"live/{spec['id']}.json"]
            order += 1
        elif task["spec"] != spec:
            put_task(
                changes,
                _with(task, spec=spec, approvals=approvals_of(reviews[spec["phase"]], spec)),
            )
    # Tasks of an earlier plan stay, and so do their pools.
    known_plan = snapshot.plan()
    pools = {**(known_plan["pools"] if known_plan else {}), **document["plan"]["pools"]}
    changes["plan.json"] = cast("dict[str, Any]", {**document["plan"], "pools": pools})
    changes["inputs/plan.json"] = BlobOid(event["input"])
    if order != settings["next_order"]:
        changes["settings.json"] = cast("dict[str, Any]", {**settings, "next_order": order})


def _new_task(spec: TaskSpec, order: int, reviews: int) -> TaskRecord:
    return {
        "id": spec["id"],
        "order": order,
        "spec": spec,
        "approvals": approvals_of(reviews, spec),
        "state": "open",
        "assigned": None,
        "attempt": 0,
        "failures": 0,
        "claim": None,
        "reviews": [],
        "result": None,
        "branch": None,
        "retry": None,
        "setbacks": [],
    }


def _agent_add(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    agent: AgentRecord = {
        "id": event["name"],
        "pools": event["pools"],
        "capacity": event["capacity"],
        "paths": event["paths"],
        "worktree": event["worktree"],
        "at": event["time"],
    }
    changes[f"agents/{agent['id']}.json"] = cast("dict[str, Any]", agent)


def _agent_remove(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    end_locks_of(snapshot, event["name"], changes)
    changes[f"agents/{event['name']}.json"] = None


def _expire_all(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    reviewing = end_reviews(snapshot, event, changes)
    for gone in event["expired"]:
        if gone["token"] in reviewing:
            continue
        reason = f"the lease of {gone['agent']} ran out"
        _set_back(
            snapshot,
            event,
            changes,
            snapshot.require_task(gone["task"]),
            kind="expired",
            reason=reason,
            agent=gone["agent"],
        )
    end_lapsed(event, changes)


def _claim(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    _expire_all(snapshot, event, changes)
    task = _task(snapshot, event)
    fields: dict[str, Any] = {}
    if event["takeover"]:
        holder = event["takeover"]["agent"]
        fields["failures"] = task["failures"] + 1
        reason = f"the lease of {holder} ran out, and {event['agent']} took the task over"
        fields["setbacks"] = _setback(task, event, "expired", reason, holder)
    put_task(
        changes,
        _with(
            task,
            **{
                "state": "claimed",
                "claim": _claim_of(event, task),
                "attempt": event["attempt"],
                "branch": event["branch"],
                "retry": None,
                **fields,
            },
        ),
    )


def _reissue(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    task = _task(snapshot, event)
    claim = _claim_of(event, task)
    held = cast("Claim", task["claim"])
    put_task(
        changes, _with(task, claim={**claim, "since": held["since"], "progress": held["progress"]})
    )


def _progress(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    task = _task(snapshot, event)
    claim = cast("Claim", task["claim"])
    last = claim["progress"]
    percent = (
        event["percent"] if event["percent"] is not None else (last["percent"] if last else None)
    )
    progress = {
        "message": codec.cut(event["message"], 500),
        "percent": percent,
        "at": event["time"],
    }
    stamp = {
        "boot_id": event["boot_id"],
        "monotonic_ns": event["monotonic_ns"],
        "at": event["time"],
    }
    put_task(changes, _with(task, claim={**claim, **stamp, "progress": progress}))


def _complete(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    task = _task(snapshot, event)
    phase = cast("PhaseRecord", snapshot.phase(task["spec"]["phase"]))
    needed = approvals_of(phase["spec"]["reviews"], task["spec"])
    state: State = "review" if needed else "done"
    put_task(
        changes,
        _with(task, state=state, claim=None, result=event["result"], reviews=[], approvals=needed),
    )


def _reject(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    task = _task(snapshot, event)
    author = cast("Result", task["result"])["agent"]
    reason = f"{event['agent']} rejected the result: {event['reason']}"
    _set_back(
        snapshot, event, changes, task, kind="rejected", reason=reason, agent=author, result=None
    )


def _fail(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    retry = {
        "boot_id": event["boot_id"],
        "monotonic_ns": event["monotonic_ns"],
        "delay_ms": event["delay_ms"],
    }
    permanent = event["kind"] == "permanent"
    _set_back(
        snapshot,
        event,
        changes,
        _task(snapshot, event),
        kind="failed",
        reason=event["reason"],
        agent=event["agent"],
        final=permanent,
        retry=None if permanent else retry,
    )
    if event["log"]:
        changes[f"logs/{event['task']}-{event['attempt']}.txt"] = BlobOid(event["log"])


def _release(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    task = _task(snapshot, event)
    setbacks = task["setbacks"]
    if event["reason"]:
        setbacks = _setback(task, event, "released", event["reason"], event["agent"])
    put_task(changes, _with(task, state="open", claim=None, setbacks=setbacks))


def _redo(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    for redone in event["redone"]:
        task = snapshot.require_task(redone["task"])
        reason = f"task {event['task']}, which it was built on, was {event['op']}ed".replace(
            "celed", "celled"
        )
        agent = task["result"]["agent"] if task["result"] else event["agent"]
        setbacks = _setback(task, event, "base-redone", reason, agent)
        put_task(
            changes,
            _with(task, state="open", claim=None, result=None, reviews=[], setbacks=setbacks),
        )


def _reopen(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    _redo(snapshot, event, changes)
    task = _task(snapshot, event)
    agent = task["result"]["agent"] if task["result"] else event["agent"]
    _set_back(
        snapshot,
        event,
        changes,
        task,
        kind=event["kind"],
        reason=event["reason"],
        agent=agent,
        result=None,
    )
    if event["log"]:
        changes[f"logs/{event['task']}-{task['attempt']}.txt"] = BlobOid(event["log"])


def _retry(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    close_escalations(snapshot, event, changes, f"retried: {event['reason']}".rstrip(": "))
    put_task(changes, _with(_task(snapshot, event), state="open", failures=0, retry=None))


def _cancel(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    close_escalations(snapshot, event, changes, f"cancelled: {event['reason']}".rstrip(": "))
    _redo(snapshot, event, changes)
    put_task(
        changes,
        _with(_task(snapshot, event), state="cancelled", claim=None, reviews=[], result=None),
    )


def _assign(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    put_task(changes, _with(_task(snapshot, event), state="open", claim=None, assigned=event["to"]))


def _lock(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    _expire_all(snapshot, event, changes)
    apply_lock(snapshot, event, changes)


def _land_begin(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    keys = ("old", "new", "tree", "results", "count", "gates", "without")
    landing = {**{key: event[key] for key in keys}, "at": event["time"]}  # type: ignore[literal-required]
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    changes[f"phases/{phase['id']}.json"] = {**phase, "state": "landing", "landing": landing}
    changes[f"landings/{phase['id']}.json"] = BlobOid(event["results"])
    pending = {"kind": "landing", "phase": phase["id"], "target": event["target"]}
    changes["settings.json"] = {
        **snapshot.settings(),
        "pending": {**pending, "old": event["old"], "new": event["new"]},
    }


def _land_done(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    for name in phase["landing"]["without"] if phase["landing"] else ():
        task = snapshot.require_task(name)
        setbacks = _setback(
            task, event, "left-out", f"phase {phase['id']} landed without it", event["agent"]
        )
        put_task(
            changes,
            _with(task, state="cancelled", claim=None, reviews=[], result=None, setbacks=setbacks),
        )
    changes[f"phases/{phase['id']}.json"] = {**phase, "state": "landed"}
    changes["settings.json"] = {**snapshot.settings(), "pending": None, "target_tip": event["new"]}


def _land_abort(snapshot: Snapshot, event: Event, changes: Changes) -> None:
    phase = cast("PhaseRecord", snapshot.phase(event["phase"]))
    changes[f"phases/{phase['id']}.json"] = {**phase, "state": "open", "landing": None}
    changes[f"landings/{phase['id']}.json"] = None
    changes["settings.json"] = {**snapshot.settings(), "pending": None}
    escalate(
        changes,
        event,
        "landing-aborted",
        None,
        f"landing of phase {phase['id']}: {event['reason']}",
    )


_APPLY: dict[str, Callable[[Snapshot, Event, Changes], None]] = {
    "init": _init,
    "plan": _plan,
    "agent-add": _agent_add,
    "agent-remove": _agent_remove,
    "claim": _claim,
    "reissue": _reissue,
    "progress": _progress,
    "complete": _complete,
    "review": apply_review,
    "review-release": apply_review_release,
    "approve": apply_approve,
    "reject": _reject,
    "fail": _fail,
    "release": _release,
    "expire": _expire_all,
    "reopen": _reopen,
    "retry": _retry,
    "cancel": _cancel,
    "assign": _assign,
    "escalate": apply_escalate,
    "resolve": apply_resolve,
    "note": apply_note,
    "note-drop": apply_note_drop,
    "checkpoint": apply_checkpoint,
    "batch": apply_batch,
    "land-begin": _land_begin,
    "land-done": _land_done,
    "land-abort": _land_abort,
    "lock": _lock,
    "unlock": apply_unlock,
    "rollback": apply_rollback,
    "rollback-done": apply_rollback_end,
    "rollback-abort": apply_rollback_end,
    "check": apply_check,
    "gate": apply_gate,
}
