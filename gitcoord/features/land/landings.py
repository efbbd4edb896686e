"""Land a phase: merge its results in memory, then move the target once.

The ledger decides: ``land-begin`` records old and new target, the move
follows it in a ref transaction that verifies the ledger, ``land-done``
closes it. The next command finishes or aborts a landing that was cut off
by the same three questions, so that a crash never leaves half of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from gitcoord.core import codec
from gitcoord.core.errors import NotFoundError, RefusedError, UnavailableError
from gitcoord.core.events import Command
from gitcoord.core.ids import ORCHESTRATOR, Oid, PhaseId, TaskId
from gitcoord.core.leases import Context
from gitcoord.core.model import PhaseRecord
from gitcoord.core.operations.landings import left_out, wholeness
from gitcoord.core.refs import branch_name, landing_ref
from gitcoord.core.sentences import words
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.core.streams import is_due, is_stream
from gitcoord.features.land import candidates
from gitcoord.features.land.candidates import (
    Conflicted,
    PhaseCheck,
    check_phase,
    in_the_way,
    refuse_replaced,
)
from gitcoord.features.land.landing_push import LandingPush, push_landed
from gitcoord.features.land.target_moves import finish_pending, holder_of
from gitcoord.features.workspace import Workspace, keep_commits, plan_of
from gitcoord.ledger.ledger import Done
from gitcoord.store.queue import QueueLock

TURNS = 8
"""How often a landing begins again before it says that somebody keeps changing things."""

__all__ = [
    "Conflicted",
    "Landed",
    "PhaseCheck",
    "check_phase",
    "is_batch_due",
    "land",
    "land_automatically",
    "lost",
    "refuse_unready",
]


class Landed(NamedTuple):
    """A phase that landed (or had landed), or a batch of a stream, and where the target is.

    ``given_back`` are tasks of the stream that the batch had to land without,
    ``push`` is what came of pushing the target, where the plan says so.
    """

    entry: Oid
    phase: PhaseId
    target: str
    old: Oid
    new: Oid
    results: int
    already: bool
    gates: Sequence[str] = ()
    without: Sequence[TaskId] = ()
    given_back: Sequence[TaskId] = ()
    push: LandingPush | None = None


def land_automatically(
    work: Workspace, phase: PhaseId
) -> Landed | RefusedError | UnavailableError | None:
    """Land a phase whose plan says ``landing = "auto"``, if it is whole now.

    Called after a task was completed, so a landing that is refused is told
    and does not undo that. Worktrees are left to the orchestrator.
    """
    snapshot = work.ledger.snapshot()
    record = snapshot.phase(phase)
    if plan_of(snapshot)["landing"] != "auto" or record is None or not snapshot.is_started(record):
        return None
    if wholeness(snapshot, phase).missing or not is_batch_due(work, phase):
        return None
    try:
        return land(work, phase, follow=False)
    except (RefusedError, UnavailableError) as error:
        return error


def is_batch_due(work: Workspace, phase: PhaseId) -> bool:
    """Return whether the next batch of a stream lands by itself now; of other phases, always."""
    snapshot = work.ledger.snapshot()
    record = snapshot.phase(phase)
    if record is None or not is_stream(record["spec"]):
        return True
    return is_due(record, wholeness(snapshot, phase).tasks, work.clock.seconds())


def land(
    work: Workspace, phase: PhaseId, *, follow: bool = True, without: Sequence[TaskId] = ()
) -> Landed:
    """Land a whole phase on the target, behind its gates, all or nothing.

    With ``follow``, worktrees that have the target checked out are brought
    along; without, the next orchestrator's command does. ``without`` names
    tasks that a person leaves out: they, and what was built on them, are
    cancelled when the rest has landed.

    Raises:
        RefusedError: ``not-whole``; ``conflict`` (the later task was
            reopened); ``gate`` (the culprits were); ``worktree`` (local
            changes are in the way); ``trust``; ``gates-required``;
            ``target-moved`` (it landed, and was taken out again).
        UnavailableError: Another landing runs, or the queue is stuck.

    """
    lock = QueueLock(work.ledger.files.landing_lock)
    with lock.hold(work.ledger.timeout_s) as is_held:
        if not is_held:
            raise UnavailableError(
                f"{holder_of(lock)} is landing a phase",
                hint="`gitcoord status` shows it; try again",
            )
        finish_pending(work, follow=follow)
        landed = _land_in_turns(work, phase, follow=follow, without=without)
    return landed._replace(push=push_landed(work, landed.target, landed.new))


def _land_in_turns(
    work: Workspace, phase: PhaseId, *, follow: bool, without: Sequence[TaskId]
) -> Landed:
    """Land a phase; of a stream land the rest when some of a batch were given back.

    The rest is merged and tested anew, so that it lands on what it passed on.
    """
    turns = 0
    first: RefusedError | None = None
    given_back: list[TaskId] = []
    while turns < TURNS:
        try:
            landed = _land_once(work, phase, follow=follow, without=without)
            return landed._replace(given_back=given_back)
        except _StartAgainError:
            turns += 1
        except RefusedError as error:
            record = work.ledger.snapshot().phase(phase)
            more = _given_back(error)
            if record is None or not is_stream(record["spec"]) or (first and not more):
                raise first or error from None
            if not more:
                raise
            first = first or error
            given_back += more
    raise UnavailableError(
        "the target branch, or the plan, keeps changing", hint="try again when it is quiet"
    )


def _given_back(error: RefusedError) -> list[TaskId]:
    """Return the tasks that a refused landing reopened."""
    if error.reason == "conflict":
        return [TaskId(str(error.facts["task"]))]
    if error.reason == "gate":
        return [TaskId(name) for name in cast("list[str]", error.facts["tasks"])]
    return []


class _StartAgainError(Exception):
    """Return the error for a target or plan that changed while the landing was made."""


_CHANGED = {"results-changed", "gate-changed", "gate-missing", "not-whole"}


def _land_once(
    work: Workspace, phase: PhaseId, *, follow: bool, without: Sequence[TaskId]
) -> Landed:
    snapshot = work.ledger.snapshot()
    record = snapshot.phase(phase)
    if record is not None and record["state"] == "landed" and record["landing"]:
        landing = record["landing"]
        if lost(work, snapshot, [record]):
            raise _moved_back(work, snapshot, record)
        return Landed(
            snapshot.oid,
            phase,
            work.target(snapshot),
            landing["old"],
            landing["new"],
            landing["count"],
            already=True,
            gates=[one["gate"] for one in landing["gates"]],
            without=landing["without"],
        )
    check = check_phase(work, phase, snapshot, without, is_signing=True)
    _refuse_unready(check)
    tree = _begun(work, snapshot, check)
    forbidden = finish_pending(work, follow=follow, made=check.tips[-1])
    done = _verified(work, phase, check, tree, forbidden)
    from gitcoord.features.land.branches import reclaim_branches

    reclaim_branches(work, work.ledger.snapshot())
    return done


def _begun(work: Workspace, snapshot: Snapshot, check: PhaseCheck) -> Oid:
    """Test what was merged and begin the landing; return the tested tree.

    Raises:
        RefusedError: A conflict, or a gate that failed, was given back.
        _StartAgainError: It is not what was merged any more, or is not there.

    """
    from gitcoord.git.program import GitError
    from gitcoord.git.soundness import is_whole

    try:
        if check.conflict is not None:
            reopened = _reopen(work, check, check.conflict)
            raise _conflicting(check.conflict, reopened)
        tree = _tested(work, snapshot, check)
        _begin(work, snapshot, check, tree)
    except RefusedError as error:
        if error.reason in _CHANGED:
            raise _StartAgainError from None
        raise
    except GitError:
        # No ref keeps the candidate before the landing begins: a prune may have it.
        if is_whole(work.git, check.tips[-1:], check.tips[:1]):
            raise
        work.ledger.require_unpruned()
        raise _StartAgainError from None
    return tree


def refuse_unready(work: Workspace, phase: PhaseId, without: Sequence[TaskId] = ()) -> None:
    """Refuse what ``land`` would refuse before it runs a gate; change nothing.

    Raises:
        RefusedError: As ``land`` does.

    """
    from gitcoord.features.setup.trust import gate_commands, require_trust

    snapshot = work.ledger.snapshot()
    check = check_phase(work, phase, snapshot, without)
    record = snapshot.phase(check.phase)
    if record is None or check.state == "landed":
        return
    _refuse_unready(check)
    passed = {gate["name"] for gate in check.gates if gate["passed"]}
    gates = [gate for gate in record["spec"]["gates"] if gate["name"] not in passed]
    require_trust(work, [command for gate in gates for command in gate_commands(gate)])


def _refuse_unready(check: PhaseCheck) -> None:
    phase = check.phase
    if check.missing:
        named = ", ".join(f"{task['id']} ({task['state']})" for task in check.missing[:5])
        raise RefusedError(
            f"phase {phase} is not whole: {named}",
            reason="not-whole",
            hint=f"`gitcoord phase check {phase}` lists what is missing",
            missing=cast("Any", [task["id"] for task in check.missing[:100]]),
        )
    if check.is_empty:
        raise RefusedError(
            f"nothing is done in stream {phase} that has not landed",
            reason="nothing-to-do",
            hint=f"`gitcoord phase check {phase}` shows what it waits for",
        )
    if check.problem:
        raise RefusedError(
            check.problem,
            reason="gates-required",
            hint="give the phase a gate in the plan, and apply it again",
        )
    if check.in_the_way:
        raise _blocked(check.in_the_way)


def _blocked(paths: Sequence[str]) -> RefusedError:
    return RefusedError(
        f"local changes are in the way of the landing: {', '.join(paths[:5])}",
        reason="worktree",
        hint="commit them, or move them away, in the worktree that has the target checked out",
    )


def _tested(work: Workspace, snapshot: Snapshot, check: PhaseCheck) -> Oid:
    """Pass the gates on the merged commit, or give the culprits back."""
    from gitcoord.features.work.checks import prove
    from gitcoord.git.merges import tree_of

    old, new = check.tips[0], check.tips[-1]
    failure = prove(work, snapshot, cast("PhaseRecord", snapshot.phase(check.phase)), new)
    if failure is not None:
        from gitcoord.features.land.culprits import find_culprits, refusal, reopen, tester

        tasks, _ = wholeness(snapshot, check.phase, check.without)
        by_id = {task["id"]: task for task in tasks}

        def merge(results: list[list[str]]) -> list[Oid] | None:
            merged = candidates.merge(work, by_id, results, old)
            if isinstance(merged, Conflicted):
                return None
            return merged

        dependents = {
            name: set(left_out(snapshot, check.phase, [TaskId(name)])) for name, _ in check.results
        }
        test = tester(work, check.phase, failure, new)
        culprits = find_culprits(check.results, list(check.tips), dependents, merge, test)
        for culprit in culprits:
            reopen(work, culprit)
        raise refusal(check.phase, failure, culprits)
    return tree_of(work.git, new)


def _begin(work: Workspace, snapshot: Snapshot, check: PhaseCheck, tree: Oid) -> None:
    """Publish the landing, if all is as it was when it was tested."""
    from gitcoord.git.soundness import require_sound

    target, old, new = work.target(snapshot), check.tips[0], check.tips[-1]
    if work.read_target(target) != old:
        raise _StartAgainError
    # The gates may have taken their time: somebody edited here meanwhile.
    blocked = in_the_way(work, target, old, new)
    if blocked:
        raise _blocked(blocked)
    if check.gates:
        # A gate runs what agents wrote, and could have written to our objects.
        require_sound(work.git, new, [old])
    content = codec.dump(check.results)
    blob = work.store.write_blob(content)
    candidate = landing_ref(work.ledger.name, check.phase, new)
    try:
        # The gates took their time: a prune may have taken what they ran on.
        keep_commits(work, {candidate: new}, [old])
    except NotFoundError:
        raise _StartAgainError from None
    command = {
        "op": "land-begin",
        "phase": check.phase,
        "target": target,
        "old": old,
        "new": new,
        "results": blob,
        "count": len(check.results),
        "tree": tree,
        "without": check.without,
    }
    try:
        work.ledger.execute(command, agent=ORCHESTRATOR, verify={target: old}, inputs=[content])
    except UnavailableError:
        if work.read_target(target) != old:
            raise _StartAgainError from None
        raise


def _verified(
    work: Workspace, phase: PhaseId, check: PhaseCheck, tree: Oid, forbidden: RefusedError | None
) -> Landed:
    """Read again what became of it: another command may have ended it before us."""
    from gitcoord.git.merges import tree_of

    after = work.ledger.snapshot()
    ended, old, new = after.phase(phase), check.tips[0], check.tips[-1]
    landing = None
    if ended is not None and ended["state"] == _state_after(ended):
        landing = ended["landing"]
    if ended is None or landing is None or landing["new"] != new:
        forbidden = forbidden or RefusedError(
            "another command gave it up, since the target moved or a hook refused it",
            reason="target-moved",
        )
        raise RefusedError(
            f"the landing of phase {phase} was aborted: {forbidden.message}",
            reason=forbidden.reason,
            hint="`gitcoord status` shows the escalation; fix it, and land again",
        )
    if tree_of(work.git, new) != tree or lost(work, after, [ended]):
        raise _moved_back(work, after, ended)
    return Landed(
        after.oid,
        phase,
        work.target(after),
        old,
        new,
        len(check.results),
        already=False,
        gates=[one["gate"] for one in landing["gates"]],
        without=landing["without"],
    )


def _state_after(phase: PhaseRecord) -> str:
    """Return the state of a phase after a landing of it that succeeded."""
    if is_stream(phase["spec"]) and phase["state"] != "landed":
        return "open"
    return "landed"


def lost(work: Workspace, snapshot: Snapshot, phases: Iterable[PhaseRecord]) -> list[PhaseId]:
    """Return the landed phases that the target does not contain any more."""
    from gitcoord.git.merges import is_ancestor
    from gitcoord.git.program import GitError

    found = []
    for phase in phases:
        try:
            is_there = phase["landing"] is None or is_ancestor(
                work.git, phase["landing"]["new"], work.target_tip(snapshot)
            )
        except GitError:  # the commit itself is gone
            is_there = False
        if not is_there:
            found.append(phase["id"])
    return found


def _moved_back(work: Workspace, snapshot: Snapshot, phase: PhaseRecord) -> RefusedError:
    new, target = (
        phase["landing"]["new"] if phase["landing"] else "",
        branch_name(work.target(snapshot)),
    )
    return RefusedError(
        f"phase {phase['id']} landed as {new[:12]}, and {target} does not contain it any more",
        reason="target-moved",
        hint=f"look at the reflog of {target}: somebody moved it back",
    )


def _reopen(work: Workspace, check: PhaseCheck, conflict: Conflicted) -> Done:
    """Reopen the task whose result conflicts.

    Raises:
        RefusedError: ``results-changed``: other results were merged than there are.

    """
    names = [name for name, _ in check.results]
    merged = check.results[: names.index(conflict.task) + 1]

    def command(snapshot: Snapshot, _context: Context) -> Command:
        refuse_replaced(snapshot, merged)
        return {
            "op": "reopen",
            "task": conflict.task,
            "kind": "conflict",
            "said": conflict.said,
        }

    return work.ledger.execute(command, agent=ORCHESTRATOR)


def _conflicting(conflict: Conflicted, reopened: Done) -> RefusedError:
    files = ", ".join(conflict.files[:5])
    what = f"task {conflict.task} conflicts with {conflict.other} in {files}"
    if conflict.is_moved:
        what = f"task {conflict.task} cannot land: {words(conflict.said)}"
    return RefusedError(
        f"{what}; nothing moved, and {conflict.task} is "
        f"{reopened.snapshot.require_task(conflict.task)['state']} again",
        reason="conflict",
        task=conflict.task,
        other=conflict.other,
        files=cast("Any", conflict.files[:50]),
        hint=f"claim {conflict.task} again: its next base contains the other's result",
        entry=reopened.entry,
    )
