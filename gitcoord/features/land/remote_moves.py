"""End a pending move of the target where the ledger, and the target, are on a server.

There the entry that says that it is done and the move itself are one push: no
crash leaves one without the other.
"""

from __future__ import annotations

from typing import Literal

from gitcoord.core.errors import RefusedError
from gitcoord.core.events import Command, Event
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.model import Pending, Why
from gitcoord.core.refs import branch_name
from gitcoord.core.sentences import given, said, words
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace

__all__ = ["end_on_server"]


def end_on_server(
    work: Workspace, snapshot: Snapshot, pending: Pending, event: Event, *, made: str
) -> tuple[bool, RefusedError | None]:
    """Push the move and the entry that ends it.

    Returns whether it was made, and what forbade it where it was aborted. If it
    is neither, the target was moved by somebody else meanwhile, and the caller
    looks again.

    Raises:
        UnavailableError: The server was not reached; nothing moved.

    """
    from gitcoord.git.merges import holds_move

    target, old, new = pending["target"], pending["old"], pending["new"]
    now = work.read_target(target)
    why: Why = ""
    forbidden = None
    if now == old and new != made:
        from gitcoord.features.land.pending_moves import unlike

        why = unlike(work, snapshot, event)
    is_ours = now is not None and (now == old or holds_move(work.git, now, old, new))
    if is_ours and not why:
        try:
            _end(work, pending, "done")
        except RefusedError as error:
            if error.reason == "target-moved":
                return False, None
            if error.reason != "remote":
                raise
            forbidden = error
            why = error.message
        else:
            return True, None
    if not why:
        why = said("target-gone", target=branch_name(target))
        if now:
            why = said("target-elsewhere", target=branch_name(target), place=now)
    _end(work, pending, "abort", why)
    return False, forbidden or RefusedError(words(why), reason="target-moved")


def _end(work: Workspace, pending: Pending, end: Literal["done", "abort"], why: Why = "") -> None:
    command: Command = {"op": f"rollback-{end}"}
    if pending["kind"] == "landing":
        command = {"op": f"land-{end}", "phase": pending["phase"]}
    command |= {key: pending[key] for key in ("target", "old", "new")}
    if end == "abort":
        command |= given(why)
    work.ledger.execute(command, agent=ORCHESTRATOR)
