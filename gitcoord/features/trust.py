"""Run commands of a plan only after this machine's user trusted them.

Trust is for exactly one set of commands in one repository, and lies
outside the repository: no byte of a workspace can vote for itself.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from gitcoord.core import codec
from gitcoord.core.model import PlanRecord
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace
from gitcoord.ledger.files import read_json, write_json

__all__ = ["commands_of", "is_trusted", "run_setup", "trust"]

SETUP_TIMEOUT_S = 600


def commands_of(plan: PlanRecord | None) -> list[str]:
    """List the commands that a plan would run on this machine."""
    setup = plan["worktree"]["setup"] if plan else None
    return [] if setup is None else [f"worktree setup: {codec.printable(setup)}"]


def _file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "gitcoord" / "trust.json"


def _fingerprint(work: Workspace, plan: PlanRecord | None) -> tuple[str, str]:
    setup = plan["worktree"]["setup"] if plan else None
    commands = hashlib.sha256(codec.dump({"setup": setup})).hexdigest()
    return f"{work.place.common_dir.resolve()}:{work.ledger.name}", commands


def is_trusted(work: Workspace, snapshot: Snapshot) -> bool:
    """Say whether exactly these commands were trusted for this repository."""
    plan = snapshot.plan()
    if not commands_of(plan):
        return True
    where, commands = _fingerprint(work, plan)
    return (read_json(_file()) or {}).get(where) == commands


def trust(work: Workspace, snapshot: Snapshot) -> list[str]:
    """Trust the plan's commands as they are now, and list them."""
    plan = snapshot.plan()
    where, commands = _fingerprint(work, plan)
    known = read_json(_file()) or {}
    write_json(_file(), {**known, where: commands})
    return commands_of(plan)


def run_setup(work: Workspace, snapshot: Snapshot, place: Path) -> bool:
    """Run the trusted setup command in a new worktree; False if it fails."""
    from gitcoord.git.program import run_shell

    plan = snapshot.plan()
    setup = plan["worktree"]["setup"] if plan else None
    if setup is None or not is_trusted(work, snapshot):
        return False
    log = work.ledger.files.root / "logs" / f"setup-{place.name}.log"
    return run_shell(setup, place, log, SETUP_TIMEOUT_S) == 0
