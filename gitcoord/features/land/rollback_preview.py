"""Tell what a rollback would change, and where the target would go.

The target goes back by a reset where every commit since is a landing of
ours, and by one revert per landing where others have committed: a foreign
commit is never taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from gitcoord.core.errors import CorruptError, RefusedError
from gitcoord.core.ids import Oid, TaskId
from gitcoord.core.layout import PLAN, PLAN_INPUT
from gitcoord.core.messages import parse
from gitcoord.core.model import PhaseRecord, Survivor, TaskRecord
from gitcoord.core.operations.rollbacks import held_by_both, holders
from gitcoord.core.refs import branch_name
from gitcoord.core.shapes import NamedTuple
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.land.candidates import in_the_way, unpruned
from gitcoord.features.workspace import Workspace
from gitcoord.store.protocol import MissingObjectError, TreeItem

__all__ = ["CodeMove", "changes_of", "code_move", "moves_since", "refuse_in_the_way"]


class CodeMove(NamedTuple):
    """A move of the target; ``reverts`` are the landings' tips that it undoes."""

    target: str
    old: Oid
    new: Oid
    reverts: tuple[Oid, ...]
    is_reset: bool


class _Moves(NamedTuple):
    """The finished moves of the target since an entry, by their new tip."""

    landings: dict[Oid, Oid]
    rollbacks: dict[Oid, tuple[Oid, tuple[Oid, ...]]]


def code_move(
    work: Workspace, tip: Snapshot, chosen: Snapshot, *, may_reset: bool = True
) -> CodeMove | None:
    """Find where the target goes; None where it stays.

    Without ``may_reset`` it only grows.

    Raises:
        RefusedError: A revert conflicts (``conflict``, fact ``files``), or
            the target has another history now (``target-moved``).
        UnavailableError: A prune that runs beside takes the reverts again and again.

    """
    target, old, goal = (
        work.target(chosen),
        work.target_tip(chosen),
        chosen.settings()["target_tip"],
    )
    moves = moves_since(work, tip.oid, chosen.oid)
    reverts: list[tuple[Oid, Oid]] = []
    undone: set[Oid] = set()
    is_foreign = False
    here: Oid | None = old
    while here is not None and here != goal:
        if here in moves.landings:
            if here not in undone:
                reverts.append((here, moves.landings[here]))
            here = moves.landings[here]
        elif here in moves.rollbacks:
            before, gone = moves.rollbacks[here]
            undone |= set(gone)
            here = before
        else:
            is_foreign = True
            here = _first_parent(work, here)
    if here is None:
        raise RefusedError(
            f"{branch_name(target)} has another history than the chosen entry knew",
            reason="target-moved",
            hint="roll the ledger back without --code, and fix the branch by hand",
        )
    if old == goal:
        return None
    if may_reset and not is_foreign:
        return CodeMove(target, old, goal, tuple(new for new, _ in reverts), is_reset=True)
    if not reverts:
        return None
    new = unpruned(work, lambda: _reverted(work, old, reverts))
    return CodeMove(target, old, new, tuple(landed for landed, _ in reverts), is_reset=False)


def _first_parent(work: Workspace, oid: Oid) -> Oid | None:
    try:
        parents = work.store.read_entry(oid).parents
    except MissingObjectError:
        return None
    if not parents:
        return None
    return parents[0]


def moves_since(work: Workspace, tip: Oid, chosen: Oid) -> _Moves:
    """Collect what moved the target since an entry, abandoned history too."""
    moves = _Moves({}, {})
    begun: dict[Oid, tuple[Oid, ...]] = {}
    seen = {chosen}
    starts = [tip]
    while starts:
        oid: Oid | None = starts.pop()
        while oid is not None and oid not in seen:
            seen.add(oid)
            try:
                entry = work.store.read_entry(oid)
                event = parse(entry.message, oid)
            except (MissingObjectError, CorruptError):
                break
            if event["op"] == "land-done":
                moves.landings[event["new"]] = Oid(event["old"])
            elif event["op"] == "rollback":
                starts.append(event["abandoned"])
                if event["code"]:
                    begun[event["code"]["new"]] = tuple(event["reverts"])
            elif event["op"] == "rollback-done":
                moves.rollbacks[event["new"]] = (Oid(event["old"]), ())
            oid = None
            if entry.parents:
                oid = entry.parents[0]
    for new, (old, _) in list(moves.rollbacks.items()):
        moves.rollbacks[new] = (old, begun.get(new, ()))
    return moves


def _reverted(work: Workspace, tip: Oid, reverts: list[tuple[Oid, Oid]]) -> Oid:
    """Add one commit per landing that takes it back, newest first."""
    from gitcoord.git.merges import Conflict, commit_merge, merge_tree, time_of

    for new, old in reverts:
        merged = merge_tree(work.git, tip, old, base=new)
        if isinstance(merged, Conflict):
            raise RefusedError(
                f"the landing at {new[:12]} cannot be taken back: later commits changed "
                f"{', '.join(merged.files[:5])}",
                reason="conflict",
                files=cast("Any", list(merged.files[:50])),
                hint="roll the ledger back without --code, and revert those files by hand",
            )
        message = f"Revert the landing at {new[:12]}\n\nGitcoord-Reverts: {old}..{new}\n"
        tip = commit_merge(work.git, merged.tree, [tip], message, time_of(work.git, [tip]))
    return tip


def refuse_in_the_way(work: Workspace, move: CodeMove) -> None:
    """Refuse a move of the target that local changes stand in the way of.

    Raises:
        RefusedError: Reason ``worktree``, with the paths; or ``rebase``.

    """
    left = in_the_way(work, move.target, move.old, move.new)
    if left:
        raise RefusedError(
            f"local changes are in the way of the rollback: {', '.join(left[:5])}",
            reason="worktree",
            hint="commit them, or move them away, in the worktree that has the target checked out",
        )


def changes_of(work: Workspace, tip: Snapshot, chosen: Snapshot) -> dict[str, Any]:
    """Return which tasks, claims, locks, phases and matters would change."""
    kept = held_by_both(chosen, tip)
    now, then = holders(tip), holders(chosen)
    lost = [one for one in now if one not in kept]
    revived = [one for one in then if one not in kept]
    paths = list(_changed_paths(work, tip.oid, chosen.oid))
    return {
        "tasks": list(
            _tasks(tip, chosen, paths, {one["name"] for one in revived if one["kind"] == "claim"})
        ),
        "claims_ended": [_named(tip, one) for one in lost if one["kind"] == "claim"],
        "claims_kept": [_named(tip, one) for one in kept if one["kind"] == "claim"],
        "reviews_ended": [one["name"] for one in lost if one["kind"] == "review"],
        "locks_ended": [one["name"] for one in lost if one["kind"] == "lock"],
        "phases": list(_phases(tip, chosen)),
        "escalations": sorted(_stems(paths, "escalations")),
        "notes": sorted(_stems(paths, "notes")),
        "is_plan_changed": any(path in {PLAN, PLAN_INPUT} for path in paths),
    }


def _phases(tip: Snapshot, chosen: Snapshot) -> Iterator[dict[str, Any]]:
    """Return the phases that are in another state afterwards."""
    for phase in tip.phases():
        before = chosen.phase(phase["id"])
        if before is None or before["state"] != phase["state"]:
            yield {"phase": phase["id"], "now": phase["state"], "then": _state_of(before)}


def _named(tip: Snapshot, one: Survivor) -> dict[str, str]:
    claim = tip.require_task(TaskId(one["name"]))["claim"]
    agent = ""
    if claim:
        agent = claim["agent"]
    return {"task": one["name"], "agent": agent}


def _stems(paths: list[str], folder: str) -> set[str]:
    return {
        path.rpartition("/")[2].removesuffix(".json")
        for path in paths
        if path.startswith(folder + "/")
    }


def _tasks(
    tip: Snapshot, chosen: Snapshot, paths: list[str], ended: set[str]
) -> Iterator[dict[str, Any]]:
    for name in map(TaskId, sorted(_stems(paths, "tasks") | ended)):
        now, then = tip.task(name), chosen.task(name)
        state = _state_of(then)
        if then is not None and name in ended:
            state = "open"
        yield {"task": name, "now": _state_of(now), "then": state}


def _state_of(record: TaskRecord | PhaseRecord | None) -> str | None:
    if record is None:
        return None
    return record["state"]


def _changed_paths(work: Workspace, one: Oid, other: Oid) -> Iterator[str]:
    trees = [TreeItem(work.store.read_entry(oid).tree, is_tree=True) for oid in (one, other)]
    yield from _walk(work, "", trees[0], trees[1])


def _items(work: Workspace, item: TreeItem | None) -> Mapping[str, TreeItem]:
    if item is None or not item.is_tree:
        return {}
    return work.store.read_tree(item.oid)


def _walk(work: Workspace, path: str, old: TreeItem | None, new: TreeItem | None) -> Iterator[str]:
    olds, news = _items(work, old), _items(work, new)
    for name in sorted(olds.keys() | news.keys()):
        before, after = olds.get(name), news.get(name)
        if before != after:
            here = name
            if path:
                here = f"{path}/{name}"
            if (before and before.is_tree) or (after and after.is_tree):
                yield from _walk(work, here, before, after)
            else:
                yield here
