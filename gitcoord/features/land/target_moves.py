"""Finish or abort a move of the target that is pending, and let files follow.

The command that finds a move that was cut off asks the same three questions,
so that a crash never leaves half of one. Agents finish refs only, and go on
without a move that they cannot finish.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gitcoord.core import ids
from gitcoord.core.errors import GitcoordError, RefusedError, UnavailableError
from gitcoord.core.events import Event
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.model import Pending, Why
from gitcoord.core.refs import branch_name
from gitcoord.core.sentences import given, said, words
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace
from gitcoord.host.processes import process_of
from gitcoord.ledger.files import read_json, write_json
from gitcoord.store.queue import QueueLock
from gitcoord.store.stale_locks import record_files

__all__ = ["finish_for_agent", "finish_pending", "holder_of", "lagging"]

AGENT_WAIT_S = 2.0
_TRIES = 8


def holder_of(lock: QueueLock) -> str:
    """Return the process that holds a lock, as messages name it."""
    return process_of(lock.holder()) or "another process"


def finish_for_agent(work: Workspace) -> str:
    """Finish the refs of a move that was cut off, if that can be done at once.

    Returns what keeps it from being finished, with the remedy, or nothing.
    Whatever that is, the agent's own command goes on.
    """
    from gitcoord.git.program import GitError
    from gitcoord.git.refs import lock_in_the_way

    pending = work.ledger.snapshot().settings()["pending"]
    if pending is None:
        return ""
    what = f"the {pending['kind']} of {branch_name(pending['target'])} is not over"
    # A lander at work holds this lock: its landing is not cut off.
    with QueueLock(work.ledger.files.landing_lock).hold(0) as is_free:
        if not is_free:
            return ""
        try:
            _clear_dead_locks(work, pending, AGENT_WAIT_S)
            lock = lock_in_the_way(work.git, [pending["target"]])
            if lock is not None:
                return f"{what}: {lock} is in the way; `gitcoord doctor --fix` looks at it"
            finish_pending(work, follow=False, wait_s=AGENT_WAIT_S)
        except GitcoordError as error:
            return "; ".join(filter(None, [f"{what}: {error.message}", error.hint]))
        except (GitError, OSError) as error:
            return f"{what}: {error}; `gitcoord doctor` looks at everything around the ledger"
    return ""


def finish_pending(
    work: Workspace, *, follow: bool = True, made: str = "", wait_s: float | None = None
) -> RefusedError | None:
    """Finish or abort a target move that is pending, if there is one.

    Returns what forbade a move that was aborted here.

    In this order: the target is ``old``: move it; the target contains
    ``new``: done; else abort, and escalate. With ``follow``, worktrees that
    have the target checked out are brought along. ``made`` is the candidate
    that the caller has just made itself. If this fails, the target is where
    it was or where the move takes it, and the next command goes on.

    Raises:
        CorruptError: The move that is pending was begun by no legal entry;
            it was not followed.
        UnavailableError: A lock is in the way, or the queue is stuck.

    """
    if wait_s is None:
        wait_s = work.ledger.timeout_s
    forbidden: RefusedError | None = None
    for _ in range(_TRIES):
        snapshot = work.ledger.snapshot()
        pending = snapshot.settings()["pending"]
        if pending is None:
            break
        # Mostly nothing is pending, and then nothing of this has to be loaded.
        from gitcoord.features.land.pending_moves import require_begun

        event = require_begun(work, snapshot, pending)
        try:
            forbidden = _finish(work, snapshot, pending, event, made=made, wait_s=wait_s)
        except RefusedError as error:
            if error.reason != "pending":
                raise
    else:
        raise UnavailableError(
            "the pending move of the target could not be finished", hint="try again"
        )
    if follow:
        lagging(work, bring_along=True)
    return forbidden


def _finish(
    work: Workspace,
    snapshot: Snapshot,
    pending: Pending,
    event: Event,
    *,
    made: str,
    wait_s: float,
) -> RefusedError | None:
    """Take one step towards the end of a move; return what forbids it, where it is aborted."""
    if work.remote is not None:
        from gitcoord.features.land.remote_moves import end_on_server

        was_made, forbidden = end_on_server(work, snapshot, pending, event, made=made)
        if was_made:
            _follow_server(work, pending, wait_s)
        return forbidden
    from gitcoord.git.merges import holds_move

    target, old, new = pending["target"], pending["old"], pending["new"]
    ends = {"target": target, "old": old, "new": new}
    op = "rollback"
    if pending["kind"] == "landing":
        op = "land"
        ends["phase"] = str(pending["phase"])
    _clear_dead_locks(work, pending, wait_s)
    now = work.store.read_ref(target)
    why: Why = ""
    forbidden = None
    if now == old:
        if new != made:
            from gitcoord.features.land.pending_moves import unlike

            why = unlike(work, snapshot, event)
        if not why:
            forbidden = _move(work, snapshot, pending, wait_s)
        if forbidden is not None:
            why = forbidden.message
        now = work.store.read_ref(target)
        if not why and now == old != new:
            return None
    if now is not None and (now == new or (now != old and holds_move(work.git, now, old, new))):
        work.ledger.execute({"op": f"{op}-done", **ends}, agent=ORCHESTRATOR)
        return None
    if not why:
        why = said("target-gone", target=branch_name(target))
        if now:
            why = said("target-elsewhere", target=branch_name(target), place=now)
    work.ledger.execute({"op": f"{op}-abort", **ends, **given(why)}, agent=ORCHESTRATOR)
    return forbidden or RefusedError(words(why), reason="target-moved")


def _follow_server(work: Workspace, pending: Pending, wait_s: float) -> None:
    """Let the target's branch here follow the server's, if it stood where that did.

    Anywhere else it is its user's. If this fails it is behind, as any branch
    that was not pulled.
    """
    if work.store.read_ref(pending["target"]) == pending["old"]:
        _clear_dead_locks(work, pending, wait_s)
        _move(work, work.ledger.snapshot(), pending, wait_s)


def _move(
    work: Workspace, snapshot: Snapshot, pending: Pending, wait_s: float
) -> RefusedError | None:
    """Try to move the target; return what forbids it, or nothing.

    Whether it moved has to be read.
    """
    from gitcoord.git.refs import CutOffError, locks_of, move_target, sync_folders
    from gitcoord.git.unfinished import refuse_rebased

    target, old, new = pending["target"], pending["old"], pending["new"]
    marker, move = _marker_of(work, pending), {"target": target, "old": old, "new": new}
    # One that is there already is another's, and stays.
    locks = [
        str(path) for path in locks_of(work.git, (target, work.ledger.ref)) if not path.exists()
    ]
    write_json(marker, {**move, "locks": locks})
    try:
        with work.ledger.queue.hold(wait_s) as is_held:
            if not is_held:
                raise _busy(work)
            refuse_rebased(work.git, target)
            move_target(
                work.git,
                target,
                old,
                new,
                {work.ledger.ref: snapshot.oid},
                {"GITCOORD_LANDING": pending["phase"] or "rollback"},
                # A git that outlives us holds the queue until it is over.
                work.ledger.queue.handles,
            )
    except RefusedError as error:
        return error
    except CutOffError:
        _clear_after_mover(work, marker, {**move, "locks": locks}, wait_s)
        sync_folders(work.git, target)
    return None


def _busy(work: Workspace) -> UnavailableError:
    return UnavailableError(
        f"{holder_of(work.ledger.queue)} keeps the ledger busy", hint="try again"
    )


def _clear_dead_locks(work: Workspace, pending: Pending, wait_s: float) -> None:
    """Remove the locks that dead processes of ours left on the target."""
    work.ledger.locks.clear_left()
    marker = _marker_of(work, pending)
    move = {key: pending[key] for key in ("target", "old", "new")}
    begun = read_json(marker)
    if begun is not None and move.items() <= begun.items():
        _clear_after_mover(work, marker, begun, wait_s)


def _clear_after_mover(
    work: Workspace, marker: Path, facts: Mapping[str, Any], wait_s: float
) -> None:
    """Remove the locks that a killed git left when it moved the target.

    Looked at once, under the queue, which that git would still hold; from
    then on a lock there is somebody else's. If this fails they stay.
    """
    from gitcoord.git.refs import clear_locks, locks_of

    named = facts.get("locks")
    if not isinstance(named, list):
        return
    with work.ledger.queue.hold(wait_s) as is_held:
        if not is_held:
            raise _busy(work)
        # The file may name anything: only what a move of ours locks is looked at.
        known = locks_of(work.git, (facts["target"], work.ledger.ref))
        clear_locks(path for path in known if str(path) in named)
        write_json(marker, {key: value for key, value in facts.items() if key != "locks"})


# files


def _follow_folder(work: Workspace) -> Path:
    return work.ledger.files.root / "follow" / work.ledger.name


def _marker_of(work: Workspace, pending: Pending) -> Path:
    return _follow_folder(work) / f"{pending['phase'] or 'rollback'}.json"


def lagging(work: Workspace, *, bring_along: bool = False) -> list[Path]:
    """List worktrees that have the target checked out and are behind it.

    Their branch moved by a landing and their files did not follow yet: the
    lander died, or local changes came in the way meanwhile. With
    ``bring_along`` those that can follow do, as by a fast-forward.
    """
    left: list[Path] = []
    for marker in record_files(_follow_folder(work), depth=0):
        facts = read_json(marker)
        still: list[Path] = []
        if facts is not None and _is_our_move(work, facts):
            still = _bring_along(work, marker, facts, bring_along=bring_along)
        if not still and bring_along:
            with suppress(OSError):
                marker.unlink()
        left += still
    return left


def _is_our_move(work: Workspace, facts: Mapping[str, Any]) -> bool:
    """Return whether a file tells of a move of the target, which is where that led."""
    target, old, new = (facts.get(key) for key in ("target", "old", "new"))
    if target != work.target(work.ledger.snapshot()):
        return False
    return ids.is_oid(old) and ids.is_oid(new) and work.store.read_ref(target) == new


def _checkouts(work: Workspace, target: str) -> list[Path]:
    """List the worktrees of the target; one that is hidden is left to a person."""
    from gitcoord.git.worktrees import checkouts_of

    try:
        return checkouts_of(work.git, target)
    except RefusedError:
        return [work.place.common_dir.parent]


def _bring_along(
    work: Workspace, marker: Path, facts: Mapping[str, Any], *, bring_along: bool
) -> list[Path]:
    """Let the worktrees that have the target follow; return those that cannot."""
    from gitcoord.git.checkout import undo
    from gitcoord.git.program import GitError
    from gitcoord.git.worktrees import follow, in_the_way

    still: list[Path] = []
    for worktree in _checkouts(work, facts["target"]):
        try:
            if bring_along:
                _clear_after_mover(work, marker, facts, work.ledger.timeout_s)
                undo(worktree)
            if not bring_along or in_the_way(worktree, facts["old"], facts["new"]):
                still.append(worktree)
            else:
                follow(worktree, facts["old"], facts["new"])
        except (GitError, GitcoordError, OSError):
            still.append(worktree)
    return still
