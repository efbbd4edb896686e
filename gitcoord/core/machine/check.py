"""Refuse every event that the rules forbid on a snapshot.

``check`` looks at no clock: it runs when an event is decided, when a
history is verified, and at a server that accepts a push, always with the
same answer. Whether a lease was really over is the one thing that it
cannot know; it checks that the evidence adds up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gitcoord.core import ids, paths
from gitcoord.core.errors import (
    ClaimLostError,
    ConflictError,
    InvalidPlanError,
    NotFoundError,
    NothingReadyError,
    RefusedError,
    UsageError,
)
from gitcoord.core.events import Event
from gitcoord.core.machine.landings import merge_order, wholeness
from gitcoord.core.machine.table import require
from gitcoord.core.messages import FIELDS
from gitcoord.core.model import FORMAT, AgentRecord, Evidence, PhaseRecord, PlanDocument, TaskRecord
from gitcoord.core.snapshot import Snapshot

__all__ = ["check", "dependents_on_result", "gone_from", "is_missing_need", "require_agent"]


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


def require_agent(snapshot: Snapshot, agent: str) -> AgentRecord:
    """Return an agent that was added.

    Raises:
        NotFoundError: It was not; the hint is the command that adds it.

    """
    record = snapshot.agent(agent) if ids.is_id(agent) else None
    if record is None:
        raise NotFoundError(f"there is no agent {agent!r}", hint=f"`gitcoord agent add {agent}` adds it", agent=agent)
    return record


def _open_phase(snapshot: Snapshot, phase: str) -> PhaseRecord:
    record = snapshot.phase(phase)
    if record is None:
        raise NotFoundError(f"there is no phase {phase!r}", hint="`gitcoord phase list` lists them")
    if record["state"] != "open":
        is_landing = record["state"] == "landing"
        what = "has a landing under way" if is_landing else "has landed"
        raise RefusedError(f"phase {phase} {what}: its tasks are frozen", reason=record["state"],
                           hint=f"`gitcoord phase land {phase}` finishes it" if is_landing else "")  # fmt: skip
    return record


def _task(snapshot: Snapshot, event: Event, op: str | None = None) -> TaskRecord:
    """Return the event's task, whose phase and state allow the operation."""
    task = snapshot.require_task(event["task"])
    if event.get("title", task["spec"]["title"]) != task["spec"]["title"]:
        raise UsageError("the event names another title than the task has")
    _open_phase(snapshot, task["spec"]["phase"])
    require(op or event["op"], task["id"], task["state"])
    return task


def _held(snapshot: Snapshot, event: Event) -> TaskRecord:
    """Return the task that the event's token holds, or fence the event."""
    task = snapshot.require_task(event["task"])
    claim = task["claim"]
    if claim is None or claim["token"] != event["token"] or claim["agent"] != event["agent"]:
        now = f"{claim['agent']} holds it now" if claim else f"the task is {task['state']} now"
        raise ClaimLostError(
            f"this claim on task {task['id']} is no longer current: {now}",
            hint="stop working on it; `gitcoord claim` gives the next task",
            task=task["id"],
            holder=claim["agent"] if claim else None,
        )
    if event.get("attempt", task["attempt"]) != task["attempt"]:
        raise UsageError("the event names another attempt than the claim has")
    return _task(snapshot, event)


def gone_from(expired: list[Evidence]) -> set[str]:
    """Name the tasks whose claims an event ends in passing."""
    return {gone["task"] for gone in expired}


def _check_evidence(snapshot: Snapshot, gone: Evidence, op: str) -> TaskRecord:
    task = snapshot.require_task(gone["task"])
    claim = task["claim"]
    if claim is None or claim["token"] != gone["token"] or claim["agent"] != gone["agent"]:
        raise ClaimLostError(f"the claim on task {gone['task']} that should be over is not the current one")
    if gone["lease_ms"] != claim["lease_ms"] or gone["now_ns"] - gone["last_ns"] <= gone["lease_ms"] * 1_000_000:
        raise RefusedError(f"the evidence that the claim on task {gone['task']} is over does not add up",
                           reason="evidence")  # fmt: skip
    require(op, task["id"], task["state"])
    _open_phase(snapshot, task["spec"]["phase"])
    return task


def _check_expired(snapshot: Snapshot, event: Event) -> None:
    tasks = gone_from(event["expired"])
    if len(tasks) != len(event["expired"]) or event.get("task") in tasks:
        raise UsageError("an event ends each claim once")
    for gone in event["expired"]:
        _check_evidence(snapshot, gone, "expire")


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
            problems.append(f"task {spec['id']}: the ledger has task {twin}, which differs by case alone")
        if task and task["state"] not in {"open", "failed", "cancelled"}:
            problems.append(f"task {spec['id']} is {task['state']}: what is claimed or finished cannot change")
        for phase in {spec["phase"], task["spec"]["phase"] if task else spec["phase"]}:
            record = snapshot.phase(phase)
            if record is not None and record["state"] != "open":
                problems.append(f"task {spec['id']}: phase {phase} has landed, or its landing is under way")
        problems += [
            f"task {spec['id']}: there is no task {need!r} to need"
            for need in spec["needs"]
            if need not in new and snapshot.task(need) is None
        ]
    problems += [
        f"phase {phase['id']} has landed, or its landing is under way: it cannot change"
        for phase in document["phases"]
        if (record := snapshot.phase(phase["id"])) and record["state"] != "open" and record["spec"] != phase
    ]
    if problems:
        raise InvalidPlanError(f"the plan cannot be applied: {len(problems)} problem(s)", problems,
                               hint="keep those tasks as they are, or give new work a new id")  # fmt: skip
    if (event["added"], event["changed"]) != (counts["added"], counts["changed"]):
        raise UsageError("the event counts the plan's tasks wrongly")


def _check_agent_add(snapshot: Snapshot, event: Event) -> None:
    name = ids.parse_id(event["name"], "agent id")
    if name.casefold() == ids.ORCHESTRATOR:
        raise RefusedError(f"{ids.ORCHESTRATOR} is reserved", reason="reserved", hint="choose another name")
    twins = [agent["id"] for agent in snapshot.agents() if agent["id"].casefold() == name.casefold()]
    if twins:
        raise RefusedError(f"agent {twins[0]} exists already", reason="exists", hint="`gitcoord agent list` lists them",
                           agent=twins[0])  # fmt: skip
    if not 1 <= event["capacity"] <= 1000:
        raise UsageError("an agent's capacity is between 1 and 1000")
    plan = snapshot.plan()
    unknown = [pool for pool in event["pools"] if plan is not None and pool not in plan["pools"]]
    if unknown and plan is not None:
        near = ids.nearest(unknown[0], plan["pools"])
        raise NotFoundError(f"there is no pool {unknown[0]!r} in the plan", hint=f"known: {', '.join(near or plan['pools'])}")


def _check_agent_remove(snapshot: Snapshot, event: Event) -> None:
    require_agent(snapshot, event["name"])
    held = [task["id"] for task in snapshot.live() if task["claim"] and task["claim"]["agent"] == event["name"]]
    if held:
        raise RefusedError(f"agent {event['name']} holds {', '.join(held[:5])}", reason="holds-claims",
                           hint="release the claims first, or let their leases run out and reap them")  # fmt: skip


def is_missing_need(snapshot: Snapshot, task: TaskRecord) -> list[TaskRecord]:
    """List the needs of a task that are not done."""
    needs = [snapshot.require_task(need) for need in task["spec"]["needs"]]
    return [need for need in needs if need["state"] != "done"]


def _check_claim(snapshot: Snapshot, event: Event) -> None:
    agent = require_agent(snapshot, event["agent"])
    takeover = event["takeover"]
    if takeover is None:
        task = _task(snapshot, event)
    else:
        if takeover["task"] != event["task"]:
            raise UsageError("a takeover's evidence is of the same task")
        task = _check_evidence(snapshot, takeover, "takeover")
        if task["failures"] + 1 >= _max_attempts(snapshot):
            raise RefusedError(f"task {task['id']} has used up its attempts", reason="exhausted",
                               hint="`gitcoord reap` ends the claim, which fails the task")  # fmt: skip
    _check_expired(snapshot, event)
    if event["attempt"] != task["attempt"] + 1 or event["lease_ms"] <= 0 or not event["token"]:
        raise UsageError("a claim has the next attempt's number, a token and a lease")
    if event["branch"] != ids.branch_of(snapshot.settings()["task_prefix"], task["id"], event["attempt"], event["token"]):
        raise UsageError("a claim's branch is named after its task, attempt and token")
    _check_role(agent, task)
    _check_ready(snapshot, task)
    _check_room(snapshot, agent, task, gone_from(event["expired"]) | {task["id"]})
    _check_built_on(snapshot, task, event["built_on"])


def _max_attempts(snapshot: Snapshot) -> int:
    plan = snapshot.plan()
    return plan["max_attempts"] if plan else 1


def _check_role(agent: AgentRecord, task: TaskRecord) -> None:
    spec = task["spec"]
    if agent["pools"] and spec["pool"] not in agent["pools"]:
        raise RefusedError(f"task {task['id']} is for pool {spec['pool']}, and {agent['id']} is in "
                           f"{', '.join(agent['pools'])}", reason="pool")  # fmt: skip
    if task["assigned"] not in {None, agent["id"]}:
        raise RefusedError(f"task {task['id']} is assigned to {task['assigned']}", reason="assigned")
    if agent["paths"] is not None and not paths.covers(agent["paths"], spec["paths"] or ["**"]):
        raise RefusedError(f"task {task['id']} writes outside the boundary of {agent['id']}", reason="boundary")


def _check_ready(snapshot: Snapshot, task: TaskRecord) -> None:
    phase = snapshot.phase(task["spec"]["phase"])
    if phase is not None and not snapshot.is_started(phase):
        waiting = [f"phase {before}" for before in phase["spec"]["after"]
                   if (snapshot.phase(before) or phase)["state"] != "landed"]  # fmt: skip
        raise NothingReadyError(f"phase {phase['id']} has not started: {', '.join(waiting)} has to land first",
                                waiting_for=list(waiting))  # fmt: skip
    missing = is_missing_need(snapshot, task)
    broken = [need["id"] for need in missing if need["state"] in {"failed", "cancelled"}]
    if broken:
        raise RefusedError(f"task {task['id']} is blocked: it needs {', '.join(broken)}, which will not be done",
                           reason="blocked", hint=f"`gitcoord retry {broken[0]}` opens that task again")  # fmt: skip
    if missing:
        raise NothingReadyError(f"task {task['id']} waits for {', '.join(need['id'] for need in missing)}",
                                waiting_for=[f"task {need['id']}" for need in missing])  # fmt: skip


def _check_room(snapshot: Snapshot, agent: AgentRecord, task: TaskRecord, without: set[str]) -> None:
    """Refuse where capacity, a pool's limit or another's paths leave no room."""
    live = [other for other in snapshot.live() if other["claim"] and other["id"] not in without]
    own = [other["id"] for other in live if other["claim"] and other["claim"]["agent"] == agent["id"]]
    if len(own) >= agent["capacity"]:
        raise RefusedError(f"{agent['id']} already holds {', '.join(own[:5])}, as many as its capacity allows",
                           reason="capacity", hint="complete, fail or release it first")  # fmt: skip
    plan = snapshot.plan()
    pool = plan["pools"].get(task["spec"]["pool"]) if plan else None
    limit = pool["limit"] if pool else None
    if limit is not None and sum(other["spec"]["pool"] == task["spec"]["pool"] for other in live) >= limit:
        raise NothingReadyError(f"pool {task['spec']['pool']} is at its limit of {limit} claims",
                                waiting_for=[f"pool {task['spec']['pool']}"])  # fmt: skip
    for other in live:
        pair = paths.overlaps(task["spec"]["paths"] or [], other["spec"]["paths"] or [])
        if pair and other["claim"]:
            raise ConflictError(f"{pair[0]} of task {task['id']} is in use by {other['claim']['agent']} for task {other['id']}",
                                holder=other["claim"]["agent"], task=other["id"])  # fmt: skip


def _check_built_on(snapshot: Snapshot, task: TaskRecord, built_on: dict[str, str]) -> None:
    """Refuse a base that lacks a need's result, or holds one that is stale."""
    phase = task["spec"]["phase"]
    for other, oid in built_on.items():
        record = snapshot.task(other)
        result = record["result"] if record else None
        if record is None or result is None or result["oid"] != oid or record["state"] != "done":
            raise RefusedError(f"the result of task {other} changed meanwhile", reason="base-moved",
                               hint="merge its new result, and complete again", task=task["id"], moved=[other])  # fmt: skip
        if record["spec"]["phase"] != phase:
            raise UsageError(f"task {other} belongs to another phase")
    for need in task["spec"]["needs"]:
        needed = snapshot.require_task(need)
        result = needed["result"]
        if needed["state"] != "done":
            raise RefusedError(f"task {need}, which {task['id']} needs, is {needed['state']} again", reason="base-moved",
                               hint=f"wait until {need} is done, merge its result, and complete again",
                               task=task["id"], moved=[need])  # fmt: skip
        if needed["spec"]["phase"] == phase and result and result["oid"] and built_on.get(need) != result["oid"]:
            raise RefusedError(f"the work does not contain the result of task {need}, which it needs",
                               reason="base-moved", hint=f"merge {result['oid'][:12]}, and complete again",
                               task=task["id"], moved=[need])  # fmt: skip


def _check_reissue(snapshot: Snapshot, event: Event) -> None:
    task = _task(snapshot, event)
    claim = task["claim"]
    if claim is None or claim["token"] != event["old"] or claim["agent"] != event["agent"]:
        raise ClaimLostError(f"the claim on task {task['id']} is not {event['agent']}'s any more", task=task["id"])
    if event["token"] == event["old"] or event["attempt"] != task["attempt"] or event["branch"] != claim["branch"]:
        raise UsageError("a reissue keeps attempt and branch, and has a new token")


def _check_progress(snapshot: Snapshot, event: Event) -> None:
    _held(snapshot, event)
    if event["percent"] is not None and not 0 <= event["percent"] <= 100:
        raise UsageError("a percentage is between 0 and 100")
    if len(event["message"].encode()) > 4096:
        raise UsageError("a message has at most 4 KiB")


def _check_complete(snapshot: Snapshot, event: Event) -> None:
    task = _held(snapshot, event)
    result = event["result"]
    if (result["token"], result["agent"], result["attempt"]) != (event["token"], event["agent"], event["attempt"]):
        raise UsageError("a result is its claim's")
    if result["oid"] is None and task["spec"]["result"] != "optional" and task["spec"]["paths"] != []:
        raise RefusedError(f"task {task['id']} has to hand in a commit", reason="empty-result",
                           hint="commit the work on the claim's branch, and complete again")  # fmt: skip
    if result["oid"] is not None and task["spec"]["paths"] == []:
        raise RefusedError(f"task {task['id']} may write nothing, so it hands in no commit", reason="boundary",
                           hint="`gitcoord complete --no-result` completes it")  # fmt: skip
    _check_built_on(snapshot, task, result["built_on"])


def _check_review(snapshot: Snapshot, event: Event) -> None:
    task = _task(snapshot, event)
    require_agent(snapshot, event["agent"])
    result = task["result"]
    if result is None or result["agent"] == event["agent"]:
        raise RefusedError(f"{event['agent']} is the author of task {task['id']}", reason="author")
    if event["reviewed"] != result["oid"]:
        raise RefusedError(f"the result of task {task['id']} changed", reason="result-changed")


def _check_verdict(snapshot: Snapshot, event: Event) -> None:
    task = snapshot.require_task(event["task"])
    if not any(review["token"] == event["token"] and review["agent"] == event["agent"] and review["verdict"] is None
               and review["result"] == event["reviewed"] for review in task["reviews"]):  # fmt: skip
        raise ClaimLostError(f"this review of task {task['id']} is no longer current", task=task["id"])
    _task(snapshot, event)
    if event["op"] == "reject" and not event["reason"].strip():
        raise UsageError("a rejection needs a reason")


def _check_fail(snapshot: Snapshot, event: Event) -> None:
    _held(snapshot, event)
    if event["kind"] not in {"transient", "permanent"} or not event["reason"].strip():
        raise UsageError("a failure is transient or permanent, and has a reason")


def _check_release(snapshot: Snapshot, event: Event) -> None:
    _held(snapshot, event)


def _check_expire(snapshot: Snapshot, event: Event) -> None:
    if not event["expired"]:
        raise UsageError("an expiry names at least one claim")
    _check_expired(snapshot, event)


def dependents_on_result(snapshot: Snapshot, task: TaskRecord) -> list[TaskRecord]:
    """List what must be redone when a task leaves done, transitively.

    Reads every task: leaving done is rare, and missing one would let work
    land that was built on something else.
    """
    if task["state"] != "done":
        return []
    others = [other for other in snapshot.tasks() if other["result"] and other["state"] in {"review", "done"}]
    found: dict[str, TaskRecord] = {}
    queue = [task["id"]]
    while queue:
        gone = queue.pop()
        for other in others:
            if other["id"] not in found and other["result"] and gone in other["result"]["built_on"]:
                found[other["id"]] = other
                queue.append(other["id"])
    return sorted(found.values(), key=lambda other: other["order"])


def _check_leaving(snapshot: Snapshot, event: Event) -> None:
    task = _task(snapshot, event)
    redone = [{"task": other["id"], "was": other["state"]} for other in dependents_on_result(snapshot, task)]
    if redone != event["redone"]:
        raise RefusedError("the tasks that have to be redone are others", reason="base-moved")
    if event["op"] == "reopen" and not event["reason"].strip():
        raise UsageError("a reopening needs a reason")


def _check_task(snapshot: Snapshot, event: Event) -> None:
    _task(snapshot, event)


def _check_assign(snapshot: Snapshot, event: Event) -> None:
    _task(snapshot, event)
    if event["to"] is not None:
        require_agent(snapshot, event["to"])


def _check_escalate(snapshot: Snapshot, event: Event) -> None:
    if event["task"]:
        snapshot.require_task(event["task"])
    if not event["reason"].strip():
        raise UsageError("an escalation needs a text")


def _check_land_begin(snapshot: Snapshot, event: Event) -> None:
    pending = snapshot.settings()["pending"]
    if pending is not None:
        raise RefusedError(f"a {pending['kind']} is under way", reason="pending",
                           hint="the next orchestrator command finishes it")  # fmt: skip
    phase = _open_phase(snapshot, event["phase"])
    if not snapshot.is_started(phase):
        raise RefusedError(f"phase {phase['id']} has not started", reason="phase")
    plan = snapshot.plan()
    if plan is None or event["target"] != f"refs/heads/{plan['target']}":
        raise UsageError("a phase lands on the plan's target")
    tasks, missing = wholeness(snapshot, phase["id"])
    if missing:
        raise RefusedError(f"phase {phase['id']} is not whole: {len(missing)} task(s) are not done", reason="not-whole")
    order = merge_order(tasks)
    if snapshot.json_blob(event["results"], "the landing's results") != order or event["count"] != len(order):
        raise RefusedError(f"the results of phase {phase['id']} changed meanwhile", reason="results-changed")


def _check_land_end(snapshot: Snapshot, event: Event) -> None:
    pending = snapshot.settings()["pending"]
    ours = {"kind": "landing", **{key: event[key] for key in ("phase", "target", "old", "new")}}
    if pending != ours:
        raise RefusedError(f"no such landing of phase {event['phase']} is under way", reason="pending")


_CHECK: dict[str, Callable[[Snapshot, Event], None]] = {
    "init": _check_init,
    "plan": _check_plan,
    "agent-add": _check_agent_add,
    "agent-remove": _check_agent_remove,
    "claim": _check_claim,
    "reissue": _check_reissue,
    "progress": _check_progress,
    "complete": _check_complete,
    "review": _check_review,
    "approve": _check_verdict,
    "reject": _check_verdict,
    "fail": _check_fail,
    "release": _check_release,
    "expire": _check_expire,
    "reopen": _check_leaving,
    "retry": _check_task,
    "cancel": _check_leaving,
    "assign": _check_assign,
    "escalate": _check_escalate,
    "land-begin": _check_land_begin,
    "land-done": _check_land_end,
    "land-abort": _check_land_end,
}
