"""Tell which refs go to a server together with an entry.

An entry names commits by oid, which lie on no branch of the ledger. Whoever
fetches the ledger needs them, so that each travels behind a ref of its own in
the very push that publishes the entry.
"""

from __future__ import annotations

from gitcoord.core.events import Event
from gitcoord.core.ids import Oid, PhaseId
from gitcoord.core.refs import attic_ref, landing_ref, result_ref
from gitcoord.core.shapes import NamedTuple

__all__ = ["TargetMove", "companions_of", "target_move_of", "tombstone"]

_MOVED_BY = {"land-done", "rollback-done"}
_ROLLBACK = PhaseId("rollback")


class TargetMove(NamedTuple):
    """The move of a target branch that an entry says is done."""

    target: str
    old: Oid
    new: Oid


def companions_of(event: Event, ledger: str) -> dict[str, Oid]:
    """Return the refs that keep what an event names, each with its commit.

    They are made once and never move.
    """
    found: dict[str, Oid] = {}
    result = event.get("result")
    if event["op"] == "complete" and result is not None and result["oid"]:
        found[result_ref(ledger, event["task"], result["oid"])] = result["oid"]
    if event["op"] == "land-begin":
        found[landing_ref(ledger, event["phase"], event["new"])] = event["new"]
    if event["op"] == "rollback":
        if not event.get("forward"):
            # One that was appended keeps the tip in the chain.
            found[attic_ref(ledger, event["time"], event["abandoned"])] = event["abandoned"]
        code = event["code"]
        if code is not None:
            found[landing_ref(ledger, _ROLLBACK, code["new"])] = code["new"]
            found[attic_ref(ledger, event["time"], code["old"])] = code["old"]
    for inner in event.get("events", []):
        found |= companions_of(inner, ledger)
    return found


def target_move_of(event: Event) -> TargetMove | None:
    """Return the move of the target that travels with an entry, if one does."""
    if event["op"] not in _MOVED_BY:
        return None
    return TargetMove(event["target"], Oid(event["old"]), event["new"])


def tombstone(entry_id: str) -> bytes:
    """Return the blob that takes the place of a beat whose holder was taken over.

    It is a stamp of no lease: it renews nothing, and it differs from every
    other beat, so that a beat made from the old one is refused.
    """
    return f"gone-{entry_id} none 0\n".encode()
