"""Tell of every ledger of a repository in a line: each is on its own, and knows no other."""

from __future__ import annotations

from typing import Any

from gitcoord.core.errors import GitcoordError
from gitcoord.core.ids import is_id
from gitcoord.core.refs import ledger_ref
from gitcoord.features.inspect import facts
from gitcoord.features.maintain.overview import overview
from gitcoord.features.workspace import Workspace, open_workspace

__all__ = ["every_ledger", "ledger_names"]


def every_ledger(work: Workspace) -> list[dict[str, Any]]:
    """Return how each ledger of a repository stands, by name.

    What cannot be read is told in its place, and keeps no other from being told.
    """
    names = ledger_names(work)
    found = []
    for number, name in enumerate(names, 1):
        work.tell("reading ledgers", number, len(names))
        found.append(_standing(work, name))
    return found


def ledger_names(work: Workspace) -> list[str]:
    """Return the names of the ledgers of a repository, sorted."""
    folder = ledger_ref("")
    names = (ref.removeprefix(folder) for ref in work.store.list_refs(folder))
    return sorted(name for name in names if is_id(name))


def _standing(work: Workspace, name: str) -> dict[str, Any]:
    standing: dict[str, Any] = {
        "ledger": name,
        "remote": None,
        "plan": None,
        "target": None,
        "counts": {},
        "needs_you": 0,
        "stuck": 0,
        "problem": "",
    }
    is_offline = work.remote is not None and work.remote.is_offline
    start = work.place.worktree or work.place.common_dir
    try:
        own = open_workspace(
            start, name, clock=work.clock, timeout_s=work.ledger.timeout_s, is_offline=is_offline
        )
        try:
            if own.remote is not None:
                standing["remote"] = own.remote.remote.name
            status = facts.status(own)
            seen = overview(own, own.ledger.snapshot(status["tip"]), status)
        finally:
            own.close()
    except GitcoordError as error:
        return {**standing, "problem": error.message}
    told = {key: status[key] for key in ("plan", "target", "counts")}
    return {**standing, **told, "needs_you": len(seen["needs_you"]), "stuck": len(seen["stuck"])}
