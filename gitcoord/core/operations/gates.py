"""Hold the rules of checks and gates: what a pass is, and what it is for.

A pass is bound to one tree and to one definition, the hash of everything
that says what ran. Definitions come from the ledger, never from the work
under test. A task with a check is completed only with a pass for exactly
its result; a phase lands only with a pass of each of its gates for exactly
the tree that will be the target's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gitcoord.core import codec, ids
from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.events import Command, Event
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import NO_OID, NO_PHASE, NO_TASK, Oid, PhaseId, TaskId
from gitcoord.core.layout import check_log_path, check_path, gate_log_path, gate_path
from gitcoord.core.leases import Context
from gitcoord.core.model import GateRun, GateSpec, PhaseRecord, Proof, TaskRecord, TaskSpec
from gitcoord.core.operation import (
    WORDS,
    Operation,
    Transitions,
    copied,
    has_reason,
    holding,
    keys,
    titled,
    why_of,
)
from gitcoord.core.operations.preconditions import held, open_phase
from gitcoord.core.sentences import words
from gitcoord.core.snapshot import BlobOid, Changes, Snapshot

__all__ = [
    "CHECK_TIMEOUT_MS",
    "OPERATIONS",
    "check_of",
    "definition_of",
    "proofs",
    "require_check",
    "require_gates",
    "run_of",
]

CHECK_TIMEOUT_MS = 600_000
MAX_REASON_CHARS = 300
_RUN = keys("definition tree commit verdict millis")
_RUN_OPTIONS = {**WORDS, "log": None}
_CHECKED: Transitions = {"claimed": ("claimed",)}


def check_of(spec: TaskSpec) -> GateSpec | None:
    """Return a task's check in the form of a gate, None where it has none."""
    if spec["check"] is None:
        return None
    return {"name": "check", "run": spec["check"], "timeout_ms": CHECK_TIMEOUT_MS, "retry": 0}


def definition_of(gate: GateSpec) -> str:
    """Return the hash of all that says what a gate runs, and for how long."""
    return sha256(codec.dump(gate)).hexdigest()


def run_of(
    snapshot: Snapshot, *, phase: PhaseId = NO_PHASE, gate: str = "", task: TaskId = NO_TASK
) -> GateRun | None:
    """Return the last run of a gate, or of a task's check."""
    path = gate_path(phase, gate)
    if task:
        path = check_path(task)
    return cast("GateRun | None", snapshot.record(path))


# what a landing and a completion need


def proofs(snapshot: Snapshot, phase: PhaseRecord, tree: Oid) -> list[Proof]:
    """List the pass of each gate of a phase for one tree, in plan order.

    Raises:
        RefusedError: ``gate-missing``, or ``gate-changed`` where a gate was
            redefined after it ran.

    """
    found: list[Proof] = []
    for spec in phase["spec"]["gates"]:
        name, definition = spec["name"], definition_of(spec)
        run = run_of(snapshot, phase=phase["id"], gate=name)
        hint = f"`gitcoord phase land {phase['id']}` runs it"
        if run is None or run["tree"] != tree or run["verdict"] != "passed":
            raise RefusedError(
                f"gate {name} of phase {phase['id']} has not passed on this very tree",
                reason="gate-missing",
                gate=name,
                hint=hint,
            )
        if run["definition"] != definition:
            raise RefusedError(
                f"gate {name} of phase {phase['id']} was changed after it passed",
                reason="gate-changed",
                gate=name,
                hint=hint,
            )
        found.append(
            {"gate": name, "definition": definition, "tree": tree, "commit": run["commit"]}
        )
    return found


def require_gates(snapshot: Snapshot, phase: PhaseRecord, event: Event) -> None:
    """Refuse a landing without a pass of every gate for exactly its tree.

    Raises:
        RefusedError: ``gates-required``, ``gate-missing``, ``gate-changed``.

    """
    plan = snapshot.plan()
    if plan is not None and plan["gates_required"] and not phase["spec"]["gates"]:
        raise RefusedError(
            f"phase {phase['id']} has no gate, and the plan says gates_required",
            reason="gates-required",
            hint="give the phase a gate in the plan, and apply it again",
        )
    tree = event["tree"]
    may_lack_tree = tree is None and not phase["spec"]["gates"]
    if not may_lack_tree and not ids.is_oid(tree):
        raise UsageError("a landing behind gates names the tree that it makes")
    if event["gates"] != proofs(snapshot, phase, tree or NO_OID):
        raise UsageError("the event names other passes than the ledger has")


def _is_run_on(run: GateRun, result: Mapping[str, Any]) -> bool:
    """Return whether a run was of a result's tree, or of the base where no commit is handed in."""
    if result["oid"] is None:
        return bool(run["commit"] == result["base"])
    return bool(run["tree"] == result["tree"])


def require_check(snapshot: Snapshot, task: TaskRecord, result: Mapping[str, Any]) -> None:
    """Refuse a result on which the task's check has not passed.

    Where no commit is handed in, the check has to pass on the claim's base.

    Raises:
        RefusedError: Reason ``check``.

    """
    spec = check_of(task["spec"])
    if spec is None:
        return
    run = run_of(snapshot, task=task["id"])
    if (
        run is None
        or not _is_run_on(run, result)
        or run["verdict"] != "passed"
        or run["definition"] != definition_of(spec)
    ):
        raise RefusedError(
            f"the check of task {task['id']} has not passed on this very result",
            reason="check",
            task=task["id"],
            hint=f"`gitcoord complete {task['id']}` runs it",
        )


# gate


def check_gate(snapshot: Snapshot, event: Event) -> None:
    """Refuse the run of a gate that the ledger does not define so."""
    phase = open_phase(snapshot, event["phase"])
    spec = next((gate for gate in phase["spec"]["gates"] if gate["name"] == event["gate"]), None)
    if spec is None or definition_of(spec) != event["definition"]:
        raise RefusedError(
            f"gate {event['gate']} of phase {phase['id']} was changed while it ran",
            reason="gate-changed",
            gate=event["gate"],
            hint="run it again",
        )
    _check_run(event)


def _check_run(event: Event) -> None:
    if not (ids.is_oid(event["tree"]) and ids.is_oid(event["commit"])):
        raise UsageError("a gate runs on one commit with one tree")
    if (event["verdict"], has_reason(event)) not in {("passed", False), ("failed", True)}:
        raise UsageError("a gate has passed, or has failed for a reason")
    if len(words(why_of(event))) > MAX_REASON_CHARS:
        raise UsageError(f"a gate's reason has at most {MAX_REASON_CHARS} characters")
    if event["millis"] < 0:
        raise UsageError("a gate's duration must not be negative")
    if event["log"] is not None and not ids.is_oid(event["log"]):
        raise UsageError("a gate's log is a blob")


def apply_gate(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Keep the last run of a gate, and its log."""
    _put_run(changes, gate_path(event["phase"], event["gate"]), event, event["gate"])
    _put_log(changes, gate_log_path(event["phase"], event["gate"]), event["log"])


def _put_run(changes: Changes, path: str, event: Event, gate: str) -> None:
    run: GateRun = {
        "gate": gate,
        "definition": event["definition"],
        "tree": event["tree"] or NO_OID,
        "commit": event["commit"],
        "verdict": "failed",
        "reason": why_of(event),
        "millis": event["millis"],
        "log": event["log"],
        "agent": event["agent"],
        "at": event["time"],
    }
    if event["verdict"] == "passed":
        run["verdict"] = "passed"
    changes[path] = cast("dict[str, Any]", run)


def _put_log(changes: Changes, path: str, log: Oid | None) -> None:
    changes[path] = None
    if log is not None:
        changes[path] = BlobOid(log)


# check


def decide_check(snapshot: Snapshot, command: Command, _context: Context) -> dict[str, Any]:
    """Say that the check of a held task ran, and how it ended."""
    fenced = {**holding(snapshot, command), **titled(snapshot, command)}
    return {**fenced, **{key: command[key] for key in (*_RUN, *_RUN_OPTIONS)}}


def check_check(snapshot: Snapshot, event: Event) -> None:
    """Refuse the run of a check by anyone but the holder, or of another check."""
    task = held(snapshot, event, _CHECKED)
    spec = check_of(task["spec"])
    if spec is None or definition_of(spec) != event["definition"]:
        raise RefusedError(
            f"the check of task {task['id']} was changed while it ran",
            reason="gate-changed",
            task=task["id"],
            hint="run it again",
        )
    _check_run(event)


def apply_check(_snapshot: Snapshot, event: Event, changes: Changes) -> None:
    """Keep the last run of a task's check, and its log."""
    _put_run(changes, check_path(event["task"]), event, "check")
    _put_log(changes, check_log_path(event["task"]), event["log"])


OPERATIONS = {
    "gate": Operation(
        fields=keys("phase gate") | _RUN,
        optional=_RUN_OPTIONS,
        decide=copied("phase", "gate", *_RUN, *_RUN_OPTIONS),
        check=check_gate,
        apply=apply_gate,
        subject="gate {gate} of {phase}: {verdict}[, {reason}]",
        body="reason",
    ),
    "check": Operation(
        fields=keys("task title token attempt") | _RUN,
        optional=_RUN_OPTIONS,
        transitions=_CHECKED,
        decide=decide_check,
        check=check_check,
        apply=apply_check,
        subject="check {task} by {agent}: {verdict}[, {reason}]",
        body="reason",
    ),
}
