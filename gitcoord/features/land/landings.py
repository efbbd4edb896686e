"""Land a phase: merge its results in memory, then move the target once.

The ledger decides: ``land-begin`` records old and new target, the move
follows it in a ref transaction that verifies the ledger, ``land-done``
closes it. Whoever finds a landing that was cut off finishes or aborts it
by the same three questions, so that a crash never leaves half of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

from gitcoord.core import codec
from gitcoord.core.errors import GitcoordError, RefusedError, UnavailableError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.model import Pending, PhaseRecord
from gitcoord.core.operations.landings import left_out, wholeness
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.land import candidates
from gitcoord.features.land.candidates import Conflicted, PhaseCheck, check_phase, in_the_way
from gitcoord.features.workspace import Workspace, plan_of
from gitcoord.ledger.files import read_json, write_json
from gitcoord.store.queue import QueueLock

__all__ = [
    "Conflicted",
    "Landed",
    "PhaseCheck",
    "check_phase",
    "finish_pending",
    "lagging",
    "land",
    "land_automatically",
    "lost",
]


class Landed(NamedTuple):
    """A phase that landed (or had landed), and where the target is."""

    entry: str
    phase: str
    target: str
    old: str
    new: str
    results: int
    already: bool
    gates: Sequence[str] = ()
    without: Sequence[str] = ()


def land_automatically(
    work: Workspace, phase: str
) -> Landed | RefusedError | UnavailableError | None:
    """Land a phase whose plan says ``landing = "auto"``, if it is whole now.

    Called after a task was completed, so a landing that is refused is told
    and does not undo that. Worktrees are left to the orchestrator.
    """
    snapshot = work.ledger.snapshot()
    record = snapshot.phase(phase)
    if plan_of(snapshot)["landing"] != "auto" or record is None or not snapshot.is_started(record):
        return None
    if wholeness(snapshot, phase).missing:
        return None
    try:
        return land(work, phase, follow=False)
    except (RefusedError, UnavailableError) as error:
        return error


def land(
    work: Workspace, phase: str, *, follow: bool = True, without: Sequence[str] = ()
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
                f"{_holder(lock)} is landing a phase", hint="`gitcoord status` shows it; try again"
            )
        finish_pending(work, follow=follow)
        for _ in range(8):
            try:
                return _land_once(work, phase, follow=follow, without=without)
            except _StartAgainError:
                continue
        raise UnavailableError(
            "the target branch, or the plan, keeps changing", hint="try again when it is quiet"
        )


def _holder(lock: QueueLock) -> str:
    parts = lock.holder().split(":")
    return f"process {parts[2]}" if len(parts) == 4 else "another process"


class _StartAgainError(Exception):
    """Say that the target or the plan changed while the landing was made."""


_CHANGED = {"results-changed", "gate-changed", "gate-missing", "not-whole"}


def _land_once(work: Workspace, phase: str, *, follow: bool, without: Sequence[str]) -> Landed:
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
    check = check_phase(work, phase, snapshot, without)
    _refuse_unready(work, check)
    try:
        tree = _tested(work, snapshot, check)
        _begin(work, snapshot, check, tree)
    except RefusedError as error:
        if error.reason in _CHANGED:
            raise _StartAgainError from None
        raise
    finish_pending(work, follow=follow)
    done = _verified(work, phase, check, tree)
    from gitcoord.features.land.branches import reclaim_branches

    reclaim_branches(work, work.ledger.snapshot())
    return done


def _refuse_unready(work: Workspace, check: PhaseCheck) -> None:
    phase = check.phase
    if check.missing:
        named = ", ".join(f"{task['id']} ({task['state']})" for task in check.missing[:5])
        raise RefusedError(
            f"phase {phase} is not whole: {named}",
            reason="not-whole",
            hint=f"`gitcoord phase check {phase}` lists what is missing",
            missing=cast("Any", [task["id"] for task in check.missing[:100]]),
        )
    if check.problem:
        raise RefusedError(
            check.problem,
            reason="gates-required",
            hint="give the phase a gate in the plan, and apply it again",
        )
    if check.conflict is not None:
        raise _reopened(work, check.conflict)
    if check.in_the_way:
        raise _blocked(check.in_the_way)


def _blocked(paths: Sequence[str]) -> RefusedError:
    return RefusedError(
        f"local changes are in the way of the landing: {', '.join(paths[:5])}",
        reason="worktree",
        hint="commit them, or move them away, in the worktree that has the target checked out",
    )


def _tested(work: Workspace, snapshot: Snapshot, check: PhaseCheck) -> str:
    """Pass the gates on the merged commit, or give the culprits back."""
    from gitcoord.features.work.checks import prove
    from gitcoord.git.merges import tree_of

    old, new = check.tips[0], check.tips[-1]
    failure = prove(work, snapshot, cast("PhaseRecord", snapshot.phase(check.phase)), new)
    if failure is not None:
        from gitcoord.features.land.culprits import find_culprits, give_back, tester

        tasks, _ = wholeness(snapshot, check.phase)
        by_id = {task["id"]: task for task in tasks}

        def merge(results: list[list[str]]) -> list[str] | None:
            merged = candidates.merge(work, by_id, results, old)
            return None if isinstance(merged, Conflicted) else merged

        dependents = {
            name: set(left_out(snapshot, check.phase, [name])) for name, _ in check.results
        }
        test = tester(work, check.phase, failure, new)
        raise give_back(
            work,
            check.phase,
            failure,
            find_culprits(check.results, list(check.tips), dependents, merge, test),
        )
    return tree_of(work.git, new)


def _begin(work: Workspace, snapshot: Snapshot, check: PhaseCheck, tree: str) -> None:
    """Publish the landing, if all is as it was when it was tested."""
    target, old, new = work.target(snapshot), check.tips[0], check.tips[-1]
    if work.store.read_ref(target) != old:
        raise _StartAgainError
    # The gates may have taken their time: somebody edited here meanwhile.
    blocked = in_the_way(work, target, old, new)
    if blocked:
        raise _blocked(blocked)
    content = codec.dump(check.results)
    blob = work.store.write_blob(content)
    work.ledger.keep(f"refs/gitcoord/{work.ledger.name}/landing/{check.phase}/{new}", new)
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
        if work.store.read_ref(target) != old:
            raise _StartAgainError from None
        raise


def _verified(work: Workspace, phase: str, check: PhaseCheck, tree: str) -> Landed:
    """Read again what became of it: whoever came by may have ended it before us."""
    from gitcoord.git.merges import tree_of

    after = work.ledger.snapshot()
    ended, old, new = after.phase(phase), check.tips[0], check.tips[-1]
    landing = ended["landing"] if ended is not None and ended["state"] == "landed" else None
    if ended is None or landing is None or landing["new"] != new:
        raise RefusedError(
            f"the landing of phase {phase} was aborted: the target moved, or a hook refused it",
            reason="target-moved",
            hint="`gitcoord status` shows the escalation; mend it, and land again",
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


def lost(work: Workspace, snapshot: Snapshot, phases: Iterable[PhaseRecord]) -> list[str]:
    """Name the landed phases that the target does not contain any more."""
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
        work.target(snapshot).removeprefix("refs/heads/"),
    )
    return RefusedError(
        f"phase {phase['id']} landed as {new[:12]}, and {target} does not contain it any more",
        reason="target-moved",
        hint=f"look at the reflog of {target}: somebody moved it back",
    )


def _reopened(work: Workspace, conflict: Conflicted) -> RefusedError:
    files = ", ".join(conflict.files[:5])
    reason = f"its result conflicts with {conflict.other} in {files}"
    command = {"op": "reopen", "task": conflict.task, "kind": "conflict", "reason": reason}
    done = work.ledger.execute(command, agent=ORCHESTRATOR)
    return RefusedError(
        f"task {conflict.task} conflicts with {conflict.other} in {files}; nothing moved, and "
        f"{conflict.task} is "
        f"{done.snapshot.require_task(conflict.task)['state']} again",
        reason="conflict",
        task=conflict.task,
        other=conflict.other,
        files=cast("Any", conflict.files[:50]),
        hint=f"claim {conflict.task} again: its next base contains the other's result",
        entry=done.entry,
    )


# finishing


def finish_pending(work: Workspace, *, follow: bool = True) -> Landed | None:
    """Finish or abort a target move that is pending; None where there is none.

    In this order: the target is ``old``: move it; the target contains
    ``new``: done; else abort, and escalate. With ``follow``, worktrees that
    have the target checked out are brought along.
    """
    landed = None
    for _ in range(8):
        snapshot = work.ledger.snapshot()
        pending = snapshot.settings()["pending"]
        if pending is None:
            break
        try:
            landed = _finish(work, snapshot, pending)
        except RefusedError as error:
            if error.reason != "pending":
                raise
    else:
        raise UnavailableError(
            "the pending move of the target could not be finished", hint="try again"
        )
    if follow:
        lagging(work, bring_along=True)
    return landed


def _finish(work: Workspace, snapshot: Snapshot, pending: Pending) -> Landed | None:
    from gitcoord.git.refs import CutOffError, locks_of, move_target, sync_folders

    phase, target, old, new = (
        pending["phase"] or "rollback",
        pending["target"],
        pending["old"],
        pending["new"],
    )
    ends = {"target": target, "old": old, "new": new} | (
        {"phase": phase} if pending["kind"] == "landing" else {}
    )
    op = "land" if pending["kind"] == "landing" else "rollback"
    reason = ""
    marker = _follow_folder(work) / f"{phase}.json"
    move = {"target": target, "old": old, "new": new}
    if (begun := read_json(marker)) is not None and move.items() <= begun.items():
        _clear_after_mover(work, marker, begun)
    now = work.store.read_ref(target)
    if now == old:
        # One that is there already is another's, and stays.
        locks = [
            str(path) for path in locks_of(work.git, (target, work.ledger.ref)) if not path.exists()
        ]
        write_json(marker, {**move, "locks": locks})
        try:
            with work.ledger.queue.hold(work.ledger.timeout_s) as is_held:
                if not is_held:
                    raise UnavailableError(
                        f"{_holder(work.ledger.queue)} keeps the ledger busy", hint="try again"
                    )
                verify = {work.ledger.ref: snapshot.oid}
                # A git that outlives us holds the queue until it is over.
                moved = move_target(
                    work.git,
                    target,
                    old,
                    new,
                    verify,
                    {"GITCOORD_LANDING": phase},
                    work.ledger.queue.handles,
                )
        except RefusedError as error:
            moved, reason = False, error.message
        except CutOffError:
            moved = False
            _clear_after_mover(work, marker, {**move, "locks": locks})
            sync_folders(work.git, target)
        now = work.store.read_ref(target)
        if not moved and not reason and now == old:
            return None
    if now is not None and (now == new or (now != old and _contains(work, now, old, new))):
        done = work.ledger.execute({"op": f"{op}-done", **ends}, agent=ORCHESTRATOR)
        return Landed(done.entry, phase, target, old, new, 0, already=False)
    reason = reason or (
        f"{target.removeprefix('refs/heads/')} moved to {now[:12] if now else 'nothing'} meanwhile"
    )
    work.ledger.execute({"op": f"{op}-abort", **ends, "reason": reason}, agent=ORCHESTRATOR)
    return None


def _clear_after_mover(work: Workspace, marker: Path, facts: Mapping[str, Any]) -> None:
    """Remove the locks that a killed git left when it moved the target.

    Looked at once, under the queue, which that git would still hold; from
    then on a lock there is somebody else's.
    """
    from gitcoord.git.refs import clear_locks

    if "locks" not in facts:
        return
    with work.ledger.queue.hold(work.ledger.timeout_s) as is_held:
        if not is_held:
            raise UnavailableError(
                f"{_holder(work.ledger.queue)} keeps the ledger busy", hint="try again"
            )
        clear_locks(Path(path) for path in facts["locks"])
        write_json(marker, {key: value for key, value in facts.items() if key != "locks"})


def _contains(work: Workspace, now: str, old: str, new: str) -> bool:
    """Say whether a target that moved on has the move in it already.

    A rollback may be a reset: then its old tip contains the new one, and
    only a target without the old one was reset.
    """
    from gitcoord.git.merges import is_ancestor

    is_reset = is_ancestor(work.git, new, old)
    return is_ancestor(work.git, new, now) and not (is_reset and is_ancestor(work.git, old, now))


def _follow_folder(work: Workspace) -> Path:
    return work.ledger.files.root / "follow" / work.ledger.name


def lagging(work: Workspace, *, bring_along: bool = False) -> list[Path]:
    """List worktrees that have the target checked out and are behind it.

    Their branch moved by a landing and their files did not follow yet: the
    lander died, or local changes came in the way meanwhile. With
    ``bring_along`` those that can follow do, as by a fast-forward.
    """
    from gitcoord.git.checkout import undo
    from gitcoord.git.program import GitError
    from gitcoord.git.worktrees import checkouts_of, follow, in_the_way

    left: list[Path] = []
    for marker in sorted(_follow_folder(work).glob("*.json")):
        facts = read_json(marker)
        still: list[Path] = []
        if (
            facts is not None
            and facts.keys() >= {"target", "old", "new"}
            and work.store.read_ref(facts["target"]) == facts["new"]
        ):
            for worktree in checkouts_of(work.git, facts["target"]):
                try:
                    if bring_along:
                        _clear_after_mover(work, marker, facts)
                        undo(worktree)
                    if not bring_along or in_the_way(worktree, facts["old"], facts["new"]):
                        still.append(worktree)
                    else:
                        follow(worktree, facts["old"], facts["new"])
                except (GitError, GitcoordError, OSError):
                    still.append(worktree)
        if not still and bring_along:
            with suppress(OSError):
                marker.unlink()
        left += still
    return left
