"""Try what is at work in a phase against each other and the target, in memory."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from gitcoord.core.ids import Oid, PhaseId, TaskId
from gitcoord.core.refs import branch_ref
from gitcoord.core.snapshot import Snapshot
from gitcoord.features.workspace import Workspace

__all__ = ["clashes"]

MAX_BRANCHES = 40
MAX_FILES = 20


def clashes(work: Workspace, phase: PhaseId) -> dict[str, Any]:
    """Return which open branches and results clash, with whom, and in which files.

    ``other`` is None for the target. ``tried`` names the tasks that have
    commits; of many only the first are tried, and ``is_cut`` says so.
    """
    from gitcoord.git.merges import Conflict, merge_tree

    snapshot = work.ledger.snapshot()
    tips = _tips(work, snapshot, phase)
    tried = dict(list(tips.items())[:MAX_BRANCHES])
    pairs: list[tuple[TaskId, TaskId | None, Oid, Oid]] = []
    target = work.target_tip(snapshot)
    for name, tip in tried.items():
        pairs.append((name, None, target, tip))
    for (one, ours), (other, theirs) in combinations(tried.items(), 2):
        pairs.append((other, one, ours, theirs))
    found = []
    for name, against, ours, theirs in pairs:
        merged = merge_tree(work.git, ours, theirs)
        if isinstance(merged, Conflict):
            files = list(merged.files[:MAX_FILES])
            found.append({"task": name, "other": against, "files": files})
    return {"clashes": found, "tried": list(tried), "is_cut": len(tips) > len(tried)}


def _tips(work: Workspace, snapshot: Snapshot, phase: PhaseId) -> dict[TaskId, Oid]:
    """Return the newest commit of each task that has one and has not landed, in plan order."""
    tasks = [task for task in snapshot.tasks() if task["spec"]["phase"] == phase]
    tasks.sort(key=lambda task: task["order"])
    found: dict[TaskId, Oid] = {}
    for task in tasks:
        claim, result = task["claim"], task["result"]
        if "landed" in task:
            continue
        if claim is not None:
            tip = work.store.read_ref(branch_ref(claim["branch"]))
            if tip is not None and tip != claim["base"]:
                found[task["id"]] = tip
        elif result is not None and result["oid"] and task["state"] in {"review", "done"}:
            found[task["id"]] = result["oid"]
    return found
