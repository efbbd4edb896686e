"""Read how often the end of a turn was held, and which turns ended after all."""

from __future__ import annotations

from pathlib import Path

from gitcoord.core.snapshot import Snapshot
from gitcoord.core.turn_ends import EndCount
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.files import read_json

__all__ = ["count_file", "ended_turns", "kept_count"]


def count_file(git_dir: str) -> Path:
    """Return where the ends of turns in a worktree are counted."""
    return Path(git_dir) / "gitcoord" / "assist" / "turn.json"


def kept_count(file: Path) -> EndCount:
    """Read a count; one that cannot be read begins anew."""
    known = read_json(file) or {}
    try:
        return EndCount(**known)
    except TypeError:
        return EndCount()


def ended_turns(work: Workspace, snapshot: Snapshot) -> list[str]:
    """Return a line for each claim whose holder's turn ended after it was held."""
    found = []
    for task in snapshot.live():
        held = task["claim"]
        if held is None:
            continue
        count = kept_count(count_file(str(work.private_dir(held["agent"]).parent)))
        mark = f"{held['token']}:{held['monotonic_ns']}"
        if count.is_let_go and mark in count.mark.split():
            found.append(
                f"the session of {held['agent']} ended its turn with task {task['id']} open, "
                f"after it was held {count.holds} time(s)"
            )
    return found
