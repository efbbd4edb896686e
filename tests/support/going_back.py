"""Land a phase, and go back behind it."""

from __future__ import annotations

from pathlib import Path

from gitcoord.features.land import landings, rollbacks
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import do, found, git


def tip(work: Workspace) -> str:
    return work.ledger.snapshot().oid


def back(work: Workspace, to: str, *, code: bool = False) -> rollbacks.RolledBack:
    return rollbacks.rollback(work, rollbacks.choose(work, to=to), code=code)


def landed(repo: Path) -> tuple[Workspace, str, str]:
    """Land a phase of two tasks; give the whole entry and the target before."""
    work = found(repo, tasks("a", "b"), "x")
    do(work, "x", "a", "a\n")
    do(work, "x", "b", "b\n")
    whole, old = tip(work), git("rev-parse", "main", cwd=repo)
    landings.land(work, "default")
    return work, whole, old
