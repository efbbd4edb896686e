"""Tell a pending move of the target that was begun from one that only stands there.

Whoever can write the ledger's branch can write into its state that a move
is under way. It counts only with the entry that began it, which has to be
legal, with gates that this machine saw pass, and with a candidate that is
what this entry is about.
"""

from __future__ import annotations

from typing import cast

from gitcoord.core.errors import CorruptError, RefusedError
from gitcoord.core.events import Event
from gitcoord.core.ids import NO_OID, Oid
from gitcoord.core.messages import parse
from gitcoord.core.model import Pending, Why
from gitcoord.core.sentences import said
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.land import candidates
from gitcoord.features.land.candidates import Conflicted
from gitcoord.features.land.rollback_preview import code_move, moves_since
from gitcoord.features.work.checks import unproved
from gitcoord.features.workspace import Workspace
from gitcoord.git.identities import differ_by_identity_alone
from gitcoord.ledger.replay import cut_off, illegal, replay_entry
from gitcoord.store.protocol import EntryObject, MissingObjectError
from gitcoord.store.reader import RecordCache

__all__ = ["require_begun", "unlike"]

_BEGINNINGS = {"landing": "land-begin", "rollback": "rollback"}
_ENDS = {"land-done", "land-abort", "rollback", "rollback-done", "rollback-abort", "init"}


def require_begun(work: Workspace, snapshot: Snapshot, pending: Pending) -> Event:
    """Return the event that began a pending move.

    Raises:
        CorruptError: No legal entry did: the move must not be followed.

    """
    entry, event = _beginning(work, snapshot, pending)
    replay_entry(work.ledger, entry, RecordCache())
    return event


def _beginning(work: Workspace, snapshot: Snapshot, pending: Pending) -> tuple[EntryObject, Event]:
    """Seek the entry that began a move, back from the newest."""
    oid: Oid | None = snapshot.oid
    while oid is not None:
        try:
            entry = work.store.read_entry(oid)
        except MissingObjectError as error:
            raise illegal(oid, f"it cannot be read: {error}") from None
        event = parse(entry.message, oid)
        if event["op"] == _BEGINNINGS[pending["kind"]] and _move_of(event) == pending:
            return entry, event
        if event["op"] in _ENDS:
            break
        if entry.is_cut:
            raise cut_off(oid)
        oid = None
        if entry.parents:
            oid = entry.parents[0]
    raise illegal(snapshot.oid, "it says that the target is being moved, and no entry began that")


def _move_of(event: Event) -> Pending | None:
    """Return the move that an entry began."""
    if event["op"] == "rollback":
        return event["code"]
    move = {"kind": "landing"} | {key: event[key] for key in ("phase", "target", "old", "new")}
    return cast("Pending", move)


def unlike(work: Workspace, snapshot: Snapshot, event: Event) -> Why:
    """Return how a candidate differs from what its entry stands for, or nothing.

    What a move makes of the target is a pure function of commits, but for who
    made and signed it: whoever comes next gets what was tested, or does not move it.
    """
    if event["op"] == "rollback":
        return _unlike_rollback(work, event)
    phase = event["phase"]
    gates = unproved(work, phase, event["gates"])
    if gates:
        return said("gates-unseen", gates=gates)
    tasks = {task["id"]: task for task in snapshot.tasks() if task["spec"]["phase"] == phase}
    try:
        results = snapshot.json_blob(event["results"], f"the results of phase {phase}")
        names = [proof["gate"] for proof in event["gates"]]
        tips = candidates.merge(work, tasks, results, Oid(event["old"]), names)
    except (RefusedError, CorruptError) as error:
        return error.message
    if isinstance(tips, Conflicted):
        return said("results-conflict", files=tips.files)
    if differ_by_identity_alone(work.git, tips[-1], Oid(event["new"])):
        return ""
    return _difference(tips[-1], event["new"])


def _unlike_rollback(work: Workspace, event: Event) -> Why:
    code = cast("Pending", event["code"])
    old, new = code["old"], code["new"]
    abandoned = work.ledger.snapshot(event["abandoned"])
    chosen = work.ledger.snapshot(event["onto"])
    undone = moves_since(work, abandoned.oid, NO_OID).rollbacks.get(old)
    if undone is not None and undone[0] == new:
        return ""
    try:
        move = code_move(work, abandoned, chosen, may_reset=not event["forward"])
    except RefusedError as error:
        return error.message
    return _difference(move.new if move is not None else old, new)


def _difference(wanted: Oid, new: Oid) -> Why:
    if wanted == new:
        return ""
    return said("other-candidate", wanted=wanted, found=new)
