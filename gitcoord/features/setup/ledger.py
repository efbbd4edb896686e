"""Make a ledger."""

from __future__ import annotations

from gitcoord.core.errors import RefusedError, UsageError
from gitcoord.core.ids import ORCHESTRATOR
from gitcoord.core.messages import parse as parse_message
from gitcoord.core.refs import HEADS, branch_name, branch_ref
from gitcoord.features.workspace import DEFAULT_LEDGER, Workspace
from gitcoord.ledger.ledger import Done

__all__ = ["begun", "init"]


def init(work: Workspace) -> Done:
    """Make the ledger; its first entry names the target and its tip.

    Raises:
        RefusedError: It exists already, or a branch stands in the way.
        UsageError: The repository has no commit or no branch checked out.

    """
    name = work.ledger.name
    if work.ledger.tip() is not None:
        raise RefusedError(
            f"this repository has a ledger {name!r} already",
            reason="exists",
            hint="`gitcoord status` shows it; `gitcoord plan apply FILE` loads a plan",
        )
    if name == DEFAULT_LEDGER:
        prefix = "task"
    else:
        prefix = f"task-{name}"
    for branch, hint in (
        ("gitcoord", "rename that branch"),
        (prefix, "rename that branch, or choose another prefix with --ledger NAME"),
    ):
        if work.store.read_ref(branch_ref(branch)) is not None:
            raise RefusedError(
                f"a branch {branch!r} is in the way of gitcoord's branches {branch}/...",
                reason="branch-in-the-way",
                hint=hint,
            )
    target, tip = _checked_out(work)
    command = {
        "op": "init",
        "agent": ORCHESTRATOR,
        "ledger": name,
        "task_prefix": prefix,
        "target": target,
        "target_tip": tip,
    }
    try:
        return work.ledger.execute(command, agent=ORCHESTRATOR)
    except RefusedError:
        raise RefusedError(
            f"this repository has a ledger {name!r} already",
            reason="exists",
            hint="`gitcoord status` shows it",
        ) from None


def begun(work: Workspace) -> Done | None:
    """Return the first entry where it is all there is: ``init`` was cut off."""
    tip = work.ledger.tip()
    entry = None
    if tip:
        entry = work.store.read_entry(tip)
    if entry is None or entry.parents or entry.is_cut:
        return None
    return Done(entry.oid, parse_message(entry.message, entry.oid), work.ledger.snapshot(entry.oid))


def _checked_out(work: Workspace) -> tuple[str, str]:
    head = work.git.run("symbolic-ref", "-q", "HEAD", check=False)
    target = head.stdout.decode("utf-8", "replace").strip()
    if head.status != 0 or not target.startswith(HEADS):
        raise UsageError(
            "no branch is checked out here, so there is no target to land on",
            hint="check out the branch that phases shall land on, and run it again",
        )
    tip = work.store.read_ref(target)
    if tip is None:
        raise UsageError(
            f"the branch {branch_name(target)} has no commit yet",
            hint="make a first commit, and run it again",
        )
    return target, tip
