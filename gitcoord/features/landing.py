"""Land a phase: merge its results in memory, then move the target once.

The ledger decides: ``land-begin`` records old and new target, the move
follows it in a ref transaction that verifies the ledger, ``land-done``
closes it. Whoever finds a landing that was cut off finishes or aborts it
by the same three questions, so that a crash never leaves half of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

from gitcoord.core import codec
from gitcoord.core.boundary import boundary_of_result
from gitcoord.core.errors import GitcoordError, NotFoundError, RefusedError, UnavailableError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.machine.landings import merge_order, wholeness
from gitcoord.core.model import Pending, Result, TaskRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace, plan_of
from gitcoord.ledger.files import read_json, write_json
from gitcoord.store.queue import QueueLock

__all__ = ["Conflicted", "Landed", "PhaseCheck", "check_phase", "finish_pending", "lagging", "land", "land_automatically"]


class PhaseCheck(NamedTuple):
    """Whether a phase could land now, and what is missing."""

    phase: str
    state: str
    is_ready: bool
    missing: list[TaskRecord]
    results: list[list[str]]
    conflict: Conflicted | None
    new: str | None
    in_the_way: list[str]


class Conflicted(NamedTuple):
    """Two results that do not merge, and the files that they both changed."""

    task: str
    other: str
    files: list[str]


class Landed(NamedTuple):
    """A phase that landed (or had landed), and where the target is."""

    entry: str
    phase: str
    target: str
    old: str
    new: str
    results: int
    already: bool


def land_automatically(work: Workspace, phase: str) -> Landed | RefusedError | None:
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
    except RefusedError as error:
        return error


def land(work: Workspace, phase: str, *, follow: bool = True) -> Landed:
    """Land a whole phase on the target, all or nothing.

    With ``follow``, worktrees that have the target checked out are brought
    along; without, the next orchestrator's command does.

    Raises:
        RefusedError: ``not-whole``; ``conflict`` (the later task was
            reopened); ``worktree`` (local changes are in the way).
        UnavailableError: Another landing runs, or the queue is stuck.

    """
    lock = QueueLock(work.ledger.files.landing_lock)
    with lock.hold(work.ledger.timeout_s) as is_held:
        if not is_held:
            raise UnavailableError(f"{_holder(lock)} is landing a phase", hint="`gitcoord status` shows it; try again")
        finish_pending(work, follow=follow)
        for _ in range(8):
            try:
                return _land_once(work, phase, follow=follow)
            except _TargetMovedError:
                continue
        raise UnavailableError("the target branch keeps moving", hint="try again when it is quiet")


def _holder(lock: QueueLock) -> str:
    parts = lock.holder().split(":")
    return f"process {parts[2]}" if len(parts) == 4 else "another process"


class _TargetMovedError(Exception):
    """Say that the target moved while the merge was made."""


def _land_once(work: Workspace, phase: str, *, follow: bool) -> Landed:
    snapshot = work.ledger.snapshot()
    record = snapshot.phase(phase)
    if record is not None and record["state"] == "landed" and record["landing"]:
        landing = record["landing"]
        return Landed(snapshot.oid, phase, work.target(snapshot), landing["old"], landing["new"], landing["count"],
                      already=True)  # fmt: skip
    check = check_phase(work, phase, snapshot)
    if check.missing:
        named = ", ".join(f"{task['id']} ({task['state']})" for task in check.missing[:5])
        raise RefusedError(f"phase {phase} is not whole: {named}", reason="not-whole",
                           hint=f"`gitcoord phase check {phase}` lists what is missing",
                           missing=cast("Any", [task["id"] for task in check.missing[:100]]))  # fmt: skip
    if check.conflict is not None:
        raise _reopened(work, check.conflict)
    if check.in_the_way:
        raise RefusedError(
            f"local changes are in the way of the landing: {', '.join(check.in_the_way[:5])}", reason="worktree",
            hint="commit them, or move them away, in the worktree that has the target checked out",
        )  # fmt: skip
    target, old, new = work.target(snapshot), work.target_tip(snapshot), cast("str", check.new)
    content = codec.dump(check.results)
    blob = work.store.write_blob(content)
    candidate = f"refs/gitcoord/{work.ledger.name}/landing/{phase}/{new}"
    work.ledger.keep(candidate, new)
    command = {"op": "land-begin", "phase": phase, "target": target, "old": old, "new": new, "results": blob,
               "count": len(check.results)}  # fmt: skip
    try:
        work.ledger.execute(command, agent=ORCHESTRATOR, verify={target: old}, inputs=[content])
    except UnavailableError:
        if work.store.read_ref(target) != old:
            raise _TargetMovedError from None
        raise
    finish_pending(work, follow=follow)
    # Read again: whoever came by may have finished or aborted it before us.
    after = work.ledger.snapshot()
    ended = after.phase(phase)
    if ended is None or ended["state"] != "landed" or ended["landing"] is None or ended["landing"]["new"] != new:
        raise RefusedError(f"the landing of phase {phase} was aborted: the target moved, or a hook refused it",
                           reason="target-moved", hint="`gitcoord status` shows the escalation; mend it, and land again")  # fmt: skip
    return Landed(after.oid, phase, target, old, new, len(check.results), already=False)


def check_phase(work: Workspace, phase: str, snapshot: Snapshot | None = None) -> PhaseCheck:
    """Say whether a phase could land now; move nothing.

    Raises:
        NotFoundError: The plan has no such phase.

    """
    snapshot = snapshot or work.ledger.snapshot()
    plan_of(snapshot)
    record = snapshot.phase(phase)
    if record is None:
        from gitcoord.core.ids import nearest

        known = [one["id"] for one in snapshot.phases()]
        near = nearest(phase, known)
        raise NotFoundError(f"there is no phase {phase!r}", hint=f"known: {', '.join(near or known) or 'none'}")
    tasks, missing = wholeness(snapshot, phase)
    results = merge_order(tasks)
    if record["state"] == "landed" or missing or not snapshot.is_started(record):
        started = record["state"] == "landed" or snapshot.is_started(record)
        if not started and not missing:
            raise RefusedError(f"phase {phase} has not started: {', '.join(record['spec']['after'])} has to land first",
                               reason="phase", hint="`gitcoord phase list` shows the order")  # fmt: skip
        return PhaseCheck(phase, record["state"], is_ready=False, missing=missing, results=results, conflict=None,
                          new=None, in_the_way=[])  # fmt: skip
    merged = _merge(work, snapshot, {task["id"]: task for task in tasks}, results)
    if isinstance(merged, Conflicted):
        return PhaseCheck(phase, record["state"], is_ready=False, missing=[], results=results, conflict=merged,
                          new=None, in_the_way=[])  # fmt: skip
    blocked = _in_the_way(work, work.target(snapshot), work.target_tip(snapshot), merged)
    return PhaseCheck(phase, record["state"], is_ready=not blocked, missing=[], results=results, conflict=None,
                      new=merged, in_the_way=blocked)  # fmt: skip


def _merge(
    work: Workspace, snapshot: Snapshot, tasks: dict[str, TaskRecord], results: list[list[str]]
) -> str | Conflicted:
    """Merge results onto the target's tip, each as a merge commit."""
    from gitcoord.git.merges import Conflict, commit_merge, is_ancestor, merge_tree
    from gitcoord.git.results import inspect, inspect_merge, lift

    target_tip = tip = work.target_tip(snapshot)
    merged: list[str] = []
    for name, oid in results:
        task = tasks[name]
        result = cast("Result", task["result"])
        boundary = boundary_of_result(task, result)
        lifted = oid
        if is_ancestor(work.git, oid, target_tip):
            lifted = lift(work.git, oid, result["base"], target_tip)
        else:
            inspect(work.git, oid, target_tip, result["built_on"], boundary)
        tree = merge_tree(work.git, tip, lifted)
        if isinstance(tree, Conflict):
            return Conflicted(name, _other_side(work, tasks, merged, list(tree.files)), list(tree.files))
        inspect_merge(work.git, tip, tree.tree, boundary)
        title = codec.printable(task["spec"]["title"])
        message = (
            f"Land task {name}: {title}\n\nGitcoord-Task: {name}\nGitcoord-Agent: {result['agent']}\n"
            f"Gitcoord-Attempt: {result['attempt']}\nGitcoord-Result: {oid}\n"
        )
        tip = commit_merge(work.git, tree.tree, [tip, lifted], message, result["at"])
        merged.append(name)
    return tip


def _other_side(work: Workspace, tasks: dict[str, TaskRecord], merged: list[str], files: list[str]) -> str:
    """Name the merged task that changed one of the files, or the target."""
    from gitcoord.git.results import changed_files

    for name in reversed(merged):
        result = tasks[name]["result"]
        if result and result["oid"] and changed_files(work.git, result["base"], result["oid"]) & set(files):
            return f"task {name}"
    return "the target branch"


def _reopened(work: Workspace, conflict: Conflicted) -> RefusedError:
    files = ", ".join(conflict.files[:5])
    reason = f"its result conflicts with {conflict.other} in {files}"
    command = {"op": "reopen", "task": conflict.task, "kind": "conflict", "reason": reason}
    done = work.ledger.execute(command, agent=ORCHESTRATOR)
    return RefusedError(
        f"task {conflict.task} conflicts with {conflict.other} in {files}; nothing moved, and {conflict.task} is "
        f"{done.snapshot.require_task(conflict.task)['state']} again",
        reason="conflict", task=conflict.task, other=conflict.other, files=cast("Any", conflict.files[:50]),
        hint=f"claim {conflict.task} again: its next base contains the other's result", entry=done.entry,
    )  # fmt: skip


def _in_the_way(work: Workspace, target: str, old: str, new: str) -> list[str]:
    from gitcoord.git.worktrees import checkouts_of, in_the_way

    return [path for worktree in checkouts_of(work.git, target) for path in in_the_way(worktree, old, new)]


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
        raise UnavailableError("the pending move of the target could not be finished", hint="try again")
    if follow:
        lagging(work, bring_along=True)
    return landed


def _finish(work: Workspace, snapshot: Snapshot, pending: Pending) -> Landed | None:
    from gitcoord.git.refs import locks_of, move_target

    phase, target, old, new = pending["phase"] or "rollback", pending["target"], pending["old"], pending["new"]
    ends = {"target": target, "old": old, "new": new} | ({"phase": phase} if pending["kind"] == "landing" else {})
    op = "land" if pending["kind"] == "landing" else "rollback"
    reason = ""
    marker = _follow_folder(work) / f"{phase}.json"
    move = {"target": target, "old": old, "new": new}
    if (begun := read_json(marker)) is not None and move.items() <= begun.items():
        _clear_after_mover(work, marker, begun)
    now = work.store.read_ref(target)
    if now == old:
        locks = [str(path) for path in locks_of(work.git, (target, work.ledger.ref))]
        write_json(marker, {**move, "locks": locks})
        try:
            with work.ledger.queue.hold(work.ledger.timeout_s) as is_held:
                if not is_held:
                    raise UnavailableError(f"{_holder(work.ledger.queue)} keeps the ledger busy", hint="try again")
                verify = {work.ledger.ref: snapshot.oid}
                # A git that outlives us holds the queue until it is over.
                moved = move_target(work.git, target, old, new, verify, {"GITCOORD_LANDING": phase}, work.ledger.queue.handles)
        except RefusedError as error:
            moved, reason = False, error.message
        now = work.store.read_ref(target)
        if not moved and not reason and now == old:
            return None
    if now is not None and (now == new or (now != old and _contains(work, now, old, new))):
        done = work.ledger.execute({"op": f"{op}-done", **ends}, agent=ORCHESTRATOR)
        return Landed(done.entry, phase, target, old, new, 0, already=False)
    reason = reason or f"{target.removeprefix('refs/heads/')} moved to {now[:12] if now else 'nothing'} meanwhile"
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
            raise UnavailableError(f"{_holder(work.ledger.queue)} keeps the ledger busy", hint="try again")
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
    from gitcoord.git.program import GitError
    from gitcoord.git.switching import undo
    from gitcoord.git.worktrees import checkouts_of, follow, in_the_way

    left: list[Path] = []
    for marker in sorted(_follow_folder(work).glob("*.json")):
        facts = read_json(marker)
        still: list[Path] = []
        if facts is not None and facts.keys() >= {"target", "old", "new"} and work.store.read_ref(facts["target"]) == facts["new"]:
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
