"""Answer questions about one state of the ledger: each answer one entry's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from gitcoord.core import codec, graph
from gitcoord.core.bulk import uncollected
from gitcoord.core.errors import CorruptError, NotFoundError
from gitcoord.core.events import Event, tasks_of
from gitcoord.core.git_reading import holders_command, needs_command, task_command, tasks_command
from gitcoord.core.holds import holds_of
from gitcoord.core.ids import AgentId, Oid, PhaseId, TaskId
from gitcoord.core.layout import attempt_log_path, check_log_path
from gitcoord.core.leases import Context, running
from gitcoord.core.messages import parse, reason_in, subject_of
from gitcoord.core.model import AgentRecord, PhaseRecord, TaskRecord
from gitcoord.core.operations.gates import run_of
from gitcoord.core.readiness import broken_needs, state_in_phase
from gitcoord.core.refs import branch_name
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import is_stream
from gitcoord.core.times import instant
from gitcoord.features.inspect.chain import before
from gitcoord.features.inspect.impact import behind, blocked
from gitcoord.features.inspect.notes import note_facts, notes_about
from gitcoord.features.inspect.sentences import escalation_facts
from gitcoord.features.inspect.task_facts import (
    claim_facts,
    heartbeat_ms_of,
    review_facts,
    task_facts,
)
from gitcoord.features.inspect.waiting import waiting_facts, waiting_of
from gitcoord.features.names import named_actor, named_phase, named_pool, named_task
from gitcoord.features.workspace import Workspace

MAX_FAILED = 20

__all__ = [
    "facts_of_event",
    "history",
    "impact",
    "log_of",
    "show",
    "status",
    "tasks",
]


@uncollected()
def tasks(
    work: Workspace,
    *,
    state: str | None = None,
    phase: PhaseId | None = None,
    pool: str | None = None,
    agent: AgentId | None = None,
) -> dict[str, Any]:
    """List tasks in plan order, filtered.

    Raises:
        NotFoundError: What they are filtered by does not exist.

    """
    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    if phase:
        phase = named_phase(snapshot, phase)["id"]
    if pool:
        pool = named_pool(snapshot, pool)
    if agent:
        agent = named_actor(snapshot, agent)
    work.index.update(work.store, snapshot.oid)
    found, holds = [], holds_of(snapshot)
    listed = work.index.listed()
    for number, (name, derived) in enumerate(listed):
        if number % 1000 == 0:
            work.tell("reading tasks", number, len(listed))
        task = snapshot.require_task(name)
        holder = task["claim"] or task["result"]
        if (phase and task["spec"]["phase"] != phase) or (pool and task["spec"]["pool"] != pool):
            continue
        if agent and agent not in {holder["agent"] if holder else None, task["assigned"]}:
            continue
        facts = task_facts(snapshot, task, context, derived, holds)
        if state is None or state in {facts["state"], task["state"]}:
            found.append(facts)
    command = tasks_command(work.ledger.ref, state=state, phase=phase, pool=pool, agent=agent)
    return {"tip": snapshot.oid, "tasks": found, "git": command}


def show(work: Workspace, task: TaskId, *, limit: int = 50) -> dict[str, Any]:
    """Show one task with its history, newest first."""
    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    record = named_task(work, snapshot, task)
    facts = task_facts(snapshot, record, context)
    work.index.update(work.store, snapshot.oid)
    facts["needed_by"] = work.index.dependents(record["id"])
    facts["would_block"] = behind(work, snapshot, record["id"])
    facts["blocked_by"] = broken_needs(snapshot, record)
    names = [name for name in snapshot.names("logs") if name.rpartition("-")[0] == record["id"]]
    facts["logs"] = [f"logs/{name}" for name in names]
    run = None
    if record["spec"]["check"]:
        run = run_of(snapshot, task=record["id"])
    facts["check"] = None
    if run:
        facts["check"] = {**run, "at": instant(run["at"])}
    if run and run["log"]:
        facts["logs"].append(check_log_path(record["id"]))
    facts["notes"] = [note_facts(one) for one in notes_about(snapshot, record)]
    facts["escalations"] = [
        escalation_facts(one) for one in snapshot.escalations() if one["task"] == record["id"]
    ]
    facts["waiting_for"] = []
    if facts["state"] in {"waiting", "blocked"}:
        facts["waiting_for"] = [waiting_facts(one) for one in waiting_of(snapshot, record, context)]
    facts["history"] = list(history(work, snapshot.oid, task=record["id"], limit=limit))
    command = task_command(work.ledger.ref, record["id"])
    return {"tip": snapshot.oid, "task": facts, "git": command}


def log_of(work: Workspace, task: TaskId) -> tuple[str, str]:
    """Return the name and the text of the newest log of a task.

    Raises:
        NotFoundError: No attempt left one.

    """
    snapshot = work.ledger.snapshot()
    record = named_task(work, snapshot, task)
    names = [attempt_log_path(record["id"], attempt) for attempt in range(record["attempt"], 0, -1)]
    run = run_of(snapshot, task=record["id"])
    # What keeps the attempt that runs now from completion comes first.
    is_current = record["claim"] is not None and run is not None and run["verdict"] == "failed"
    names.insert(0 if is_current else len(names), check_log_path(record["id"]))
    local = _local_log(work, record)
    if local is not None:
        return local
    for name in names:
        content = snapshot.file(name)
        if content is not None:
            return name, content.decode("utf-8", "replace")
    raise NotFoundError(
        f"no attempt at task {record['id']} left a log", hint="`gitcoord fail --log FILE` keeps one"
    )


def _local_log(work: Workspace, task: TaskRecord) -> tuple[str, str] | None:
    """Return the log of the newest attempt that ran on this machine.

    It has all that the command printed; the ledger keeps the end of what
    failed.
    """
    for path in reversed(work.logs.attempts_of(task["id"])):
        attempt = path.parent.name.partition("-")[0]
        if attempt != str(task["attempt"]):
            return None
        with suppress(OSError):
            text = path.read_bytes().decode("utf-8", "replace")
            return str(path), codec.printable(text, lines=True)
    return None


def impact(work: Workspace, task: TaskId) -> dict[str, Any]:
    """Return what waits for a task, and what would be blocked if it failed."""
    snapshot = work.ledger.snapshot()
    record = named_task(work, snapshot, task)
    landed = {one["id"] for one in snapshot.phases() if one["state"] == "landed"}
    needs = {}
    for one in snapshot.tasks():
        is_landed = "landed" in one or one["spec"]["phase"] in landed
        if not is_landed and one["state"] != "cancelled":
            needs[one["id"]] = one["spec"]["needs"]
    direct, further = graph.impact(graph.dependents_of(needs), record["id"])
    phase = record["spec"]["phase"]
    order = {one["id"]: one["spec"]["after"] for one in snapshot.phases()}
    after, more = graph.impact(graph.dependents_of(order), phase)
    return {
        "tip": snapshot.oid,
        "task": record["id"],
        "direct": direct,
        "transitive": further,
        "phases_waiting": [name for name in (phase, *after, *more) if name not in landed],
        "git": needs_command(work.ledger.ref, record["id"]),
    }


def history(
    work: Workspace,
    tip: Oid | None,
    *,
    task: TaskId | None = None,
    agent: AgentId | None = None,
    limit: int = 50,
) -> Iterator[dict[str, Any]]:
    """Read entries back from a tip, newest first."""
    oid = tip
    while oid is not None and limit > 0:
        entry = work.store.read_entry(oid)
        needle = f"\nGitcoord-Task: {task}\n"
        if (task is None or needle in entry.message or f'"{task}"' in entry.message) and (
            agent is None or entry.author == agent
        ):
            facts = _entry_facts(entry.oid, entry.message, entry.time)
            if task is None or task in facts["tasks"]:
                yield facts
                limit -= 1
        oid = before(work, entry)


def _entry_facts(oid: Oid, message: str, time: int) -> dict[str, Any]:
    try:
        event = parse(message, oid)
    except CorruptError as error:
        return {
            "entry": oid,
            "at": instant(time),
            "subject": message.split("\n", 1)[0],
            "op": "illegal",
            "agent": None,
            "tasks": [],
            "text": error.message,
        }
    return facts_of_event(oid, time, event)


def facts_of_event(oid: Oid, time: int, event: Event) -> dict[str, Any]:
    """Return one entry as a list shows it."""
    text = reason_in(event) or event.get("message") or event.get("answer") or ""
    return {
        "entry": oid,
        "at": instant(time),
        "subject": subject_of(event),
        "op": event["op"],
        "agent": event["agent"],
        "tasks": tasks_of(event),
        "text": text,
    }


def status(work: Workspace) -> dict[str, Any]:
    """Summarize a ledger: counts, phases, agents, claims, open escalations."""
    from gitcoord.features.inspect.locks import lock_facts, waits

    snapshot, context = work.ledger.snapshot(), work.ledger.context()
    work.index.update(work.store, snapshot.oid)
    by_phase = _counts_by_phase(work, snapshot)
    settings, plan = snapshot.settings(), snapshot.plan()
    claims = _held_claims(snapshot, context)
    facts = {
        "ledger": work.ledger.name,
        "tip": snapshot.oid,
        "git": holders_command(work.ledger.ref),
        "epoch": settings["epoch"],
        "plan": plan["name"] if plan else None,
        "target": branch_name(work.target(snapshot)),
        "pending": settings["pending"],
        "counts": _summed(by_phase.values()),
        "phases": [
            _phase_facts(work, snapshot, phase, by_phase[phase["id"]])
            for phase in snapshot.phases()
        ],
        "agents": [_agent_facts(agent, claims) for agent in snapshot.agents()],
        "claims": claims,
        "reviews": _running_reviews(snapshot, context),
        "locks": [lock_facts(one, context) for one in snapshot.locks()],
        "waiting": waits(work, snapshot),
        "blocked": blocked(work, snapshot),
        "escalations": [escalation_facts(one) for one in snapshot.open_escalations()],
    }
    work.ledger.remember()
    return facts


def _counts_by_phase(work: Workspace, snapshot: Snapshot) -> dict[str, dict[str, int]]:
    """Count each phase's tasks by the state that is shown."""
    phases = {phase["id"]: phase for phase in snapshot.phases()}
    by_phase: dict[str, dict[str, int]] = {name: {} for name in phases}
    for name, _pool, state, count in work.index.counts():
        phase = phases[name]
        shown = state_in_phase(state, phase, is_started=snapshot.is_started(phase))
        by_phase[name][shown] = by_phase[name].get(shown, 0) + count
    return by_phase


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for one in counts:
        for state, count in one.items():
            summed[state] = summed.get(state, 0) + count
    return summed


def _live_in_order(snapshot: Snapshot) -> list[TaskRecord]:
    return sorted(snapshot.live(), key=lambda task: task["order"])


def _held_claims(snapshot: Snapshot, context: Context) -> list[dict[str, Any]]:
    """Return every claim with its task, in plan order."""
    heartbeat_ms = heartbeat_ms_of(snapshot)
    found = []
    for task in _live_in_order(snapshot):
        if task["claim"]:
            about = {"task": task["id"], "title": task["spec"]["title"]}
            found.append({**about, **claim_facts(task["claim"], context, heartbeat_ms)})
    return found


def _running_reviews(snapshot: Snapshot, context: Context) -> list[dict[str, Any]]:
    """Return every review that is at work with its task, in plan order."""
    heartbeat_ms = heartbeat_ms_of(snapshot)
    found = []
    for task in _live_in_order(snapshot):
        about = {"task": task["id"], "title": task["spec"]["title"]}
        for review in running(task):
            found.append({**about, **review_facts(review, context, heartbeat_ms)})
    return found


def _agent_facts(agent: AgentRecord, claims: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": agent["id"],
        "pools": agent["pools"],
        "capacity": agent["capacity"],
        "claims": [claim["task"] for claim in claims if claim["agent"] == agent["id"]],
    }


def _phase_facts(
    work: Workspace, snapshot: Snapshot, phase: PhaseRecord, counts: dict[str, int]
) -> dict[str, Any]:
    """Return a phase as ``--json`` shows it, with the command that it waits for."""
    from gitcoord.features.inspect.gates import failed_gates

    failed = work.index.in_state([phase["id"]], "failed")[:MAX_FAILED]
    return {
        "id": phase["id"],
        "state": phase["state"],
        "is_started": snapshot.is_started(phase),
        "is_stream": is_stream(phase["spec"]),
        "is_closed": phase.get("closed", False),
        "counts": counts,
        "next": _next_of(snapshot, phase, counts, failed),
        "is_landable": _is_landable(snapshot, phase, counts),
        "failed": failed,
        "failed_gates": failed_gates(snapshot, phase),
    }


def _next_of(
    snapshot: Snapshot, phase: PhaseRecord, counts: dict[str, int], failed: list[TaskId]
) -> str | None:
    """Return the command that a phase waits for, if it waits for one."""
    if _is_landable(snapshot, phase, counts):
        return f"gitcoord phase land {phase['id']}"
    if failed and phase["state"] == "open":
        return f"gitcoord retry {failed[0]}"
    return None


def _is_landable(snapshot: Snapshot, phase: PhaseRecord, counts: dict[str, int]) -> bool:
    """Return whether a phase is whole, or has a landing to be finished."""
    if phase["state"] == "landing":
        return True
    is_whole = bool(counts) and not set(counts) - {"done", "cancelled"}
    if is_stream(phase["spec"]):
        is_whole = counts.get("done", 0) > 0
    return phase["state"] == "open" and snapshot.is_started(phase) and is_whole
