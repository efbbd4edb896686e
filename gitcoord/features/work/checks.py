"""Run what a plan wants to be passed: gates of phases, checks of tasks.

The ledger says what runs and remembers what passed; ``git.checks`` runs
it. A pass is used again for exactly the same tree and definition, if this
machine saw it: what the ledger says of a pass anybody could have written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import ClaimLostError, RefusedError, UnavailableError
from gitcoord.core.hashing import sha256
from gitcoord.core.ids import NO_OID, ORCHESTRATOR, AgentId, Oid, PhaseId, Token
from gitcoord.core.layout import check_path, gate_path
from gitcoord.core.model import Claim, GateSpec, PhaseRecord, Proof, TaskRecord
from gitcoord.core.operations.gates import check_of, definition_of, require_check, run_of
from gitcoord.core.sentences import said
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.texts import clause, log_tail
from gitcoord.features.setup.trust import gate_commands, require_trust, shown, untrusted
from gitcoord.features.work.check_outcome import Ended, Verdict, judge
from gitcoord.features.work.check_run import Job, run_check
from gitcoord.features.work.environments import Environment, environment_key, environment_of
from gitcoord.features.work.passes import has_passed_here, remember_pass
from gitcoord.features.workspace import Workspace
from gitcoord.git.merges import tree_of

__all__ = [
    "GateFailure",
    "attempt",
    "check_result",
    "gate_facts",
    "prove",
    "run_command",
    "tail_of",
    "unproved",
]

SHOWN_CHARS = 2000


class GateFailure(NamedTuple):
    """A gate that did not pass, and the end of what it said."""

    gate: GateSpec
    verdict: Verdict
    log: bytes


def tail_of(log: bytes, chars: int = SHOWN_CHARS) -> str:
    """Return the last lines of a log, as an error shows them."""
    text = log.decode("utf-8", "replace").strip()
    if len(text) <= chars:
        return text
    return "…" + text[-chars:].split("\n", 1)[-1]


# gates


def _has_passed(
    work: Workspace, snapshot: Snapshot, phase: PhaseId, spec: GateSpec, tree: Oid
) -> bool:
    run, definition = run_of(snapshot, phase=phase, gate=spec["name"]), definition_of(spec)
    if run is None:
        return False
    if (run["verdict"], run["tree"], run["definition"]) != ("passed", tree, definition):
        return False
    return has_passed_here(work, gate_path(phase, spec["name"]), _seen_as(work, spec), tree)


def _seen_as(work: Workspace, spec: GateSpec) -> str:
    """Return what a pass on this machine is remembered for.

    That is the gate's definition, and with a setup also the programs and the
    platform that its environment is built for: with others it is run again.
    """
    key = environment_key(work, spec)
    if not key:
        return definition_of(spec)
    return sha256(codec.dump([definition_of(spec), key])).hexdigest()


def unproved(work: Workspace, phase: PhaseId, proofs: Iterable[Proof]) -> list[str]:
    """Return the gates of a landing whose passes this machine did not see."""
    missing = []
    for proof in proofs:
        scope = gate_path(phase, proof["gate"])
        if not has_passed_here(work, scope, proof["definition"], proof["tree"]):
            missing.append(proof["gate"])
    return missing


def gate_facts(
    work: Workspace, snapshot: Snapshot, phase: PhaseRecord, commit: Oid | None
) -> list[dict[str, Any]]:
    """Return for each gate what it runs, whether it may, and whether it has passed."""
    tree = NO_OID
    if commit and phase["spec"]["gates"]:
        tree = tree_of(work.git, commit)
    return [
        {
            "name": spec["name"],
            "run": shown(spec["run"]),
            "timeout_ms": spec["timeout_ms"],
            "retry": spec["retry"],
            "passed": _has_passed(work, snapshot, phase["id"], spec, tree),
            "trusted": not untrusted(work, gate_commands(spec)),
        }
        for spec in phase["spec"]["gates"]
    ]


def prove(
    work: Workspace, snapshot: Snapshot, phase: PhaseRecord, commit: Oid
) -> GateFailure | None:
    """Pass every gate of a phase on a commit, or give the first that fails.

    What has passed here on this tree, so defined, is not run again. Every run is
    an entry of the ledger, with the end of its output.

    Raises:
        RefusedError: ``trust``: nothing was run; ``gate-changed``: the plan
            changed meanwhile.

    """
    tree = tree_of(work.git, commit)
    wanted = [
        spec
        for spec in phase["spec"]["gates"]
        if not _has_passed(work, snapshot, phase["id"], spec, tree)
    ]
    require_trust(work, [command for spec in wanted for command in gate_commands(spec)])
    for spec in wanted:
        verdict = attempt(work, phase["id"], spec, commit)
        log = log_tail(verdict.output)
        if verdict.is_passed:
            for seen in {definition_of(spec), _seen_as(work, spec)}:
                remember_pass(work, gate_path(phase["id"], spec["name"]), seen, tree)
        facts = {
            "op": "gate",
            "phase": phase["id"],
            "gate": spec["name"],
            **_facts(work, spec, commit, tree, verdict, log),
        }
        work.ledger.execute(facts, agent=ORCHESTRATOR, inputs=[log])
        if not verdict.is_passed:
            return GateFailure(spec, verdict, log)
    return None


def attempt(work: Workspace, phase: PhaseId, spec: GateSpec, commit: Oid) -> Verdict:
    """Run a trusted gate on a commit, again where it says ``retry``."""
    require_trust(work, gate_commands(spec))
    about = {"GITCOORD_PHASE": phase, "GITCOORD_GATE": spec["name"]}
    for _ in range(spec["retry"] + 1):
        path = work.logs.of_gate(phase, spec["name"], tree_of(work.git, commit))
        verdict = run_command(work, spec, commit, path, about)
        if verdict.is_passed:
            break
        _refuse_interrupted(work)
    return verdict


def _refuse_interrupted(work: Workspace) -> None:
    """Record nothing about a command that did not pass because we are to end.

    Raises:
        UnavailableError: That is so.

    """
    if work.is_over():
        raise UnavailableError("interrupted: the command was ended", hint="run it again")


def run_command(
    work: Workspace,
    spec: GateSpec,
    commit: Oid,
    log: Path,
    about: dict[str, str],
    is_over: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Run a command on a commit, with its output in that log."""
    environment = {**about, "GITCOORD_COMMIT": commit, "GITCOORD_LEDGER": work.ledger.name}
    work.logs.make_room()

    def is_ended() -> bool:
        return is_over() or work.is_over()

    job = Job(commit, spec["run"], spec["timeout_ms"], environment, log, is_ended)
    if "setup" not in spec:
        return run_check(work.git, job)
    made = environment_of(work, spec, commit)
    failed = _build(work, spec, job, made)
    if failed is not None:
        return failed
    return run_check(work.git, job._replace(before=made.copy_into))


def _build(work: Workspace, spec: GateSpec, job: Job, made: Environment) -> Verdict | None:
    """Build a gate's environment unless it is there; return why the gate fails for it."""
    if made.missing:
        error = f"its setup needs {', '.join(made.missing)}, which the commit lacks"
        return judge(Ended(None, cannot=said("cannot-run", error=error)), job.timeout_ms, 0)
    if made.is_whole:
        return None
    building = job._replace(command=spec["setup"], only=made.files, after=made.freeze)
    verdict = run_check(work.git, building)
    if verdict.is_passed:
        return None
    error = f"its setup failed: {verdict.reason}"
    return verdict._replace(said=said("cannot-run", error=error))


def _facts(
    work: Workspace, spec: GateSpec, commit: Oid, tree: Oid, verdict: Verdict, log: bytes
) -> dict[str, Any]:
    return {
        "definition": definition_of(spec),
        "tree": tree,
        "commit": commit,
        "millis": verdict.millis,
        "said": verdict.said,
        "verdict": "passed" if verdict.is_passed else "failed",
        "log": work.store.write_blob(log),
    }


# checks


def check_result(
    work: Workspace, agent: AgentId, task: TaskRecord, token: Token, result: dict[str, Any]
) -> None:
    """Pass a task's check on what is handed in, beating while it runs.

    Without a commit it runs on what the claim started from.

    Raises:
        RefusedError: ``trust``: nothing was run; ``check``: it failed, with
            the end of its output.
        ClaimLostError: The claim was taken meanwhile.

    """
    spec = check_of(task["spec"])
    snapshot = work.ledger.snapshot()
    if spec is None or _is_checked(work, snapshot, task, result):
        return
    require_trust(work, [f"check: {spec['run']}"])
    commit = result["oid"] or cast("Claim", task["claim"])["base"]
    verdict = _run_check(work, agent, task, token, spec, commit)
    if not verdict.is_passed:
        _refuse_interrupted(work)
    log = log_tail(verdict.output)
    tree = tree_of(work.git, commit)
    if verdict.is_passed:
        remember_pass(work, check_path(task["id"]), definition_of(spec), tree)
    facts = _facts(work, spec, commit, tree, verdict, log)
    done = work.ledger.execute(
        {"op": "check", "agent": agent, "task": task["id"], "token": token, **facts},
        agent=agent,
        inputs=[log],
    )
    if not verdict.is_passed:
        raise _failed(task, verdict, tail_of(log), done.entry)


def _run_check(
    work: Workspace, agent: AgentId, task: TaskRecord, token: Token, spec: GateSpec, commit: Oid
) -> Verdict:
    """Run a task's check on a commit, beating while it runs.

    Raises:
        ClaimLostError: The claim was taken meanwhile.

    """
    from gitcoord.features.work.beating import beating

    about = {
        "GITCOORD_TASK": task["id"],
        "GITCOORD_PHASE": task["spec"]["phase"],
        "GITCOORD_GATE": spec["name"],
    }
    with beating(work, agent, token) as lost:
        path = work.logs.of_attempt(task["id"], task["attempt"], token, "check")
        verdict = run_command(work, spec, commit, path, about, lost.is_set)
    if lost.is_set():
        raise ClaimLostError(
            f"the claim on task {task['id']} was taken while its check ran",
            hint="stop working on it; `gitcoord claim` gives the next task",
            task=task["id"],
        )
    return verdict


def _failed(task: TaskRecord, verdict: Verdict, said: str, entry: Oid) -> RefusedError:
    return RefusedError(
        f"the check of task {task['id']} failed: {verdict.reason}" + clause("\n{}", said),
        reason="check",
        task=task["id"],
        why=verdict.reason,
        log=said,
        entry=entry,
        hint=(
            f"fix it, commit, and complete again; `gitcoord show {task['id']} --log` has more of "
            "the output"
        ),
    )


def _is_checked(
    work: Workspace, snapshot: Snapshot, task: TaskRecord, result: dict[str, Any]
) -> bool:
    try:
        require_check(snapshot, task, result)
    except RefusedError:
        return False
    run = run_of(snapshot, task=task["id"])
    if run is None:
        return False
    return has_passed_here(work, check_path(task["id"]), run["definition"], run["tree"])
