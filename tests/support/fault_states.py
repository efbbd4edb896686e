"""Read a repository as the fault tests compare it, and the names drawn in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitcoord.features.inspect import facts
from gitcoord.features.land import rollbacks
from gitcoord.features.setup import hooks
from gitcoord.features.workspace import Workspace, open_workspace
from gitcoord.git.local_changes import changed_paths
from tests.support.world import git

__all__ = ["drawn_names", "ops_of", "state_of"]


def drawn_names(repo: Path) -> dict[str, str]:
    """Return the names that were drawn when a row was set up, for its arguments."""
    work = open_workspace(repo)
    try:
        if work.ledger.tip() is None:
            return {}
        snapshot = work.ledger.snapshot()
        return {
            "note": next((one["id"] for one in snapshot.notes()), ""),
            "escalation": next((one["id"] for one in snapshot.escalations()), ""),
            "rollback": next((one["entry"] for one in rollbacks.rollbacks(work)), ""),
        }
    finally:
        work.close()


def state_of(repo: Path) -> dict[str, Any]:
    """Give everything that a command may change, without what is drawn."""
    work = open_workspace(repo)
    try:
        if work.ledger.tip() is None:
            return {"tasks": None, "changes": changed_paths(repo)}
        snapshot = work.ledger.snapshot()
        records = sorted(snapshot.tasks(), key=lambda task: task["id"])
        return {
            "tasks": {task["id"]: task["state"] for task in records},
            "attempts": {task["id"]: task["attempt"] for task in records},
            "priority": {task["id"]: task["spec"]["priority"] for task in records},
            "landed": [task["id"] for task in records if "landed" in task],
            "paused": [task["id"] for task in records if "paused" in task],
            "failures": {task["id"]: task["failures"] for task in records},
            "assigned": {task["id"]: task["assigned"] for task in records},
            "reviewers": {
                task["id"]: [[one["agent"], one["verdict"]] for one in task["reviews"]]
                for task in records
            },
            "percent": {task["id"]: _percent_of(task) for task in records},
            "agents": {agent["id"]: _place_of(work, agent["id"]) for agent in snapshot.agents()},
            "worktrees": sorted(path.name for path in (repo.parent / "repo.worktrees").glob("*")),
            "phases": {phase["id"]: phase["state"] for phase in snapshot.phases()},
            "closed": [phase["id"] for phase in snapshot.phases() if "closed" in phase],
            "pending": snapshot.settings()["pending"],
            # By what they say: who tries again after a success says the same once more.
            "notes": len({note["text"] for note in snapshot.notes()}),
            "escalations": sorted({one["state"] for one in snapshot.escalations()}),
            "held": [one["paths"] for one in snapshot.locks()],
            "hooks": [(row.event, row.runs) for row in hooks.status(work)],
            "beats": len(work.store.list_refs("refs/gitcoord/ledger/beats/")),
            "files": sorted(git("ls-tree", "-r", "--name-only", "main", cwd=repo).split()),
            "changes": changed_paths(repo),
            "locks": sorted(
                str(path.relative_to(repo))
                for path in (repo / ".git").rglob("*.lock")
                if path.name != "worktrees.lock"
                and not path.name.startswith("gitcoord-trial-")
                # In nobody's way: the next command that needs such a folder removes it.
                and path.parent.name != "isolated"
            ),
        }
    finally:
        work.close()


def _percent_of(task: Any) -> int | None:
    progress = task["claim"]["progress"] if task["claim"] else None
    return None if progress is None else int(progress["percent"])


def _place_of(work: Workspace, agent: str) -> str | None:
    """Say what an agent's worktree has checked out, and what is changed there."""
    place = work.worktree_of(agent)
    if place is None:
        return None
    head = git("rev-parse", "--abbrev-ref", "HEAD", cwd=place).replace("HEAD", "detached")
    left = "".join(f" {path}" for path in changed_paths(place))
    return "-".join(head.removeprefix("task/").split("-")[:1]) + left


def ops_of(repo: Path) -> dict[str, tuple[int, set[str]]]:
    """Count the entries of each operation, and give their oids."""
    work = open_workspace(repo)
    try:
        tip = work.ledger.tip()
        counts: dict[str, tuple[int, set[str]]] = {}
        for entry in facts.history(work, tip, limit=1000) if tip else ():
            number, oids = counts.get(entry["op"], (0, set()))
            counts[entry["op"]] = (number + 1, {*oids, entry["entry"]})
        return counts
    finally:
        work.close()
